"""Backup names: safe, short, and different for any two keys."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.vault import backup_name
from s3gc_core.vault.names import NAME, slug_of

KEYS = st.text(max_size=300)
SAFE = re.compile(r"[a-z0-9_][a-z0-9._-]*")


@given(KEYS, st.sampled_from([("zstd", ".zst"), ("raw", ".bin")]))
def test_a_name_is_safe_short_and_recognised(key: str, codec: tuple[str, str]) -> None:
    name = backup_name(key, codec[0])
    assert SAFE.fullmatch(name)
    assert NAME.fullmatch(name)
    assert len(name) <= 77
    assert len(slug_of(key)) <= 40
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    assert name.endswith(digest + codec[1])


@given(KEYS, KEYS)
def test_different_keys_never_share_a_name(one: str, other: str) -> None:
    same = backup_name(one, "raw") == backup_name(other, "raw")
    assert same == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("photos/A.jpg", "photos/a.jpg"),
        ("caf\u00e9", "cafe\u0301"),
        ("a/b", "a//b"),
        ("a/b", "a-b"),
        ("x", "x\0"),
        ("../etc/passwd", "./etc/passwd"),
        ("", "/"),
    ],
)
def test_keys_that_look_alike_differ_where_case_is_ignored(one: str, other: str) -> None:
    assert backup_name(one, "raw").casefold() != backup_name(other, "raw").casefold()


@pytest.mark.parametrize(
    ("key", "slug"),
    [
        ("avatars/7/Portrait.JPG", "avatars-7-portrait.jpg"),
        ("../../.hidden", "hidden"),
        ("---", ""),
        ("\u00fc\u00f6", ""),
        ("a" * 41, "a" * 40),
        ("folder/", "folder"),
        ("x" * 30 + "/" + "y" * 39, "y" * 39),
    ],
)
def test_the_slug_is_the_readable_end_of_the_key(key: str, slug: str) -> None:
    assert slug_of(key) == slug


def test_the_longest_key_fits_any_file_system() -> None:
    assert len(backup_name("\u20ac" * 341, "zstd") + ".part") < 255
