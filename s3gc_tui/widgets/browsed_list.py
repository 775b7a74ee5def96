"""A scan's candidates as a virtual list, flat or as a tree, read while it is looked at.

Nothing here waits: every read runs in the browser's threads, and an answer to a question that is
no longer asked is dropped by its generation number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from textual.worker import Worker, WorkerState

from s3gc_core.errors import S3gcError
from s3gc_core.judgement import (
    CandidateBrowser,
    FolderRow,
    IdVector,
    Newer,
    Snapshot,
    View,
)
from s3gc_tui.background import begin
from s3gc_tui.models.rows import BLOCK, Row, RowCache, TreeRows, contents, missing
from s3gc_tui.widgets.virtual_list import VirtualList

# Asked when its turn comes; a coroutine made at once would be left over where it never does.
Question = Callable[[], Awaitable[None]]


class BrowsedList(VirtualList):
    """Opens snapshots and shows views of them. Subclasses draw the lines and pass on the news."""

    def __init__(
        self,
        browser: CandidateBrowser,
        *,
        now: Callable[[], datetime],
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.browser = browser
        self.snapshot: Snapshot | None = None
        self.newer: Newer | None = None
        self.view = View(now())
        self.at_hand = RowCache()
        self._now = now
        self._rows: IdVector | TreeRows = IdVector()
        self._as_tree = False
        self._whole = 0
        self._complete = True
        self._generation = 0
        self._fetching = False
        self._broken = False

    # For subclasses

    def snapshot_opened(self, before: Snapshot | None) -> None:
        """Another snapshot is there; its rows are not read yet."""

    def news(self) -> None:
        """Another list is shown, or more is known of it."""

    def failed(self, error: S3gcError) -> None:
        """Something could not be read; what is shown is what was read before."""

    # What is asked for

    def open(self, scan_id: str | None = None) -> None:
        """Show a scan: the one named, or the last finished, or else the running one."""
        self._ask(partial(self._open, scan_id))

    def show(self, view: View) -> None:
        """Show the snapshot in another view."""
        self.view = view
        self._ask(self._show)

    def show_as_tree(self, wanted: bool) -> None:
        """Tree or flat list."""
        self._as_tree = wanted
        self._ask(self._show)

    def check_newer(self) -> None:
        """Look whether there is a newer scan, or a first one."""
        if self.snapshot is None or (self.newer is not None and self.snapshot_is_empty):
            # Nothing is shown that could move under anybody's hands.
            self._work(self._open_first, "view")
        elif not self._broken:
            self._work(partial(self._check_newer, self.snapshot), "newer")

    @property
    def snapshot_is_empty(self) -> bool:
        """Whether the snapshot has no candidate at all, whatever the filter."""
        return self.snapshot is not None and self.snapshot.last_id < self.snapshot.first_id

    # Rows

    @property
    def open_tree(self) -> TreeRows | None:
        """The tree, where it is what is shown."""
        return self._rows if isinstance(self._rows, TreeRows) else None

    @property
    def complete(self) -> bool:
        """Whether all rows are known and not the first page only."""
        return self._complete

    @property
    def current_id(self) -> int | None:
        """The row under the cursor; a folder has a minus sign."""
        return self._rows[self.cursor] if self.row_count else None

    @property
    def current(self) -> Row | None:
        """The row under the cursor, if it is at hand."""
        return self.at_hand.get(self._rows[self.cursor]) if self.row_count else None

    def rows_between(self, first: int, last: int) -> Sequence[int]:
        """Ids of rows, both ends included."""
        return self._rows[first : last + 1]

    def position(self, id_: int) -> int | None:
        """Where a row stands now."""
        return self._rows.position(id_)

    def open_folder(self) -> None:
        """Open the folder under the cursor."""
        row, tree = self.current, self.open_tree
        if tree is not None and isinstance(row, FolderRow) and not tree.is_open(self.cursor):
            self._work(partial(self._open_folder, tree, row), "folder")

    def close_folder(self) -> None:
        """Close the folder under the cursor, or go to the one around it."""
        tree = self.open_tree
        if tree is None or not self.row_count:
            return
        if tree.is_open(self.cursor):
            tree.close_at(self.cursor)
            self.reset(len(tree), self.cursor)
        elif (around := tree.parent(self.cursor)) is not None:
            self.move_to(around)

    # Reading

    def _ask(self, question: Question) -> None:
        """Ask anew: whatever was asked before is no longer of interest."""
        self._generation += 1
        self._broken = False
        self._work(question, "view")

    def _work(self, question: Question, group: str) -> None:
        begin(self, partial(self._told, question), group)

    async def _told(self, question: Question) -> None:
        generation = self._generation
        try:
            await question()
        except S3gcError as error:
            if generation == self._generation:
                self._broken = True
                self.failed(error)
            else:
                self.lines_shown()  # it failed for a list that is no longer shown

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What nobody expected is not swallowed."""
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            raise event.worker.error

    async def _open_first(self) -> None:
        generation, snapshot = self._generation, await self.browser.open()
        if snapshot is not None and generation == self._generation:
            await self._open(snapshot.scan_id)

    async def _open(self, scan_id: str | None) -> None:
        generation, snapshot = self._generation, await self.browser.open(scan_id)
        if generation != self._generation:
            return
        before, self.snapshot = self.snapshot, snapshot
        self.newer = None
        if snapshot is None:
            self._present(IdVector(), complete=True)
            return
        if before != snapshot:
            self.at_hand.clear()
        self.snapshot_opened(before)
        self.view = replace(self.view, now=self._now())
        await self._show()

    async def _show(self) -> None:
        """The first page at once, the rest when it is known."""
        snapshot, view, generation = self.snapshot, self.view, self._generation
        if snapshot is None:
            return
        if self._as_tree:
            await self._show_tree(snapshot, view)
            return
        first = await self.browser.first_page(snapshot, view, BLOCK)
        rows = await self.browser.rows(snapshot, first)
        if generation != self._generation:
            return
        self.at_hand.put(first, rows)
        self._present(IdVector(snapshot.first_id, first), complete=len(first) < BLOCK)
        if self._complete:
            return
        every = await self.browser.ids(snapshot, view)
        if generation != self._generation:
            return
        self._rows, self._complete = every, True
        self.extend(len(every))
        self.lines_shown()
        self.news()

    async def _show_tree(self, snapshot: Snapshot, view: View) -> None:
        generation, tree = self._generation, TreeRows()
        bucket = await self.browser.folder(snapshot, "")
        children = await self.browser.children(snapshot, "", view.sort)
        inside = await asyncio.to_thread(contents, children)
        if generation != self._generation:
            return
        tree.open_at(None, inside)
        self._whole = bucket.bytes if bucket else 0
        self._present(tree, complete=True)

    async def _open_folder(self, tree: TreeRows, folder: FolderRow) -> None:
        snapshot, generation = self.snapshot, self._generation
        if snapshot is None:
            return
        children = await self.browser.children(snapshot, folder.prefix, self.view.sort)
        inside = await asyncio.to_thread(contents, children)
        at = tree.position(-folder.id)
        if generation != self._generation or at is None or tree is not self._rows:
            return
        before = self.current_id
        tree.open_at(at, inside)
        # The cursor stays on its row, wherever it has gone in the meantime.
        here = tree.position(before) if before is not None and self.cursor > at else self.cursor
        self.reset(len(tree), here if here is not None else at)

    def _present(self, rows: IdVector | TreeRows, *, complete: bool) -> None:
        self._rows, self._complete = rows, complete
        self.scroll_to(y=0, animate=False)
        self.reset(len(rows))
        self.news()
        self.cursor_moved()

    async def _check_newer(self, snapshot: Snapshot) -> None:
        newer = await self.browser.newer(snapshot)
        if snapshot is self.snapshot and newer != self.newer:
            self.newer = newer
            self.news()

    def lines_shown(self) -> None:
        """Fetch what is on the screen and not at hand."""
        # One at a time, which looks again when it is done: a held key would cancel them all.
        if not self._fetching and not self._broken and self._absent():
            self._fetching = True
            self._work(self._fetch, "rows")

    def _absent(self) -> list[int]:
        seen = self.seen
        if self.snapshot is None or not seen or seen.stop > len(self._rows):
            return []
        return missing(self._rows, seen.start, seen.stop - 1, self.at_hand)

    async def _fetch(self) -> None:
        try:
            while (snapshot := self.snapshot) is not None and (absent := self._absent()):
                candidates = [id_ for id_ in absent if id_ > 0]
                folders = [id_ for id_ in absent if id_ < 0]
                rows = await self.browser.rows(snapshot, candidates) if candidates else []
                opened = [-id_ for id_ in folders]
                totals = await self.browser.folders(snapshot, opened) if opened else []
                if snapshot is not self.snapshot:
                    continue  # of a list that is no longer shown
                self.at_hand.put(candidates, rows)
                self.at_hand.put(folders, totals)
                self._repaint(set(absent))
        finally:
            self._fetching = False

    def _repaint(self, fetched: set[int]) -> None:
        for position in self.seen:
            if self._rows[position] in fetched:
                self.refresh_row(position)
