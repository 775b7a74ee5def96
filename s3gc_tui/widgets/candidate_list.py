"""The list of candidates: its lines, its keys, and the marks that may become a plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from s3gc_core.errors import S3gcError
from s3gc_core.judgement import (
    CandidateBrowser,
    CandidateFilter,
    CandidateRow,
    Column,
    FolderRow,
    ObjectVerdict,
    Snapshot,
    Sort,
)
from s3gc_tui.models import candidate_lines as lines
from s3gc_tui.models.candidate_filter import filter_text, parse_filter
from s3gc_tui.models.candidate_footer import footer
from s3gc_tui.models.marks import Marks
from s3gc_tui.models.refusal import why_not
from s3gc_tui.models.rows import Row
from s3gc_tui.widgets.browsed_list import BrowsedList
from s3gc_tui.widgets.virtual_list import LineStyle

# Seconds between two looks for a newer scan.
_LOOK = 2.0

Orphans = list[tuple[int, int]]


class CandidateList(BrowsedList):
    """Shows candidates; the screen reads `footer()` and listens to the messages."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark", show=False, id="list.mark"),
        Binding("v", "range", "mark a range", show=False, id="list.range"),
        Binding("plus", "mark_all", "mark all that match", show=False, id="list.mark_all"),
        Binding("backslash", "clear_marks", "clear marks", show=False, id="list.clear_marks"),
        Binding("l,right", "open_folder", "open the folder", show=False, id="tree.open"),
        Binding("h,left", "close_folder", "close the folder", show=False, id="tree.close"),
        Binding("enter", "choose", "detail, or open the folder", show=False, id="list.choose"),
    ]

    class CursorMoved(Message):
        """The cursor is on another candidate; None where it is on none (a folder, say)."""

        def __init__(self, candidate_id: int | None) -> None:
            super().__init__()
            self.candidate_id = candidate_id

        def can_replace(self, message: Message) -> bool:
            """Only where it is now matters."""
            return isinstance(message, CandidateList.CursorMoved)

    class Opened(Message):
        """Enter was pressed on a candidate."""

        def __init__(self, candidate_id: int, key: str) -> None:
            super().__init__()
            self.candidate_id = candidate_id
            self.key = key

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

    class SnapshotChanged(Message):
        """Another list is shown, or more is known of it (its length, a newer scan)."""

        def __init__(self, snapshot: Snapshot | None) -> None:
            super().__init__()
            self.snapshot = snapshot

    class LoadFailed(Message):
        """Something could not be read; what is shown is what was read before."""

        def __init__(self, error: S3gcError) -> None:
            super().__init__()
            self.error = error

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

    def on_mount(self) -> None:
        """Open the last scan, and look for newer ones."""
        self.open()
        self.set_interval(_LOOK, self.check_newer)

    # Views

    @property
    def filter_text(self) -> str:
        """The filter as a line."""
        return filter_text(self.view.filter)

    def set_filter_text(self, text: str) -> None:
        """Show what a filter line lets through. Raises `FilterError`."""
        self.show(replace(self.view, filter=parse_filter(text), now=self._now()))

    def sort_by(self, column: Column, *, descending: bool = False) -> None:
        """Sort by a column."""
        self.show(replace(self.view, sort=Sort(column, descending)))

    def action_sort(self) -> None:
        """Sort by the next column; sizes and ages begin with the largest."""
        order = list(Column)
        following = order[(order.index(self.view.sort.column) + 1) % len(order)]
        self.sort_by(following, descending=following in (Column.SIZE, Column.AGE))

    def action_reverse(self) -> None:
        """Turn the order round."""
        self.sort_by(self.view.sort.column, descending=not self.view.sort.descending)

    def action_tree(self) -> None:
        """Tree or flat list."""
        if self.snapshot is None:
            return
        if self.open_tree is None and self.snapshot.partial:
            self._refuse("the tree is added up when the scan has finished")
            return
        self._anchor = None
        self.show_as_tree(self.open_tree is None)

    def action_show_new(self) -> None:
        """Show what a newer scan found; marks are of one scan and are not dropped unasked."""
        if self.newer is None:
            return
        other = self.snapshot is not None and self.newer.scan_id != self.snapshot.scan_id
        if other and self.marks:
            self._refuse("the marks are of this scan: \\ clears them, then r shows the newer one")
            return
        self.open(self.newer.scan_id)

    @property
    def stale(self) -> bool:
        """Whether verdicts are too old to let anything go."""
        return self._stale

    @stale.setter
    def stale(self, stale: bool) -> None:
        if stale != self._stale:
            self._stale = stale
            self.refresh()

    def footer(self) -> str:
        """The line below the list (not cleaned)."""
        return footer(
            self.snapshot,
            self.view,
            cursor=self.cursor,
            rows=self.row_count,
            complete=self.complete,
            marks=self.marks,
            ranging=self._anchor is not None,
            newer=self.newer,
            tree=self.open_tree is not None,
        )

    # Keys on a row

    def action_choose(self) -> None:
        """Ask for a candidate's detail; open or close a folder."""
        row, tree = self.current, self.open_tree
        if isinstance(row, CandidateRow):
            self.post_message(self.Opened(row.id, row.key))
        elif tree is not None and tree.is_open(self.cursor):
            self.close_folder()
        else:
            self.open_folder()

    def action_open_folder(self) -> None:
        """Open the folder under the cursor."""
        self.open_folder()

    def action_close_folder(self) -> None:
        """Close the folder under the cursor, or go to the one around it."""
        self.close_folder()

    # Marks

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
            self._refuse("the last scan is too old to decide by: s starts another")
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

    # News

    def snapshot_opened(self, before: Snapshot | None) -> None:
        """Marks are of one scan."""
        snapshot = self.snapshot
        if before is None or snapshot is None or before.scan_id != snapshot.scan_id:
            self.action_clear_marks()

    def news(self) -> None:
        """Pass it on."""
        self.post_message(self.SnapshotChanged(self.snapshot))

    def failed(self, error: S3gcError) -> None:
        """Pass it on."""
        self.post_message(self.LoadFailed(error))

    def cursor_moved(self) -> None:
        """Tell where the cursor is."""
        id_ = self.current_id
        self.post_message(self.CursorMoved(id_ if id_ is not None and id_ > 0 else None))

    # Lines

    def header(self, width: int) -> str:
        """The column heads."""
        return lines.flat_header(width) if self.open_tree is None else lines.tree_header(width)

    def line(self, position: int, width: int) -> tuple[str, LineStyle]:
        """A candidate's or a folder's line."""
        id_ = self._rows[position]
        row, tree, now = self.at_hand.get(id_), self.open_tree, self.view.now
        if isinstance(row, FolderRow):
            marked = row.orphans > 0 and self.marks.covers(row.prefix)
        else:
            marked = id_ in self.marks
        style = LineStyle.PLAIN if row is not None else LineStyle.QUIET
        if tree is None:
            return lines.flat_line(row, width, now, marked=marked, stale=self._stale), style
        place = lines.Place(tree.depth(position), tree.is_open(position), self._whole)
        return lines.tree_line(row, width, now, place, marked=marked, stale=self._stale), style
