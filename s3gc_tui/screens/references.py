"""The references: which columns are covered, how the sources match the bucket, what dangles."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches

from s3gc_core.actions.dangling import Dangling
from s3gc_core.collection import Selection
from s3gc_core.errors import S3gcError
from s3gc_core.references import Covered, Standing
from s3gc_tui import records
from s3gc_tui.actions_table import Where
from s3gc_tui.background import begin, read_all
from s3gc_tui.display import fit
from s3gc_tui.gateway import Gateway
from s3gc_tui.lines import Record
from s3gc_tui.messages import KeyWanted
from s3gc_tui.models import coverage_lines
from s3gc_tui.models.dangling_lines import DanglingList
from s3gc_tui.models.lines import BLANK, Line, bad, dim, line
from s3gc_tui.models.reference_views import COVERAGE, DANGLING, VIEWS, ReferenceViews
from s3gc_tui.saving import save_records
from s3gc_tui.screens.placed import Placed, back_with
from s3gc_tui.widgets.line_pane import LinePane

# Lines about what the cursor is on.
_ABOUT = 8
# Seconds the cursor rests before they are drawn: a held key draws none on its way.
_REST = 0.1


class ReferencesScreen(Placed[None]):
    """Three views, each read when it is first seen. Closes with esc or q.

    `folder` is where `w` writes; `clock` (monotonic seconds) is what its dialogs go by.
    """

    DEFAULT_CSS = f"""
    ReferencesScreen #head {{ height: 3; }}
    ReferencesScreen .view {{ height: 1fr; }}
    ReferencesScreen #about {{ height: {_ABOUT}; }}
    ReferencesScreen #said, ReferencesScreen #hint {{ height: 1; }}
    """
    WHERE = Where.REFERENCES
    BINDINGS: ClassVar[list[BindingType]] = [
        *back_with(WHERE),
        Binding("tab", "next_view(1)", show=False),
        Binding("shift+tab", "next_view(-1)", show=False),
    ]

    def __init__(
        self,
        gateway: Gateway,
        *,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(gateway)
        self._folder = folder
        self._clock = clock
        self.view = COVERAGE
        self._views = ReferenceViews()
        self._said: Line = BLANK

    def compose(self) -> ComposeResult:
        """Which view it is, its list, what the cursor is on, the newest word, the keys."""
        yield LinePane(id="head")
        for name in VIEWS:
            yield LinePane(id=name, classes="view", selectable=True)
        yield LinePane(id="about")
        yield LinePane(id="said")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Begin with the coverage."""
        for name in ("#head", "#about", "#said", "#hint"):
            self.query_one(name, LinePane).can_focus = False
        self.action_view(self.view)

    def on_resize(self) -> None:
        """Fit the lines into the new width."""
        self._show()

    # Views

    def action_view(self, name: str) -> None:
        """Show a view; what it shows is read when it is first seen."""
        self.view = name
        self._said = BLANK
        for one in sorted(VIEWS, key=lambda one: one != name):
            pane = self._pane(one)
            pane.display = one == name
            if one == name:
                pane.focus()
        if self._views.is_known(name):
            self._show()
        else:
            self.action_ask()

    def action_next_view(self, by: int) -> None:
        """The view beside this one."""
        names = list(VIEWS)
        self.action_view(names[(names.index(self.view) + by) % len(names)])

    def action_ask(self) -> None:
        """Read what this view shows anew."""
        views = self._views
        views.errors.pop(self.view, None)
        match self.view:
            case "coverage":
                read: Callable[[], Awaitable[None]] = self._read_coverage
            case "matches":
                read = self._read_matches
            case _:
                views.dangling = DanglingList()
                read = partial(self._read_dangling, views.dangling)
        begin(self, partial(self._read, self.view, read), self.view)
        self._show()

    async def _read(self, view: str, read: Callable[[], Awaitable[None]]) -> None:
        try:
            await read()
        except S3gcError as error:
            self._views.errors[view] = error
        self._show()

    async def _read_coverage(self) -> None:
        self._views.ledger = coverage_lines.by_urgency(await self.gateway.coverage())

    async def _read_matches(self) -> None:
        self._views.matches = await self.gateway.match_history()

    async def _read_dangling(self, found: DanglingList) -> None:
        if self._views.matches is None:
            # How many the last scan counted: read from the disk, at once.
            await self._read_matches()
        await read_all(self._first_pages(found), found.add, self._show)
        found.is_done = True

    async def _first_pages(self, found: DanglingList) -> AsyncIterator[list[Dangling]]:
        """Pages until there is no more room; a reading that is left ends its transaction."""
        pages = self.gateway.dangling()
        try:
            async for page in pages:
                yield page
                if found.has_more:
                    return
        finally:
            if isinstance(pages, AsyncGenerator):
                await pages.aclose()

    # Drawing

    def _pane(self, name: str) -> LinePane:
        return self.query_one(f"#{name}", LinePane)

    def _show(self) -> None:
        width = self.size.width
        if not width or not self.children:
            return
        try:
            self._pane("head").show(self._views.head_lines(self.view, width))
            self._pane(self.view).show(self._views.list_lines(self.view, width))
            self._show_about()
        except NoMatches:
            return  # the screen is going away

    def _show_about(self) -> None:
        width = self.size.width
        cursor = self._pane(self.view).cursor_id
        self._pane("about").show(self._views.about_lines(self.view, cursor, width, _ABOUT))
        self._pane("said").show([self._said])
        self._pane("hint").show([self.key_line()])

    def _row(self) -> Dangling | None:
        """The row under the cursor of the dangling references."""
        seen = self.view == DANGLING
        return self._views.row(self._pane(DANGLING).cursor_id) if seen else None

    def on_line_pane_cursor_moved(self, event: LinePane.CursorMoved) -> None:
        """Show what the cursor is on, once it rests."""
        event.stop()
        begin(self, self._rest, "about")

    async def _rest(self) -> None:
        await asyncio.sleep(_REST)
        if self.children:
            self._show_about()

    # What can be done

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is not there."""
        if action in ("clear", "reopen"):
            return bool(self._to_decide(action, parameters)[1])
        if action == "save":
            return self.view == DANGLING or (self.view == COVERAGE and bool(self._views.ledger))
        return super().check_action(action, parameters)

    def _to_decide(
        self, action: str, parameters: tuple[object, ...] = ()
    ) -> tuple[str, list[Covered]]:
        """The name to clear or reopen, and all columns that it means."""
        if self.view != COVERAGE or not self.children or not self.gateway.may_write:
            return "", []
        return self._views.to_decide(
            self._pane(COVERAGE).cursor_id,
            Standing.UNKNOWN if action == "clear" else Standing.CLEARED,
            whole_table=parameters == ("table",),
        )

    def action_clear(self, what: str) -> None:
        """Ask for the reason why a column, or a table as it is now, holds no keys that count."""
        self._decide(*self._to_decide("clear", (what,)), clear=True)

    def action_reopen(self) -> None:
        """Ask for the reason why a column is unknown again."""
        self._decide(*self._to_decide("reopen"), clear=False)

    def _decide(self, name: str, columns: list[Covered], *, clear: bool) -> None:
        from s3gc_tui.screens.decide_columns import DecideColumnsScreen

        if not columns:
            return
        try:
            screen = DecideColumnsScreen(
                self.gateway, name, columns, clear=clear, clock=self._clock
            )
        except S3gcError as error:
            self._say(line(bad(f" {fit(error.what, self.size.width - 2)}")))
            return
        self.app.push_screen(screen, partial(self._decided, "cleared" if clear else "reopened"))

    def _decided(self, what: str, columns: list[Covered] | None) -> None:
        if columns:
            names = ", ".join(str(one.id) for one in columns)
            self.action_ask()
            self._say(line(f" {what}: {fit(names, self.size.width - len(what) - 3)}"))

    def to_restore(self) -> Selection | None:
        """The missing object of the row under the cursor, where the vault holds it."""
        row = self._row()
        return Selection(keys=row.in_vault) if row is not None and row.in_vault else None

    def on_line_pane_chosen(self, message: LinePane.Chosen) -> None:
        """Ask about the missing object under the cursor."""
        message.stop()
        row = self._row()
        if row is not None:
            self.post_message(KeyWanted(row.keys[0]))

    def action_save(self) -> None:
        """Write what is listed to a new file: of dangling references all, however many."""
        begin(self, partial(self._save, self.view), "save")

    async def _save(self, view: str) -> None:
        self._say(line(dim(" writing ...")))
        pages = self._every_column() if view == COVERAGE else self._every_row()
        what = "columns" if view == COVERAGE else "dangling references"
        try:
            told = await save_records(f"s3gc-{view}", what, pages, folder=self._folder)
        except S3gcError as error:
            self._say(line(bad(f" {fit(error.what, self.size.width - 2)}")))
        else:
            self._say(line(f" {fit(told, self.size.width - 2)}"))

    async def _every_column(self) -> AsyncIterator[Iterable[Record]]:
        yield map(records.covered, self._views.ledger or ())

    async def _every_row(self) -> AsyncIterator[Iterable[Record]]:
        async for page in self.gateway.dangling():
            yield map(records.dangling, page)

    def _say(self, said: Line) -> None:
        self._said = said
        self._show()
