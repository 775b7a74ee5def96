"""One recorded operation as lines: its head, and its objects a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from s3gc_core.vault import Operation, Restored, Result
from s3gc_tui.display import column, count, duration, fit, when, wrap
from s3gc_tui.models.lines import BLANK, Line, Look, Piece, bad, dim, line, strong, warn

PAGE = 500
# Pages kept besides the one that is seen: going back within them reads nothing again.
_KEPT = 8

Ended = Result | Restored
Results = Callable[[], AsyncIterator[list[Ended]]]

_LOOKS = {
    "deleted": Look.GOOD,
    "restored": Look.GOOD,
    "exported": Look.GOOD,
    "failed": Look.BAD,
    "changed": Look.WARN,
    "newer-kept": Look.WARN,
    "done": Look.GOOD,
    "partial": Look.WARN,
    "blocked": Look.WARN,
    "cancelled": Look.WARN,
    "interrupted": Look.BAD,
}


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Some results of an operation. `first` counts from 0; `more`: there are some behind it."""

    first: int
    results: Sequence[Ended]
    more: bool

    @property
    def number(self) -> int:
        """Its number, from 0."""
        return self.first // PAGE


class ResultPages:
    """The results of an operation, a page at a time, however many there are.

    Reads forward as far as it has to and keeps the last pages; one that is no longer kept is
    reached by reading from the beginning again.
    """

    def __init__(self, results: Results, outcome: str | None = None) -> None:
        self._results = results
        self._outcome = outcome
        self._kept: dict[int, ResultPage] = {}
        self._rest: list[Ended] = []
        self._reader: AsyncIterator[list[Ended]] | None = None
        self._next: int | None = None

    async def page(self, number: int) -> ResultPage:
        """The page of that number, from 0, or the last one where there are not so many."""
        known = self._kept.get(number)
        if known is not None:
            return known
        if self._next is None or number < self._next:
            self._reader, self._rest, self._next = self._results(), [], 0
        at, self._next = self._next, None
        # Should reading fail or be cancelled on the way, the next call begins anew.
        while True:
            found = await self._read(at)
            at += 1
            self._kept[at - 1] = found
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
            if at > number or not found.more:
                self._next = at
                return found

    async def _read(self, number: int) -> ResultPage:
        """The next page. One object more is read, to know whether there is one."""
        while self._reader is not None and len(self._rest) <= PAGE:
            page = await anext(self._reader, None)
            if page is None:
                self._reader = None
            else:
                self._rest += [r for r in page if self._outcome in (None, r.outcome.value)]
        shown, self._rest = self._rest[:PAGE], self._rest[PAGE:]
        return ResultPage(number * PAGE, shown, bool(self._rest))


def operation_lines(operation: Operation, width: int) -> list[Line]:
    """What it was, who did it, when, and how it ended."""
    started, finished = operation.started, operation.finished
    outcome = finished.outcome if finished else "no end is recorded"
    lines = [
        line(
            strong(f" {fit(started.what.upper(), 20)}  {operation.operation_id}  "),
            Piece(
                fit(outcome.upper() if finished else outcome, 20), _LOOKS.get(outcome, Look.WARN)
            ),
        ),
        *_fact("by", started.actor, width),
        *_fact("when", _when(operation), width),
    ]
    plan = f", plan {started.plan_id}" if started.plan_id else ""
    lines += _fact("mode", f"{started.mode}{plan}", width)
    for name, value in started.arguments.items():
        lines += _fact(name, value, width)
    if operation.deletes is not None:
        lines += _fact("deletes", str(operation.deletes), width)
    if finished is None:
        lines.append(line(warn(" it runs, or its process died; jobs (3) shows which")))
        return lines
    if finished.counts:
        told = ", ".join(f"{name} {count(number)}" for name, number in finished.counts.items())
        lines += _fact("objects", told, width)
    if finished.blocked:
        lines += _fact("blocked by", ", ".join(finished.blocked), width)
    if finished.error:
        lines += [line(bad(f" {part}")) for part in wrap(f"error: {finished.error}", width - 2)]
    return lines


def _when(operation: Operation) -> str:
    text = f"{when(operation.started_at)} UTC"
    if operation.finished_at is None:
        return text
    took = (operation.finished_at - operation.started_at).total_seconds()
    return f"{text}, took {duration(took)}"


def _fact(name: str, value: str, width: int) -> list[Line]:
    first, *more = wrap(value, width - 13)
    head = line(dim(f" {column(name, 10)} "), first)
    return [head, *(line(" " * 12, part) for part in more)]


def result_lines(page: ResultPage, outcome: str | None, width: int) -> list[Line]:
    """A page of objects, each with its outcome and, where there is one, its reason."""
    if not page.results:
        told = "no object" if outcome is None else f"no object ended as {outcome}"
        return [line(dim(f" {told}" if page.first == 0 else " there are no more"))]
    lines = []
    for result in page.results:
        word = result.outcome.value
        reason = result.reason + (" (concluded by recovery)" if result.inferred else "")
        lines.append(
            line(
                Piece(f" {word:<14}", _LOOKS.get(word, Look.PLAIN)),
                fit(result.key, width - 16),
                id=result.key,
            )
        )
        lines += [line(dim(f"   {part}")) for part in wrap(reason, width - 4) if part]
    return lines


def page_line(page: ResultPage, outcome: str | None, total: int | None, width: int) -> Line:
    """Which of the objects are seen."""
    if not page.results:
        return BLANK
    last = page.first + len(page.results)
    of = f" of {count(total)}" if total is not None else ""
    only = f", only {outcome}" if outcome else ""
    more = "   n next page" if page.more else ""
    back = "   b page before" if page.first else ""
    return line(
        dim(fit(f" objects {count(page.first + 1)}-{count(last)}{of}{only}{more}{back}", width))
    )


def next_outcome(outcomes: Sequence[str], now: str | None) -> str | None:
    """The outcome that is filtered for after `now`; None shows all of them."""
    order: list[str | None] = [None, *outcomes]
    return order[(order.index(now) + 1) % len(order)] if now in order else None


def can_restore(operation: Operation) -> bool:
    """Whether the operation deleted anything, or may have: one without an end does not tell."""
    finished = operation.finished
    return operation.started.what == "execute" and (
        finished is None
        or bool(finished.counts.get("deleted"))
        or finished.outcome == "interrupted"
    )
