"""What is typed to be restored: read exactly, whatever a key holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection import Selection
from s3gc_core.vault import DeletedObject, Intent, StoredBackup
from s3gc_tui.models.lines import plain_text
from s3gc_tui.models.restore_lines import (
    LISTED,
    NotUnderstood,
    Preview,
    beginning,
    completed,
    decoded,
    entry_of,
    field_text,
    lossy_lines,
    parse_selection,
    preview_lines,
    usage_lines,
)
from s3gc_tui.safe_text import safe_text

HOSTILE = ["a\nb", "a\x1b[31m", "\\", "\\x41", "a\\\\b", "\u202eexe.gpj", "op:x", "prefix:y",
           "key:z", " lead", "trail ", "  ", "\u3164", "日本語", "\U000e0041", "\xa0"]  # fmt: skip
keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(keys)
def test_what_safe_text_shows_is_read_back(key: str) -> None:
    assert decoded(safe_text(key)) == key


@given(keys)
def test_an_entry_selects_exactly_its_key(key: str) -> None:
    assert parse_selection(entry_of(key)) == Selection(keys=(key,))
    # The field leaves it as it is.
    assert field_text(entry_of(key)) == entry_of(key)


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_keys_too(key: str) -> None:
    assert parse_selection(entry_of(key)) == Selection(keys=(key,))
    assert entry_of(key).isprintable()


@given(keys)
def test_raw_keys_can_be_pasted_up_to_their_backslashes(key: str) -> None:
    plain = key.replace("\\", "")
    assert field_text(plain).isprintable()
    assert decoded(field_text(plain)) == plain


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("a/b.txt", Selection(keys=("a/b.txt",))),
        ("  a/b.txt ", Selection(keys=("a/b.txt",))),
        ("key: a ", Selection(keys=(" a ",))),
        ("prefix:a/", Selection(prefix="a/")),
        (r"prefix:a\x0a", Selection(prefix="a\n")),
        ("op:01abc", Selection(operation_id="01ABC")),
    ],
)
def test_selections(text: str, selection: Selection) -> None:
    assert parse_selection(text) == selection


@pytest.mark.parametrize(
    "text", ["", "  ", "key:", "prefix:", "op:", "op: ", "\\", r"a\q", r"\u{110000}", r"\u{d800}"]
)
def test_what_selects_nothing_says_so(text: str) -> None:
    with pytest.raises(NotUnderstood):
        parse_selection(text)


@given(keys, st.integers(0, 60))
def test_any_beginning_of_an_entry_completes_to_it(key: str, length: int) -> None:
    """An escape that is only half there is left out, not misread."""
    entry = safe_text(key)[:length]
    if (
        entry.startswith(("op:", "prefix:", "key:"))
        or entry.endswith("\\")
        or entry != entry.lstrip()
    ):
        return
    start, head = beginning(entry)
    assert head == ""
    assert key.startswith(start)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prefix:a", ("a", "prefix:")),
        ("key:op:", ("op:", "key:")),
        (r"a\x1", ("a", "")),
        (r"a\u{20", ("a", "")),
        (r"a\\", ("a\\", "")),
        ("a\\", ("a", "")),
    ],
)
def test_beginnings(text: str, expected: tuple[str, str]) -> None:
    assert beginning(text) == expected


def test_completions_keep_what_was_typed_before_them() -> None:
    assert completed("a b", "prefix:") == "prefix:a b"
    assert completed("a b", "") == "a b"
    assert completed("op:x", "") == "key:op:x"


NOW = datetime(2026, 1, 10, tzinfo=UTC)


def backup(key: str, size: int) -> DeletedObject:
    stored = StoredBackup("p", "raw", size, "00", size, "00")
    at = NOW - timedelta(days=2)
    return DeletedObject("01OP", at, Intent(key, '"e"', None, size, at, ObjectHeaders(), stored))


def previewed(*pages: list[tuple[DeletedObject, bool]], done: bool = True) -> Preview:
    preview = Preview(Selection(prefix="a/"))
    for page in pages:
        preview.add(page)
    preview.done = done
    return preview


@pytest.mark.parametrize("width", [80, 160])
def test_a_preview(width: int) -> None:
    one, lost = (backup("a/x", 1536), True), (backup("a/" + "y" * 200, 10), False)
    lines = preview_lines(previewed([one], [lost]), NOW, width)
    assert max(len(one.text) for one in lines) <= width
    text = plain_text(lines).splitlines()
    assert text[:3] == [
        " restore prefix a/",
        " 1 object, 1.5 KiB",
        " 1 of the backup files are missing or cut: these will fail",
    ]
    assert text[-2] == "    1.5 KiB       2d  a/x"
    assert text[-1].startswith("       10 B       2d  a/yyy")
    assert text[-1].endswith("yyy  FILE MISSING OR CUT")
    assert "LOSSY" not in plain_text(lines)


@pytest.mark.parametrize("width", [80, 160])
def test_a_preview_says_lossy(width: int) -> None:
    small = StoredBackup("p", "compact", 5_000, "00", 1_536, "01", fidelity="lossy")
    whole = backup("a/x", 100)
    lossy = msgspec.structs.replace(
        whole, intent=msgspec.structs.replace(whole.intent, key="a/y", backup=small)
    )
    preview = previewed([(lossy, True), (whole, True)])
    assert (preview.lossy, preview.lossy_phrase) == (1, "accept lossy 1")
    shown = [*preview_lines(preview, NOW, width), *lossy_lines(preview, width)]
    assert max(len(one.text) for one in shown) <= width
    text = plain_text(preview_lines(preview, NOW, width))
    assert " 1 of them were stored LOSSY and stay out unless accepted" in text
    assert "    1.5 KiB       2d  a/y  LOSSY\n" in text
    assert text.endswith(" 100 B       2d  a/x")
    assert plain_text(lossy_lines(preview, width)).startswith(" LOSSY prefix a/\n")


def test_a_preview_is_bounded_and_says_what_it_leaves_out() -> None:
    preview = previewed([(backup(f"{i}", 1), True) for i in range(LISTED + 5)])
    assert len(preview.listed) == LISTED
    assert preview.phrase == f"overwrite {LISTED + 5}"
    assert plain_text(preview_lines(preview, NOW, 80)).endswith("\n and 5 more")


def test_nothing_found_and_not_done_yet() -> None:
    assert "nothing can be restored" in plain_text(preview_lines(previewed(), NOW, 80))
    unfinished = previewed([(backup("a", 1), True)], done=False)
    assert "reading the vault: 1 object so far" in plain_text(preview_lines(unfinished, NOW, 80))


def test_usage_fits() -> None:
    assert max(len(one.text) for one in usage_lines(80)) <= 80
