"""The list over real catalogues: what it shows, marks, refuses and says, key by key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from s3gc_core.errors import ScanGone
from s3gc_core.judgement import (
    CandidateBrowser,
    CandidateRow,
    Column,
    IdVector,
    Judged,
    ObjectVerdict,
    Snapshot,
    View,
)
from s3gc_tui.models.candidate_filter import FilterError
from s3gc_tui.models.rows import BLOCK
from s3gc_tui.widgets.candidate_list import CandidateList
from tests.core.judgement.catalogue_file import (
    add,
    begin,
    candidate,
    finish,
    finished_scan,
    writing,
)
from tests.tui.widgets.listed import ListApp, settled, shown, until

ORPHAN, KEEP, HELD = ObjectVerdict.ORPHAN, ObjectVerdict.KEEP, ObjectVerdict.HELD
SOME = [
    candidate("a/1", 10, timedelta(days=9)),
    candidate("a/2", 3 << 20, timedelta(days=8), KEEP),
    candidate("a/b/3", 7, timedelta(days=40)),
    candidate("c/4", 5 << 30, timedelta(days=10), HELD),
    candidate("d", 1, timedelta(days=1)),
]


def many(count: int) -> list[Judged]:
    return [candidate(f"k/{n:05}", n) for n in range(count)]


def keys(app: ListApp) -> list[str]:
    """The last word of every line below the header."""
    return [text.split()[-1] for text in app.screen_text()[1:] if text]


async def test_it_opens_the_last_scan(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, _):
        assert [line for line in app.screen_text() if line] == [
            "  VERDICT               SIZE    AGE  KEY",
            "  ORPHAN                10 B     9d  a/1",
            "  KEEP:retention     3.0 MiB     8d  a/2",
            "  ORPHAN                 7 B    40d  a/b/3",
            "  HELD:database      5.0 GiB    10d  c/4",
            "  ORPHAN                 1 B     1d  d",
        ]
        assert app.list.footer() == "key↑  1 of 5"
        moved = app.last(CandidateList.CursorMoved)
        assert isinstance(moved, CandidateList.CursorMoved)
        assert moved.candidate_id == 1


async def test_keys_of_all_kinds_are_shown_and_never_acted_on(tmp_path: Path) -> None:
    hostile = [
        "\x1b]52;c;aGk=\x07",
        "\x9b31m",
        "[@click=app.bell]x[/]",
        "[/x]",
        "\u202ea",
        "a\r\nb",
    ]
    finished_scan(tmp_path, [candidate(key) for key in hostile])
    async with shown(tmp_path) as (app, pilot):
        await pilot.press("j", "j", "t", "t")
        await settled(pilot)
        assert set(keys(app)) == {
            "\\x1b]52;c;aGk=\\x07", "\\x9b31m", "[@click=app.bell]x[/]", "[/x]", "\\u{202e}a",
            "a\\x0d\\x0ab",
        }  # fmt: skip
        written = app.take()
        assert not {"\x9b", "\u202e", "\r"} & set(written)
        assert "\x1b]52" not in written


async def test_a_hundred_and_sixty_columns_show_the_time_too(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path, size=(160, 48)) as (app, _):
        assert app.screen_text()[1] == (
            "  ORPHAN                10 B     9d  2026-05-23 12:00  a/1"
        )


# --- views --------------------------------------------------------------------------------------


async def test_filter_and_order(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        app.list.set_filter_text("a/ verdict:orphan")
        await settled(pilot)
        assert keys(app) == ["a/1", "a/b/3"]
        assert app.list.filter_text == "a/ verdict:orphan"
        assert "filter: a/ verdict:orphan" in app.list.footer()
        with pytest.raises(FilterError, match="such as 10M"):
            app.list.set_filter_text("size>x")
        assert keys(app) == ["a/1", "a/b/3"]
        app.list.set_filter_text("")
        app.list.sort_by(Column.SIZE, descending=True)
        await settled(pilot)
        assert keys(app) == ["c/4", "a/2", "a/1", "a/b/3", "d"]
        app.list.action_reverse()
        await settled(pilot)
        assert keys(app) == ["d", "a/b/3", "a/1", "a/2", "c/4"]
        assert app.list.footer().startswith("size↑")
        app.list.action_sort()
        await settled(pilot)
        assert keys(app) == ["a/b/3", "c/4", "a/1", "a/2", "d"]
        assert app.list.footer().startswith("age↓")


class Halting(CandidateBrowser):
    """Keeps answers back until they are let go."""

    def __init__(self, vault: Path) -> None:
        super().__init__(vault)
        self.let_ids, self.let_rows = asyncio.Event(), asyncio.Event()
        self.let_ids.set()
        self.let_rows.set()
        self.asked_rows = 0
        self.late = 0

    async def ids(self, snapshot: Snapshot, view: View) -> IdVector:
        found = await super().ids(snapshot, view)
        while not self.let_ids.is_set():
            try:
                await self.let_ids.wait()
            except asyncio.CancelledError:
                # As late as it gets: being cancelled does not keep the answer back.
                self.late += 1
        return found

    async def rows(self, snapshot: Snapshot, ids: Sequence[int]) -> list[CandidateRow | None]:
        self.asked_rows += len(ids)
        assert len(ids) <= BLOCK
        await self.let_rows.wait()
        return await super().rows(snapshot, ids)


async def test_a_late_answer_is_dropped(tmp_path: Path) -> None:
    finished_scan(tmp_path, many(300))
    async with shown(tmp_path) as (app, pilot):
        browser = Halting(tmp_path)
        app.list.browser = browser
        browser.let_ids.clear()
        app.list.set_filter_text("k/")
        await until(pilot, lambda: not app.list.complete)
        # The whole of the first question is under way when the second is asked.
        app.list.set_filter_text("k/0000")
        await until(pilot, lambda: app.list.row_count == 10 and browser.late > 0)
        browser.let_ids.set()
        await settled(pilot)
        assert app.list.row_count == 10
        assert app.list.footer() == "key↑  1 of 10  filter: k/0000"
        await browser.close()


async def test_the_first_page_is_shown_before_the_rest_is_known(tmp_path: Path) -> None:
    finished_scan(tmp_path, many(1_000))
    app = ListApp(tmp_path)
    browser = Halting(tmp_path)
    browser.let_ids.clear()
    app.list.browser = browser
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.list.row_count == BLOCK)
        assert keys(app) == [f"k/{n:05}" for n in range(23)]
        assert app.list.footer() == "key↑  1 of 128+ (loading)"
        await pilot.press("j", "j")
        browser.let_ids.set()
        await until(pilot, lambda: app.list.complete)
        assert app.list.footer() == "key↑  3 of 1,000"
    await browser.close()


async def test_rows_not_at_hand_are_shown_quietly_and_come(tmp_path: Path) -> None:
    finished_scan(tmp_path, many(2_000))
    async with shown(tmp_path) as (app, pilot):
        browser = Halting(tmp_path)
        app.list.browser = browser
        browser.let_rows.clear()
        await pilot.press("G")
        await pilot.pause()
        assert {line.strip() for line in app.screen_text()[1:]} == {"..."}
        # Keys go on meanwhile.
        await pilot.press("k")
        assert app.list.cursor == 1_998
        browser.let_rows.set()
        await settled(pilot)
        assert keys(app) == [f"k/{n:05}" for n in range(1_977, 2_000)]
        await browser.close()


async def test_rows_of_a_list_that_is_no_longer_shown_are_dropped(tmp_path: Path) -> None:
    """A rebuilt catalogue counts from 1 again: the same ids, other objects."""
    finished_scan(tmp_path, many(2_000))
    async with shown(tmp_path) as (app, pilot):
        browser = Halting(tmp_path)
        app.list.browser = browser
        kept, rows = asyncio.Event(), browser.rows

        async def late(snapshot: Snapshot, ids: Sequence[int]) -> list[CandidateRow | None]:
            found = await CandidateBrowser.rows(browser, snapshot, ids)
            await kept.wait()
            return found

        browser.rows = late  # type: ignore[method-assign]
        await pilot.press("G")
        await pilot.pause()
        browser.rows = rows  # type: ignore[method-assign]
        for file in tmp_path.glob("catalogue.db*"):
            file.unlink()
        finished_scan(tmp_path, [candidate(f"other/{n:05}") for n in range(2_000)], "S9")
        app.list.open()
        await until(pilot, lambda: keys(app)[0] == "other/00000" and app.list.complete)
        kept.set()
        await settled(pilot)
        await pilot.press("G")
        await settled(pilot)
        assert keys(app)[-1] == "other/01999"
        assert app.last(CandidateList.LoadFailed) is None
        await browser.close()


async def test_a_late_failure_does_not_break_the_list_that_followed(tmp_path: Path) -> None:
    finished_scan(tmp_path, many(2_000))
    async with shown(tmp_path) as (app, pilot):
        browser = Halting(tmp_path)
        app.list.browser = browser
        browser.let_rows.clear()
        await pilot.press("G")
        await pilot.pause()
        for number in (2, 3, 4):
            finished_scan(tmp_path, many(1_500), f"S{number}")
        app.list.open()
        browser.let_rows.set()
        await settled(pilot)
        await pilot.press("G")
        await settled(pilot)
        assert keys(app)[-1] == "k/01499"
        assert app.last(CandidateList.LoadFailed) is None
        await browser.close()


async def test_memory_is_bounded_whatever_was_looked_at(tmp_path: Path) -> None:
    finished_scan(tmp_path, many(12_000))
    async with shown(tmp_path) as (app, pilot):
        for at in range(0, 12_000, 400):
            app.list.move_to(at)
            await settled(pilot)
            assert len(app.list.at_hand) <= 32 * BLOCK
        assert len(app.list.at_hand) == 32 * BLOCK
        app.list.move_to(0)
        await settled(pilot)
        assert keys(app) == [f"k/{n:05}" for n in range(len(keys(app)))]


async def test_scrolling_asks_for_each_block_once(tmp_path: Path) -> None:
    finished_scan(tmp_path, many(600))
    async with shown(tmp_path) as (app, pilot):
        browser = Halting(tmp_path)
        app.list.browser = browser
        for _ in range(27):
            await pilot.press("pagedown")
            await settled(pilot)
        assert app.list.cursor == 599
        assert browser.asked_rows <= 600
        await browser.close()


# --- marks --------------------------------------------------------------------------------------


async def marked(app: ListApp) -> set[str]:
    """The keys that would be approved."""
    prefixes, chosen = await app.list.marked_selection()
    assert prefixes == []
    return set(chosen)


async def test_marks_follow_the_object_and_not_the_line(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        await pilot.press("space")
        assert app.screen_text()[1].startswith("* ORPHAN")
        app.list.sort_by(Column.SIZE, descending=True)
        await settled(pilot)
        assert [text[0] for text in app.screen_text()[1:6]] == [" ", " ", "*", " ", " "]
        app.list.set_filter_text("d")
        await settled(pilot)
        assert await marked(app) == {"a/1"}
        assert "marked 1 (10 B)" in app.list.footer()
        app.list.set_filter_text("")
        await settled(pilot)
        app.list.move_to(2)
        await pilot.press("space")
        assert await marked(app) == set()
        changed = app.last(CandidateList.MarksChanged)
        assert isinstance(changed, CandidateList.MarksChanged)
        assert (changed.count, changed.bytes) == (0, 0)


async def test_what_is_no_orphan_cannot_be_marked_and_says_why(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        unasked = "database: the databases did not answer for this key"
        young = "retention: modified 1 d ago, younger than 7 d"
        for at, why in [
            (1, f"KEEP, so it is not marked: {young}; {unasked}"),
            (3, f"HELD, so it is not marked: {unasked}"),
        ]:
            app.list.move_to(at)
            await pilot.press("space")
            await settled(pilot)
            refused = app.last(CandidateList.MarkRefused)
            assert isinstance(refused, CandidateList.MarkRefused)
            assert refused.text == why
        assert not app.list.marks


async def test_a_range_marks_the_orphans_between_two_objects(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        app.list.move_to(3)
        await pilot.press("v")
        assert "range: v ends it" in app.list.footer()
        # The order changes under it: the range is between the objects, as they stand then.
        app.list.sort_by(Column.AGE)
        await settled(pilot)
        assert keys(app) == ["d", "a/2", "a/1", "c/4", "a/b/3"]
        app.list.move_to(1)
        await pilot.press("v")
        await settled(pilot)
        assert await marked(app) == {"a/1"}
        assert "range" not in app.list.footer()


async def test_all_that_match_are_marked_as_they_are_now(tmp_path: Path) -> None:
    finished_scan(tmp_path, [*SOME, *(candidate(f"z/{n}", 1) for n in range(5_000))])
    async with shown(tmp_path) as (app, pilot):
        app.list.set_filter_text("size>5")
        await settled(pilot)
        await pilot.press("plus")
        await settled(pilot)
        assert await marked(app) == {"a/1", "a/b/3"}
        app.list.set_filter_text("z/")
        await settled(pilot)
        await pilot.press("plus")
        await settled(pilot)
        assert "marked 5,002 (4.9 KiB)" in app.list.footer()
        assert len(await marked(app)) == 5_002
        await pilot.press("plus")
        await settled(pilot)
        refused = app.last(CandidateList.MarkRefused)
        assert isinstance(refused, CandidateList.MarkRefused)
        assert refused.text == "all that match are marked"
        await pilot.press("backslash")
        await settled(pilot)
        assert not app.list.marks
        await pilot.press("plus")
        await settled(pilot)
        # Nothing but a prefix: said in short, not in five thousand keys.
        assert await app.list.marked_selection() == (["z/"], [])
        await pilot.press("space")
        assert len(await marked(app)) == 4_999


async def test_stale_verdicts_let_nothing_be_marked(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        app.list.stale = True
        await pilot.press("space", "v", "j", "v", "plus")
        await settled(pilot)
        assert not app.list.marks
        assert app.screen_text()[1].startswith("  UNKNOWN ")
        assert sum(isinstance(one, CandidateList.MarkRefused) for one in app.told) == 4


async def test_marks_of_a_scan_that_is_gone_are_not_approved(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        await pilot.press("space")
        for number in (2, 3, 4):
            finished_scan(tmp_path, [candidate("innocent")], f"S{number}")
        with pytest.raises(ScanGone):
            await app.list.marked_selection()
        await pilot.press("plus")
        await settled(pilot)
        failed = app.last(CandidateList.LoadFailed)
        assert isinstance(failed, CandidateList.LoadFailed)
        assert isinstance(failed.error, ScanGone)
        # What had been read is still shown; nothing of another scan is.
        assert keys(app) == ["a/1", "a/2", "a/b/3", "c/4", "d"]


# --- newer scans ----------------------------------------------------------------------------------


async def test_nothing_moves_until_it_is_asked_for(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        finished_scan(tmp_path, [candidate("new")], "S2")
        app.list.check_newer()
        await settled(pilot)
        assert len(keys(app)) == 5
        assert app.list.footer() == "key↑  1 of 5  a newer scan: 1, r to show"
        await pilot.press("space")
        app.list.action_show_new()
        await settled(pilot)
        assert len(keys(app)) == 5
        assert len(app.list.marks) == 1
        await pilot.press("backslash")
        app.list.action_show_new()
        await settled(pilot)
        assert keys(app) == ["new"]
        assert app.list.footer() == "key↑  1 of 1"


async def test_a_running_scan_is_partial_and_keeps_its_marks(tmp_path: Path) -> None:
    with writing(tmp_path) as connection:
        begin(connection, "S1")
        add(connection, "S1", SOME[:2])
        async with shown(tmp_path) as (app, pilot):
            assert app.list.footer() == "key↑  1 of 2  partial"
            await pilot.press("space", "t")
            await settled(pilot)
            refused = app.last(CandidateList.MarkRefused)
            assert isinstance(refused, CandidateList.MarkRefused)
            assert "when the scan has finished" in refused.text
            add(connection, "S1", SOME[2:])
            app.list.check_newer()
            await settled(pilot)
            assert app.list.footer() == "key↑  1 of 2  marked 1 (10 B)  partial  3 new, r to show"
            app.list.action_show_new()
            await settled(pilot)
            assert app.list.footer() == "key↑  1 of 5  marked 1 (10 B)  partial"
            app.list.set_filter_text("a/")
            await settled(pilot)
            await pilot.press("backslash", "plus")
            await settled(pilot)
            # Not the prefix, below which more may come to lie.
            assert await marked(app) == {"a/1", "a/b/3"}
            await pilot.press("backslash", "space")
            app.list.set_filter_text("")
            await settled(pilot)
            finish(connection, "S1")
            app.list.check_newer()
            await settled(pilot)
            app.list.action_show_new()
            await settled(pilot)
            assert app.list.footer() == "key↑  1 of 5  marked 1 (10 B)"


async def test_the_first_scan_appears_by_itself(tmp_path: Path) -> None:
    async with shown(tmp_path) as (app, pilot):
        assert app.list.footer() == "no scan yet"
        await pilot.press("j", "space", "v", "plus", "backslash", "t", "l", "h", "enter", "G")
        await settled(pilot)
        finished_scan(tmp_path, SOME)
        app.list.check_newer()
        await settled(pilot)
        assert len(keys(app)) == 5


async def test_garbage_is_told_once_and_shown_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "catalogue.db").write_bytes(b"garbage" * 1_000)
    async with shown(tmp_path) as (app, _):
        failed = app.last(CandidateList.LoadFailed)
        assert isinstance(failed, CandidateList.LoadFailed)
        assert "not a database" in failed.error.what


# --- the tree -----------------------------------------------------------------------------------


async def test_folders_open_and_close(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        await pilot.press("t")
        await settled(pilot)
        assert [line for line in app.screen_text() if line] == [
            "         OBJECTS        SIZE SHARE      OLDEST  FOLDER / KEY",
            "               3     3.0 MiB [........]    40d  > a/",
            "               1     5.0 GiB [########]    10d  > c/",
            "          ORPHAN         1 B [........]     1d    d",
        ]
        await pilot.press("l")
        await settled(pilot)
        await pilot.press("j", "enter")
        await settled(pilot)
        assert [line[48:] for line in app.screen_text() if line][1:] == [
            "v a/",
            "  v b/",
            "      3",
            "    1",
            "    2",
            "> c/",
            "  d",
        ]
        assert app.list.footer() == "tree, key↑  2 of 7 lines"
        # Left goes to the folder around, and closes it.
        await pilot.press("j", "h")
        assert app.list.cursor == 1
        await pilot.press("left", "left", "left")
        assert app.list.row_count == 3
        moved = app.last(CandidateList.CursorMoved)
        assert isinstance(moved, CandidateList.CursorMoved)
        assert moved.candidate_id is None
        await pilot.press("G", "enter")
        opened = app.last(CandidateList.Opened)
        assert isinstance(opened, CandidateList.Opened)
        assert opened.key == "d"
        await pilot.press("t")
        await settled(pilot)
        assert keys(app) == ["a/1", "a/2", "a/b/3", "c/4", "d"]


async def test_a_folder_is_marked_with_all_its_orphans(tmp_path: Path) -> None:
    finished_scan(tmp_path, SOME)
    async with shown(tmp_path) as (app, pilot):
        await pilot.press("t")
        await settled(pilot)
        await pilot.press("space")
        await settled(pilot)
        assert await app.list.marked_selection() == (["a/"], [])
        assert (len(app.list.marks), app.list.marks.bytes) == (2, 17)
        assert app.screen_text()[1].startswith("* ")
        await pilot.press("j", "space")
        await settled(pilot)
        refused = app.last(CandidateList.MarkRefused)
        assert isinstance(refused, CandidateList.MarkRefused)
        assert (len(app.list.marks), app.screen_text()[2][0]) == (2, " ")
        await pilot.press("k", "space")
        await settled(pilot)
        assert not app.list.marks
        await pilot.press("v", "G", "v")
        await settled(pilot)
        assert await marked(app) == {"a/1", "a/b/3", "d"}


async def test_a_folder_of_many_objects_is_fetched_as_it_is_seen(tmp_path: Path) -> None:
    finished_scan(tmp_path, many(5_000))
    async with shown(tmp_path) as (app, pilot):
        browser = Halting(tmp_path)
        app.list.browser = browser
        await pilot.press("t")
        await settled(pilot)
        await pilot.press("l")
        await settled(pilot)
        assert app.list.row_count == 5_001
        assert browser.asked_rows <= 3 * BLOCK
        await pilot.press("G")
        await settled(pilot)
        assert app.screen_text()[-1].endswith("04999")
        await browser.close()
