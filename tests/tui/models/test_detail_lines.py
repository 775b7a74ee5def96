"""Everything about one key as text, at 80 and at 160 columns."""

from __future__ import annotations

from datetime import timedelta

import pytest

from s3gc_core.actions.asking import BackupOf, Explanation, Reference
from s3gc_core.bucket import ListedObject
from s3gc_core.errors import BucketUnreachable
from s3gc_core.judgement import Judged, ObjectVerdict, Verdict
from s3gc_core.judgement.layers import Layers, LayerVerdict
from s3gc_tui.models.detail_lines import (
    asking_lines,
    detail_lines,
    failed_lines,
    key_lines,
    warnings_about,
)
from s3gc_tui.models.lines import plain_text
from tests.tui.models.hostile import HOSTILE, assert_tame
from tests.tui.models.pictures import EXECUTE_ID, NOW

PASS = LayerVerdict(Verdict.PASS, "no protected prefix or pattern matches")
ROW = "main:users.avatar_url row 7"


def explanation(key: str = "media/a.jpg", reason: str = ROW, doubt: str = "") -> Explanation:
    entry = ListedObject(key, 512 << 20, '"abc"', NOW - timedelta(days=41))
    layers = Layers(
        LayerVerdict(Verdict.KEEP, reason),
        LayerVerdict(Verdict.UNKNOWN, reason),
        PASS,
        PASS,
    )
    judged = Judged(entry, ObjectVerdict.KEEP, layers, (doubt,) if doubt else ())
    references = [
        Reference("main", "users", "avatar_url", 7, "registry"),
        Reference("main", "users", "avatar_url", "x\x1b[2J" if doubt else 7, "database"),
    ]
    backups = [BackupOf(EXECUTE_ID, NOW - timedelta(days=3), 1024)]
    return Explanation(key, judged, references, backups)


@pytest.mark.parametrize("width", [80, 160])
def test_every_layer_every_reference_every_backup_and_the_key(width: int) -> None:
    lines = detail_lines(explanation(), NOW, width)
    assert_tame(lines, width)
    assert (
        plain_text(lines)
        == f"""\
 media/a.jpg
 512.0 MiB, modified 2026-10-11 08:34 UTC (41d ago), STANDARD, etag "abc"

 LAYERS asked now
 1 registry   KEEP     main:users.avatar_url row 7
 2 database   UNKNOWN  main:users.avatar_url row 7
 3 retention  PASS     no protected prefix or pattern matches
 4 exclusion  PASS     no protected prefix or pattern matches
 => KEEP  it stays

 REFERENCES 2
 main  users.avatar_url  row 7  seen by the registry
 main  users.avatar_url  row 7  seen by the database

 BACKUPS 1
 deleted 2026-11-18 08:34 UTC (3d ago)  1.0 KiB  {EXECUTE_ID}

 KEY 11 characters, 11 bytes
 media/a.jpg
 bytes in hex
   6d 65 64 69 61 2f 61 2e 6a 70 67"""
    )


def test_without_an_object() -> None:
    gone = plain_text(
        detail_lines(Explanation("a", None, [], [BackupOf(EXECUTE_ID, NOW, 1)]), NOW, 80)
    )
    assert " no object is at this key  deleted; the vault has it\n" in gone
    assert " no row holds this key\n" in gone
    named = Explanation("a", None, explanation().references, [])
    told = plain_text(detail_lines(named, NOW, 80))
    assert "rows name it, the bucket has it not" in told
    assert " the vault holds none of this key\n" in told


def test_the_key_in_bytes_and_code_points() -> None:
    shown = plain_text(key_lines("é\u202e日.jpg", 80))
    assert " KEY 7 characters, 12 bytes\n é\\u{202e}日.jpg\n" in shown
    assert "   c3 a9 e2 80 ae e6 97 a5 2e 6a 70 67\n" in shown
    assert "   U+00E9  é  LATIN SMALL LETTER E WITH ACUTE\n" in shown
    assert "   U+202E  \\u{202e}  RIGHT-TO-LEFT OVERRIDE\n" in shown


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("plain/key-1.jpg", []),
        ("日本語-表紙.png", []),
        ("a\\b.jpg", []),
        ("p\u0430ypal.jpg", ["mixes letters of Cyrillic and Latin"]),
        ("cafe\u0301.jpg", ["not in the composed form"]),
        ("\uff41.jpg", ["another width or form"]),
        ("Photo.jpg", ["capital letters"]),
        ("a\u200b.jpg", ["cannot be seen"]),
        ("a\u202e.jpg", ["cannot be seen", "right to left"]),
        ("\u05d0.jpg", ["right to left"]),
        (" a.jpg", ["spaces"]),
        ("a  b.jpg", ["spaces"]),
        ("/a.jpg", ["slash"]),
        ("a//b.jpg", ["slash"]),
    ],
)
def test_warnings(key: str, words: list[str]) -> None:
    found = warnings_about(key)
    assert len(found) == len(words), found
    for told, word in zip(found, words, strict=True):
        assert word in told


def test_an_error_is_told_and_is_no_pass() -> None:
    shown = plain_text(failed_lines("a.jpg", BucketUnreachable("no answer"), 80))
    assert " no answer\n why:  doubt keeps" in shown
    assert " no answer: nothing here says that the object may go\n" in shown
    assert "PASS" not in shown


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("wild", HOSTILE)
def test_hostile_text_stays_tame(wild: str, width: int) -> None:
    assert_tame(asking_lines(wild, width), width)
    assert_tame(detail_lines(explanation(wild, wild, wild), NOW, width), width)
    assert_tame(failed_lines(wild, BucketUnreachable(wild, why=wild, next_step=wild), width), width)


@pytest.mark.parametrize("lossy", [False, True])
def test_a_lossy_backup_is_called_so(lossy: bool) -> None:
    backup = BackupOf(EXECUTE_ID, NOW, 1, lossy)
    shown = plain_text(detail_lines(Explanation("a", None, [], [backup]), NOW, 80))
    assert ("  LOSSY  " in shown) is lossy
