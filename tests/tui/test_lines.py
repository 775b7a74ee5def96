"""Records as lines: JSON that any terminal survives, and text in columns."""

from __future__ import annotations

import io
import json
import unicodedata
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from s3gc_tui.lines import JsonLines, Output, PlainText, json_line
from tests.tui.command_line import TAME_BYTES

texts = st.text(st.characters(codec=None))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda children: st.lists(children) | st.dictionaries(texts, children),
    max_leaves=8,
)
# The names of fields are our own words; whatever they hold is not.
names = st.from_regex("[a-z_]{1,8}", fullmatch=True).filter(lambda n: n not in ("text", "type"))
records = st.dictionaries(names, values)
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(records)
@example({"key": "\x00\x1b[2J\x7f\x9b\u2028\u202e\ud800"})
def test_a_record_is_one_line_of_visible_ascii_and_comes_back_whole(
    record: dict[str, object],
) -> None:
    line = json_line({**record, "text": "for people only"})
    assert set(line.encode("ascii")) <= TAME_BYTES - {0x0A}
    assert json.loads(line) == record


@given(records, texts)
def test_plain_text_shows_no_control_character(record: dict[str, object], text: str) -> None:
    for kind, extra in (("summary", {}), ("object", {"text": text}), ("object", {})):
        stream = io.StringIO()
        PlainText(Output(stream))({**record, **extra, "type": kind})
        assert {unicodedata.category(c) for c in stream.getvalue() if c != "\n"} & HIDDEN == set()


def test_one_record_is_one_line_whatever_its_key_holds() -> None:
    stream = io.StringIO()
    emit = PlainText(Output(stream))
    emit({"type": "object", "key": "a\nb", "text": "deleted  a\nb"})
    emit({"type": "object", "key": "c\nd"})
    assert stream.getvalue() == "deleted  a\\x0ab\nkey=c\\x0ad\n"


def test_times_are_iso_and_structs_are_dicts() -> None:
    stream = io.StringIO()
    at = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
    JsonLines(Output(stream))({"type": "x", "at": at, "text": "hidden"})
    assert stream.getvalue() == '{"type": "x", "at": "2026-11-21T14:30:00Z"}\n'
