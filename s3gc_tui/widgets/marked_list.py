"""A list whose orphans can be marked: by row, by range, by folder, or all that match."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from s3gc_core.judgement import (
    CandidateBrowser,
    CandidateFilter,
    CandidateRow,
    FolderRow,
    ObjectVerdict,
    Snapshot,
)
from s3gc_tui.models.marks import Marks
from s3gc_tui.models.refusal import why_not
from s3gc_tui.models.rows import Row
from s3gc_tui.widgets.browsed_list import BrowsedList

Orphans = list[tuple[int, int]]


class MarkedList(BrowsedList):
    """Keeps marks as ids or prefixes, never as positions; they are of one scan."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark", show=False, id="list.mark"),
        Binding("v", "range", "mark a range", show=False, id="list.range"),
        Binding("plus", "mark_all", "mark all that match", show=False, id="list.mark_all"),
        Binding("backslash", "clear_marks", "clear marks", show=False, id="list.clear_marks"),
    ]

    class MarksChanged(Message):
        """Other candidates are marked than before. `bytes` is the size of the marked."""

        def __init__(self, count: int, size: int) -> None:
            super().__init__()
            self.count = count
            self.bytes = size

    class MarkRefused(Message):
        """What was asked for is not done; `text` says why (not cleaned)."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(
        self,
        browser: CandidateBrowser,
        *,
        now: Callable[[], datetime],
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(browser, now=now, id=id, classes=classes)
        self.marks = Marks()
        self._anchor: int | None = None
        self._stale = False

    @property
    def stale(self) -> bool:
        """Whether verdicts are too old to let anything go."""
        return self._stale

    @stale.setter
    def stale(self, stale: bool) -> None:
        if stale != self._stale:
            self._stale = stale
            self.refresh()

    def action_mark(self) -> None:
        """Mark what is under the cursor, or take its mark away; a folder with all its orphans."""
        snapshot, row = self.snapshot, self.current
        if snapshot is None or row is None or self._refused_as_stale():
            return
        if isinstance(row, FolderRow):
            self._work(partial(self._toggle_folder, snapshot, row), "marks")
        elif isinstance(row, CandidateRow) and row.verdict is ObjectVerdict.ORPHAN:
            change = self.marks.remove if row.id in self.marks else self.marks.add
            change([(row.id, row.size)])
            self.refresh_row(self.cursor)
            self._marks_changed()
        else:
            self._work(partial(self._say_why_not, snapshot, row), "why")

    def action_range(self) -> None:
        """Begin a range at the cursor; the second time mark all orphans in it."""
        snapshot, here = self.snapshot, self.current_id
        if snapshot is None or here is None or self._refused_as_stale():
            return
        begun = self.position(self._anchor) if self._anchor is not None else None
        if begun is None:
            self._anchor = here
            self.news()
            return
        self._anchor = None
        ids = self.rows_between(*sorted((begun, self.cursor)))
        self._work(partial(self._mark_range, snapshot, ids), "marks")

    def action_mark_all(self) -> None:
        """Mark all orphans that the filter lets through, as they are now."""
        snapshot = self.snapshot
        if snapshot is not None and not self._refused_as_stale():
            wanted = self.view.filter if self.open_tree is None else CandidateFilter()
            self._work(partial(self._mark_all, snapshot, wanted), "marks")

    def action_clear_marks(self) -> None:
        """Take all marks away."""
        # Marking that is still under way must not come in afterwards.
        self.workers.cancel_group(self, "marks")
        self._put_marks(Marks(self.snapshot.first_id if self.snapshot is not None else 1))

    async def marked_selection(self) -> tuple[list[str], list[str]]:
        """What is marked, as prefixes and keys: exactly that. Raises `ScanGone`."""
        snapshot, marks = self.snapshot, self.marks.copy()
        if snapshot is None or marks.prefixes:
            return list(marks.prefixes), []
        keys: list[str] = []
        async for page in self.browser.keys(snapshot, list(marks)):
            keys += page
        return [], keys

    def _refuse(self, why: str) -> None:
        self.post_message(self.MarkRefused(why))

    def _refused_as_stale(self) -> bool:
        if self.stale:
            self._refuse("the last scan is too old to decide by: a new one is needed")
        return self.stale

    async def _say_why_not(self, snapshot: Snapshot, row: Row) -> None:
        self._refuse(why_not(await self.browser.candidate(snapshot, row.id)))

    async def _toggle_folder(self, snapshot: Snapshot, folder: FolderRow) -> None:
        if not folder.orphans:
            self._refuse("no orphan lies in this folder")
            return
        pages = self._orphans(snapshot, CandidateFilter(prefix=folder.prefix))
        marks = self.marks.copy()
        orphans = [one async for page in pages for one in page if one[0] in marks]
        if len(orphans) == folder.orphans:
            marks.remove(orphans)
            self._put_marks(marks)
        else:
            await self._mark_all(snapshot, CandidateFilter(prefix=folder.prefix))

    async def _mark_all(self, snapshot: Snapshot, wanted: CandidateFilter) -> None:
        """Mark all of it or, where reading fails on the way, nothing."""
        marks = self.marks.copy()
        async for page in self._orphans(snapshot, wanted):
            marks.add(page)
        if marks.count == self.marks.count:
            self._refuse("all that match are marked" if marks else "no orphan matches")
            return
        # A plan holds orphans only: all of those below a prefix are that prefix of it. While the
        # scan goes on, more may come to lie there.
        in_short = replace(wanted, verdicts=frozenset()) == CandidateFilter(prefix=wanted.prefix)
        if in_short and not snapshot.partial:
            marks.add_prefix(wanted.prefix, to=self.marks)
        self._put_marks(marks)

    async def _mark_range(self, snapshot: Snapshot, ids: Sequence[int]) -> None:
        marks = self.marks.copy()
        folders = [-id_ for id_ in ids if id_ < 0]
        for row in await self.browser.folders(snapshot, folders):
            if row is not None:
                async for page in self._orphans(snapshot, CandidateFilter(prefix=row.prefix)):
                    marks.add(page)
        candidates = [id_ for id_ in ids if id_ > 0]
        async for page in self.browser.orphans_among(snapshot, candidates):
            marks.add(page)
        self._put_marks(marks)

    def _orphans(self, snapshot: Snapshot, wanted: CandidateFilter) -> AsyncIterator[Orphans]:
        return self.browser.orphans(snapshot, wanted, self.view.now)

    def _put_marks(self, marks: Marks) -> None:
        self.marks = marks
        self._anchor = None
        self.refresh()
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.post_message(self.MarksChanged(self.marks.count, self.marks.bytes))

    def snapshot_opened(self, before: Snapshot | None) -> None:
        """Marks are of one scan."""
        snapshot = self.snapshot
        if before is None or snapshot is None or before.scan_id != snapshot.scan_id:
            self.action_clear_marks()
