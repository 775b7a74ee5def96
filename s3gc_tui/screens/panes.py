"""The main screen's panes: candidates, verdict, jobs, vault, history and log, kept up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.css.query import NoMatches
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Input

from s3gc_core.errors import S3gcError
from s3gc_core.judgement import CandidateBrowser, Judged
from s3gc_tui.actions_table import ACTIONS, Action, Where
from s3gc_tui.background import begin
from s3gc_tui.gateway import Gateway
from s3gc_tui.keymap import works
from s3gc_tui.models import pane_lines
from s3gc_tui.models.key_line import key_line
from s3gc_tui.models.lines import BLANK, Line, Piece, bad, dim, line, warn
from s3gc_tui.models.picture import Picture
from s3gc_tui.models.stream_lines import lost_names
from s3gc_tui.models.verdict_lines import status_line, verdict_lines
from s3gc_tui.safe_text import safe_text
from s3gc_tui.screens.placed import bindings_of
from s3gc_tui.widgets.candidate_list import CandidateList
from s3gc_tui.widgets.command_input import CommandInput
from s3gc_tui.widgets.line_pane import LinePane

_PANES = {
    "candidates": ("1 Candidates", Where.LIST),
    "verdict": ("2 Verdict", Where.VERDICT),
    "jobs": ("3 Plans and jobs", Where.JOBS),
    "vault": ("4 Vault", Where.VAULT),
    "history": ("5 History", Where.HISTORY),
    "log": ("@ Log", Where.LOG),
}
# Seconds between two looks at how things stand.
_REFRESH = 1.0
_LOG_LINES = 500
# Seconds the cursor rests on a row before its verdict is read: a held key paints none on its way.
_REST = 0.1
# In a smaller terminal everything still works, but not everything is seen.
_LEAST = Size(80, 20)

_BY_METHOD = {one.method.partition("(")[0]: one for one in ACTIONS if one.where & Where.PANES}


class Panes(Screen[None]):
    """All panes, up to date. At less than 120 columns one of them at a time."""

    CSS_PATH = "main.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Where.PANES)
    AUTO_FOCUS = "#candidates"

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self.gateway = gateway
        self.browser = CandidateBrowser(Path(gateway.about.vault_path))
        self.picture: Picture | None = None
        self.current = "candidates"
        self._selected: Judged | None = None
        self._log: list[Line] = []
        self._said: Line = BLANK
        self._problems: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """The panes and the lines around them."""
        yield LinePane(id="top")
        with Container(id="body"):
            yield CandidateList(self.browser, now=self.gateway.now, id="candidates", classes="pane")
            with Vertical(id="side"):
                yield LinePane(id="verdict", classes="pane")
                yield LinePane(id="vault", classes="pane")
        with Horizontal(id="bottom"):
            yield LinePane(id="jobs", classes="pane", selectable=True)
            yield LinePane(id="history", classes="pane", selectable=True)
        yield LinePane(id="log", classes="pane")
        yield LinePane(id="status")
        yield CommandInput(id="command", select_on_focus=False)
        yield LinePane(id="keys")

    def on_mount(self) -> None:
        """Titles, keys, and the watch over everything."""
        for name, (title, _) in _PANES.items():
            self.query_one(f"#{name}").border_title = title
        for name in ("top", "status", "keys"):
            self.query_one(f"#{name}", LinePane).can_focus = False
        self.query_one(Input).cursor_blink = False
        self.action_pane("candidates")
        # Without the watch every pane would stay as it is: its failure ends the dashboard, aloud.
        begin(self, self._watch, "watch", exit_on_error=True)

    async def on_unmount(self) -> None:
        """End the reads."""
        await self.browser.close()

    # Keeping up to date

    async def _watch(self) -> None:
        while True:
            picture = await self.gateway.picture()
            try:
                self.show(picture)
            except NoMatches:
                return  # the screen is going away
            await asyncio.sleep(_REFRESH)

    def show(self, picture: Picture) -> None:
        """Draw the panes from a picture; what did not change is not drawn again."""
        if not self.children:
            return  # the dashboard is being left
        before, self.picture = self.picture, picture
        for problem in picture.problems:
            if problem not in self._problems:
                self.log_line(line(bad("error "), safe_text(problem)))
        self._problems = picture.problems
        told = {stream.database for stream in before.lost_streams} if before else set()
        for stream in picture.lost_streams:
            if stream.database not in told:
                text = f"{stream.database}: {stream.detail}"
                self.log_line(line(bad("stream lost "), safe_text(text)))
        if before is not None and before.may_write and not picture.may_write:
            self.say("the time to write is over; this session is read-only now")
        self._draw()

    def _draw(self) -> None:
        picture = self.picture
        if picture is None:
            return
        self._pane("top").show([pane_lines.top_line(picture, self.size.width)])
        for name, make in (
            ("jobs", pane_lines.jobs_lines),
            ("vault", pane_lines.vault_lines),
            ("history", pane_lines.history_lines),
        ):
            pane = self._pane(name)
            pane.show(make(picture, pane.size.width or 78))
        self._draw_verdict()
        self.query_one(CandidateList).stale = picture.is_stale
        self._draw_around()

    def _draw_verdict(self) -> None:
        if self.picture is not None:
            pane = self._pane("verdict")
            width = pane.size.width or 78
            pane.show(verdict_lines(self._selected, self.picture, width))

    def _draw_around(self) -> None:
        """The status lines and the line of keys."""
        candidates = self.query_one(CandidateList)
        first = self._said
        if not first.pieces and self.picture is not None:
            first = status_line(self._selected, self.picture)
        if self.size.width < _LEAST.width or self.size.height < _LEAST.height:
            first = line(warn(f" enlarge the terminal to {_LEAST.width}x{_LEAST.height}"))
        footer = line(" ", *self._blocked(), safe_text(candidates.footer()))
        self._pane("status").show([first, footer])
        keys = key_line(self.actions_here(), self.gateway.keymap, self.size.width)
        self._pane("keys").show([keys])

    def _blocked(self) -> list[Piece]:
        """That the last scan made no plan, or that a stream is lost, and which pane says why and
        what to do.
        """
        guards = pane_lines.blocked_by(self.picture) if self.picture else ""
        pane = self.gateway.keymap.words("pane.jobs")
        told = [bad(f"BLOCKED by {guards}: see {pane}"), Piece("  ")] if guards else []
        if self.picture is not None and self.picture.lost_streams:
            names, key = lost_names(self.picture), self.gateway.keymap.words("streams")
            told += [bad(f"STREAM LOST {names}: see {key}"), Piece("  ")]
        return told

    def actions_here(self) -> list[Action]:
        """The actions that work in the current pane and session."""
        may_write = self.gateway.may_write
        return [one for one in ACTIONS if works(one, self.where, may_write=may_write)]

    @property
    def where(self) -> Where:
        """The place that the current pane is for the table of actions."""
        return _PANES[self.current][1]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Actions that do not work here are not there at all."""
        known = _BY_METHOD.get(action)
        if known is None or action == "pane":
            return True
        return known in self.actions_here()

    def harmless_actions(self) -> Iterable[Action]:
        """What the palette offers: what looks and moves only."""
        return [
            action
            for action in self.actions_here()
            if not action.needs_write and action.id not in ("quit", "scan", "save")
        ]

    def runner_of(self, action: Action) -> Callable[[], object]:
        """What runs an action."""
        return partial(self.run_action, action.method)

    # Words of the session

    def say(self, text: str) -> None:
        """Tell the operator, and keep it in the log."""
        self._said = line(warn(f" {safe_text(text)}"))
        self.log_line(line(safe_text(text)))
        self._draw_around()

    def log_line(self, shown: Line) -> None:
        """Add a line to the log pane, with the time."""
        stamped = Line((*line(dim(f" {self.gateway.now():%H:%M:%S} ")).pieces, *shown.pieces))
        self._log = [*self._log[-_LOG_LINES:], stamped]
        self._pane("log").show(list(reversed(self._log)))

    def tell(self, error: S3gcError) -> None:
        """Say what a refusal or failure is, why, and what to do next."""
        self.say(f"{error.what}: {error.next_step}")

    def _pane(self, name: str) -> LinePane:
        return self.query_one(f"#{name}", LinePane)

    # Panes

    def action_pane(self, name: str) -> None:
        """Go to a pane; where only one fits, show it alone."""
        self.current = name
        around = {"candidates": "body", "verdict": "side", "vault": "side"}
        for pane in _PANES:
            self.query_one(f"#{pane}").set_class(pane == name, "-current")
        holder = around.get(name) or ("log" if name == "log" else "bottom")
        self.query_one("#body").set_class(holder in ("body", "side"), "-current")
        self.query_one("#body").set_class(holder == "bottom", "-away")
        self.query_one("#side").set_class(holder == "side", "-current")
        self.query_one("#bottom").set_class(holder == "bottom", "-current")
        self._said = BLANK
        self.query_one(f"#{name}").focus()
        self.call_after_refresh(self._draw)

    def on_descendant_focus(self, event: object) -> None:
        """Tab moves between panes: the one with the focus is the current one."""
        focused = self.focused
        if focused is not None and focused.id in _PANES and focused.id != self.current:
            self.action_pane(focused.id)

    def on_resize(self) -> None:
        """Lines are made for the width they have."""
        self.call_after_refresh(self._draw)

    # The selected candidate

    def on_candidate_list_cursor_moved(self, event: CandidateList.CursorMoved) -> None:
        """Show the verdict of what the cursor is on."""
        self._said = BLANK
        begin(self, partial(self._select, event.candidate_id), "select")

    async def _select(self, candidate_id: int | None) -> None:
        if self._selected is not None:
            await asyncio.sleep(_REST)
        snapshot = self.query_one(CandidateList).snapshot
        judged = None
        if snapshot is not None and candidate_id is not None:
            judged = await self.browser.candidate(snapshot, candidate_id)
        self._selected = judged
        try:
            self._draw_verdict()
            self._draw_around()
        except NoMatches:
            return  # the screen is going away

    def on_marked_list_marks_changed(self) -> None:
        """The line below the list counts the marks."""
        self._said = BLANK
        self._draw_around()

    def on_candidate_list_snapshot_changed(self) -> None:
        """More is known of the list."""
        self._draw_around()

    def on_marked_list_mark_refused(self, event: CandidateList.MarkRefused) -> None:
        """Say why not."""
        self.say(event.text)

    def on_candidate_list_load_failed(self, event: CandidateList.LoadFailed) -> None:
        """Say what could not be read."""
        self.tell(event.error)

    @property
    def selected(self) -> Judged | None:
        """The candidate under the cursor."""
        return self._selected
