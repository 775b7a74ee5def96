"""Lines: as wide as asked for in terminal cells, clean, and readable."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from s3gc_core.judgement import (
    CandidateFilter,
    CandidateRow,
    Column,
    FolderRow,
    Newer,
    ObjectVerdict,
    Snapshot,
    Sort,
    View,
)
from s3gc_core.judgement.scan_tables import microseconds
from s3gc_tui.display import middle
from s3gc_tui.models.candidate_footer import footer
from s3gc_tui.models.candidate_lines import (
    Place,
    flat_header,
    flat_line,
    tree_header,
    tree_line,
)
from s3gc_tui.models.marks import Marks
from s3gc_tui.models.rows import Gone
from tests.core.judgement.evidence import NOW

ORPHAN, KEEP, HELD = ObjectVerdict.ORPHAN, ObjectVerdict.KEEP, ObjectVerdict.HELD
AT = microseconds(NOW - timedelta(days=41))


def candidate(
    key: str, size: int = 10, verdict: ObjectVerdict = ORPHAN, layer: str | None = None
) -> CandidateRow:
    return CandidateRow(1, key, size, AT, verdict, layer)


def flat(row: CandidateRow | Gone | None, width: int = 80, **words: bool) -> str:
    return flat_line(
        row, width, NOW, marked=words.get("marked", False), stale=words.get("stale", False)
    )


HOSTILE = [
    *("\x1b[31m", "a\x00b", "\u202egpj.exe", "[red]x[/red]", "[@click=app.bell]x", "\r\n"),
    *("日本語-表紙.png", "e\u0301" * 60, "\U0001f5d1" * 30, "\\x1b", "\u3164", " a  b "),
]
names = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(
    names,
    st.integers(0, 1 << 62),
    st.integers(50, 200),
    st.sampled_from([(ORPHAN, None), (KEEP, "exclusion"), (HELD, "database"), (HELD, "doubt")]),
    st.integers(0, 70),
    st.booleans(),
)
def test_every_line_is_clean_and_as_wide_as_asked_for(
    key: str, size: int, width: int, verdict: tuple[ObjectVerdict, str | None], depth: int, on: bool
) -> None:
    row = candidate(key, size, *verdict)
    place = Place(depth % 30, on, 1 << 40)
    folder = FolderRow(1, f"{key}/", size, size, size, size, AT)
    texts = [
        flat_header(width),
        tree_header(width),
        flat(row, width, marked=on, stale=on),
        flat(None, width),
        flat(Gone(1), width),
        tree_line(row, width, NOW, place, marked=on, stale=on),
        tree_line(folder, width, NOW, place, marked=on, stale=on),
        tree_line(None, width, NOW, place, marked=on, stale=on),
    ]
    for text in texts:
        assert cell_len(text) == width
        assert text.isprintable()


def test_lines_read_like_this() -> None:
    assert [
        flat_header(80),
        flat(candidate("exports/2024/a.parquet", 512 << 20), marked=True),
        flat(candidate("media/live.mp4", 1023, KEEP, "exclusion")),
        flat(candidate("thumbs/日本語-表紙.png", 1 << 40, HELD, "doubt")),
        flat(candidate("tmp/\x1b[31m\u202egpj.exe", 1_047_552), stale=True),
        flat(candidate("a" * 30 + "b" * 30)),
        flat(candidate("  two  spaces ")),
        flat(None),
        flat(Gone(1)),
    ] == [
        line.ljust(80 - wide)
        for line, wide in [
            ("  VERDICT               SIZE    AGE  KEY", 0),
            ("* ORPHAN           512.0 MiB    41d  exports/2024/a.parquet", 0),
            ("  KEEP:exclusion      1023 B    41d  media/live.mp4", 0),
            ("  HELD:doubt         1.0 TiB    41d  thumbs/日本語-表紙.png", 5),
            ("  UNKNOWN        1,023.0 KiB    41d  tmp/\\x1b[31m\\u{202e}gpj.exe", 0),
            ("  ORPHAN                10 B    41d  " + "a" * 21 + "…" + "b" * 21, 0),
            ("  ORPHAN                10 B    41d  \\x20\\x20two \\x20spaces\\x20", 0),
            ("  ...", 0),
            ("  GONE           listed again since this list was opened", 0),
        ]
    ]
    assert flat(candidate("k"), 130).startswith(
        "  ORPHAN                10 B    41d  2026-04-21 12:00  k "
    )


def test_the_tree_reads_like_this() -> None:
    folder = FolderRow(1, "exports/2024/", 38_001, 3 << 30, 5, 1, AT)
    assert [
        tree_header(80),
        tree_line(folder, 80, NOW, Place(1, True, 4 << 30), marked=True, stale=False),
        tree_line(candidate("exports/2024/d.bin"), 80, NOW, Place(2, False, 40), marked=False,
                  stale=False),
        tree_line(candidate("exports/"), 80, NOW, Place(1, False, 0), marked=False, stale=False),
        tree_line(FolderRow(2, "//", 1, 1, 1, 1, AT), 80, NOW, Place(0, False, 0), marked=False,
                  stale=False),
    ] == [
        line.ljust(80)
        for line in [
            "         OBJECTS        SIZE SHARE      OLDEST  FOLDER / KEY",
            "*         38,001     3.0 GiB [######..]    41d    v 2024/",
            "          ORPHAN        10 B [##......]    41d        d.bin",
            "          ORPHAN        10 B [........]    41d      (no name of its own)",
            "               1         1 B [........]    41d  > /",
        ]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "cells", "short"),
    [
        ("abcdefghij", 10, "abcdefghij"),
        ("abcdefghij", 5, "ab…ij"),
        ("abcdefghij", 6, "ab…hij"),
        ("日本語表紙", 6, "日…紙"),
        ("日本語表紙", 9, "日本…表紙"),
        ("e\u0301" * 6, 5, "e\u0301e\u0301…e\u0301e\u0301"),
        ("ab\\x1bcd\\u{202e}ef", 12, "ab…ef"),
        ("ab\\x1bcdefghijkl", 12, "ab…ghijkl"),
        ("abcdefghijkl\\\\", 6, "ab…l\\\\"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
    ],
)
def test_the_middle_goes_and_nothing_is_torn(text: str, cells: int, short: str) -> None:
    assert middle(text, cells) == short
    assert cell_len(short) <= cells


SNAPSHOT = Snapshot("S1", 1, NOW, 1, 100, False, b"{}")


PLAIN = View(NOW)


def the_footer(
    snapshot: Snapshot | None = SNAPSHOT,
    view: View = PLAIN,
    *,
    rows: int = 1_204_311,
    complete: bool = True,
    marks: int = 0,
    ranging: bool = False,
    newer: Newer | None = None,
    tree: bool = False,
) -> str:
    marked = Marks()
    marked.add((id_, 1 << 29) for id_ in range(1, marks + 1))
    return footer(
        snapshot,
        view,
        cursor=2,
        rows=rows,
        complete=complete,
        marks=marked,
        ranging=ranging,
        newer=newer,
        tree=tree,
    )


def test_the_line_below_the_list() -> None:
    by_size = View(NOW, CandidateFilter(prefix="a b"), Sort(Column.SIZE, True))
    running = Snapshot("S1", 1, NOW, 1, 100, True, None)
    assert the_footer(None) == "no scan yet"
    assert the_footer() == "key↑  3 of 1,204,311"
    assert the_footer(rows=128, complete=False) == "key↑  3 of 128+ (loading)"
    assert (
        the_footer(view=by_size, marks=2, ranging=True)
        == 'size↓  3 of 1,204,311  marked 2 (1.0 GiB)  range: v ends it  filter: prefix:"a b"'
    )
    assert the_footer(running, newer=Newer("S1", 312, True)) == (
        "key↑  3 of 1,204,311  partial  312 new, r to show"
    )
    assert the_footer(newer=Newer("S2", 9, True)).endswith("a scan is running: 9, r to show")
    assert the_footer(newer=Newer("S2", 9, False)).endswith("a newer scan: 9, r to show")
    assert the_footer(view=by_size, tree=True, rows=4) == (
        "tree, size↓  3 of 4 lines  the tree shows all"
    )
