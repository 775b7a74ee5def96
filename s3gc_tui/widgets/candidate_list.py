"""The list of candidates: its lines, its keys, and the marks that may become a plan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from s3gc_core.errors import S3gcError
from s3gc_core.judgement import (
    CandidateFilter,
    CandidateRow,
    Column,
    FolderRow,
    Judged,
    Snapshot,
    Sort,
)
from s3gc_tui.models import candidate_lines as lines
from s3gc_tui.models.candidate_filter import filter_text, parse_filter
from s3gc_tui.models.candidate_footer import footer
from s3gc_tui.widgets.marked_list import MarkedList
from s3gc_tui.widgets.virtual_list import LineStyle

# Candidates that are read at once where all of them are.
PAGE = 1_000
# Seconds between two looks for a newer scan.
_LOOK = 2.0


class CandidateList(MarkedList):
    """Shows candidates; the screen reads `footer()` and listens to the messages."""

    BINDINGS: ClassVar[list[BindingType]] = [
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
            self._refuse("the marks are of this scan: \\ clears them, then show the newer one")
            return
        self.open(self.newer.scan_id)

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

    async def every_one(self) -> AsyncIterator[list[Judged]]:
        """All candidates of the view, in its order, in pages. Raises what the browser raises."""
        snapshot, view = self.snapshot, self.view
        if snapshot is None:
            return
        if self.open_tree is not None:
            # A tree shows all there is.
            view = replace(view, filter=CandidateFilter())
        ids = await self.browser.ids(snapshot, view)
        for at in range(0, len(ids), PAGE):
            yield await self.browser.judged(snapshot, ids[at : at + PAGE])

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

    # News

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
