"""Clearing columns, or taking that back: a reason first, then their name, typed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from s3gc_core.errors import ReadOnlySession, Refused, S3gcError
from s3gc_core.references import Covered, columns_named
from s3gc_tui.background import begin
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.deciding_lines import deciding_lines
from s3gc_tui.models.intents import ClearIntent, ColumnIntent, ReopenIntent
from s3gc_tui.models.lines import Line
from s3gc_tui.screens.asking import MonotonicClock
from s3gc_tui.screens.reason_then_phrase import ReasonThenPhrase


class DecideColumnsScreen(ReasonThenPhrase[list[Covered]]):
    """Asks for a reason and for the name, and decides. Its result are the columns, or None.

    `name` is how the core is told, `columns` are all that it means now. Raises `ReadOnlySession`
    where the session may not decide.
    """

    def __init__(
        self,
        gateway: Gateway,
        name: str,
        columns: Sequence[Covered],
        *,
        clear: bool,
        clock: MonotonicClock = time.monotonic,
    ) -> None:
        if not gateway.may_write:
            raise ReadOnlySession("this session is read-only, so it decides about no column")
        super().__init__(gateway, "clear" if clear else "reopen", clock)
        self._named = name
        self._columns = tuple(columns)
        self._clears = clear

    @property
    def phrase(self) -> str:
        """What has to be typed after the reason: the column, or the table and how many."""
        first, *more = self._columns
        if self._named == str(first.id) and not more:
            return f"{first.table}.{first.id.column}"
        return f"{first.table} {len(self._columns)}"

    def what(self, reason: str) -> list[Line]:
        """The columns, and what deciding about them means."""
        return deciding_lines(self._columns, reason, self.width, clear=self._clears)

    def confirmed(self, reason: str) -> None:
        """Decide, if they still are what was shown."""
        kind = ClearIntent if self._clears else ReopenIntent
        intent = kind(self._named, reason)
        begin(self, partial(self._decide, intent), "decide", exclusive=False)

    async def _decide(self, intent: ColumnIntent) -> None:
        try:
            await self._check()
            columns = await self.gateway.decide_columns(intent)
        except S3gcError as error:
            self.tell(error)
            return
        self.leave(columns)

    async def _check(self) -> None:
        """What is decided about must be what was shown. Raises `Refused`."""
        standing = self._columns[0].standing
        found = columns_named(await self.gateway.coverage(), self._named)
        now = {(c.id, c.type, c.is_open) for c in found if c.standing is standing}
        if now != {(c.id, c.type, c.is_open) for c in self._columns}:
            raise Refused(
                "the columns are no longer as they are shown here",
                why="a person vouches for what was seen, and for nothing else",
                next_step="leave with esc, ask again (r), and look at them anew",
            )
