"""An operation's view as text, and the pages of its objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from s3gc_core.bucket import DeleteMode, DeleteModes
from s3gc_core.vault import Operation, OperationFinished, OperationStarted, Outcome, Result
from s3gc_tui.models.lines import plain_text
from s3gc_tui.models.operation_lines import (
    PAGE,
    ResultPage,
    ResultPages,
    can_restore,
    next_outcome,
    operation_lines,
    page_line,
    result_lines,
)
from tests.tui.models.hostile import HOSTILE, assert_tame
from tests.tui.models.pictures import NOW, PLAN_ID, operation

TOTAL = 10_000
COMPARE = DeleteMode.HEAD_COMPARE
_READ_AT_ONCE = 256


class Log:
    """An audit log of many results; counts what is read of it."""

    def __init__(self, total: int = TOTAL) -> None:
        self.total = total
        self.read = 0
        self.hold: asyncio.Event | None = None

    async def results(self) -> AsyncIterator[list[Result]]:
        for start in range(0, self.total, _READ_AT_ONCE):
            if self.hold is not None:
                await self.hold.wait()
            numbers = range(start, min(self.total, start + _READ_AT_ONCE))
            self.read += len(numbers)
            yield [
                Result(f"k{n:05}", Outcome.FAILED if n % 100 == 0 else Outcome.DELETED)
                for n in numbers
            ]

    def pages(self, outcome: str | None = None) -> ResultPages:
        return ResultPages(self.results, outcome)  # type: ignore[arg-type]


def keys(page: ResultPage) -> list[str]:
    return [result.key for result in page.results]


async def test_a_page_reads_no_more_than_it_has_to() -> None:
    log = Log()
    page = await log.pages().page(0)
    assert (page.first, page.more) == (0, True)
    assert keys(page) == [f"k{n:05}" for n in range(PAGE)]
    assert log.read <= PAGE + _READ_AT_ONCE


async def test_all_pages_hold_everything_once() -> None:
    pages = Log().pages()
    found: list[str] = []
    number = 0
    while True:
        page = await pages.page(number)
        assert page.number == number
        found += keys(page)
        number += 1
        if not page.more:
            break
    assert found == [f"k{n:05}" for n in range(TOTAL)]


async def test_only_some_pages_are_kept_and_earlier_ones_come_back() -> None:
    log = Log()
    pages = log.pages()
    for number in range(TOTAL // PAGE):
        await pages.page(number)
    assert len(pages._kept) <= 8
    read = log.read
    assert keys(await pages.page(TOTAL // PAGE - 2))[0] == f"k{TOTAL - 2 * PAGE:05}"
    assert log.read == read
    assert keys(await pages.page(0))[0] == "k00000"
    assert log.read > read
    assert keys(await pages.page(1))[0] == f"k{PAGE:05}"
    assert len(pages._kept) <= 8


@pytest.mark.parametrize("total", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
async def test_the_last_page_knows_that_it_is_the_last(total: int) -> None:
    pages = Log(total).pages()
    last = max(0, (total - 1) // PAGE)
    page = await pages.page(last)
    assert (len(page.results), page.more) == (total - last * PAGE, False)


async def test_a_filter_by_outcome() -> None:
    page = await Log().pages("failed").page(0)
    assert keys(page) == [f"k{n:05}" for n in range(0, TOTAL, 100)]
    assert not page.more


async def test_a_reading_that_was_cancelled_is_not_taken_for_the_end() -> None:
    log = Log()
    log.hold = asyncio.Event()
    pages = log.pages()
    reading = asyncio.create_task(pages.page(0))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    log.hold.set()
    page = await pages.page(0)
    assert (len(page.results), page.more) == (PAGE, True)


@pytest.mark.parametrize("width", [80, 160])
def test_the_head(width: int) -> None:
    lines = operation_lines(operation("partial", deleted=41_007, failed=3), width)
    assert_tame(lines, width)
    assert (
        plain_text(lines)
        == f"""\
 EXECUTE  01KAJ0000000000000000OPER1  PARTIAL
 by         ana@ops-2
 when       2026-11-21 07:34 UTC, took 10m 00s
 mode       execute, plan {PLAN_ID}
 objects    deleted 41,007, failed 3"""
    )


def test_how_it_deleted() -> None:
    shown = replace(operation(), deletes=DeleteModes(DeleteMode.CONDITIONAL_BATCH, COMPARE))
    told = plain_text(operation_lines(shown, 80))
    assert " deletes    conditional batch; what fits no batch: head-compare-delete" in told
    alike = replace(shown, deletes=DeleteModes(COMPARE, COMPARE))
    assert plain_text(operation_lines(alike, 80)).endswith(" deletes    head-compare-delete")


def test_one_without_an_end() -> None:
    assert "no end is recorded" in plain_text(operation_lines(operation(None), 80))


def test_objects_with_outcome_and_reason() -> None:
    page = ResultPage(
        PAGE,
        [
            Result("a/b.jpg", Outcome.DELETED),
            Result("c.jpg", Outcome.CHANGED, "another ETag", inferred=True),
        ],
        True,
    )
    assert (
        plain_text(result_lines(page, None, 80))
        == """\
 deleted       a/b.jpg
 changed       c.jpg
   another ETag (concluded by recovery)"""
    )
    assert page_line(page, None, 1_002, 80).text == (
        " objects 501-502 of 1,002   n next page   b page before"
    )
    none = ResultPage(0, [], False)
    assert plain_text(result_lines(none, "failed", 80)) == " no object ended as failed"


def test_the_filter_goes_round() -> None:
    seen: list[str | None] = [None]
    for _ in range(3):
        seen.append(next_outcome(["deleted", "failed"], seen[-1]))
    assert seen == [None, "deleted", "failed", None]
    assert next_outcome([], None) is None
    assert next_outcome(["deleted"], "gone") is None


def test_what_can_be_restored() -> None:
    assert can_restore(operation("done", deleted=1))
    assert can_restore(operation(None))
    assert can_restore(operation("interrupted"))
    assert not can_restore(operation("done", kept=1))
    scan = Operation("01", NOW, OperationStarted("scan", "a", "dry_run"))
    assert not can_restore(scan)


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("wild", HOSTILE)
def test_hostile_text_stays_tame(wild: str, width: int) -> None:
    started = OperationStarted(wild, wild, wild, wild, {wild: wild})
    finished = OperationFinished(wild, {wild: 1}, [wild], wild)
    shown = Operation(PLAN_ID, NOW, started, NOW, finished)
    assert_tame(operation_lines(shown, width), width)
    page = ResultPage(0, [Result(wild, Outcome.FAILED, wild)], True)
    assert_tame(result_lines(page, wild, width), width)
    assert_tame([page_line(page, wild, 5, width)], width)
