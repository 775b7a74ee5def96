"""The grants: what unattended runs may delete, and taking one back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from s3gc_core.errors import S3gcError
from s3gc_core.judgement import GrantState
from s3gc_tui.actions_table import Where
from s3gc_tui.background import begin
from s3gc_tui.display import fit
from s3gc_tui.gateway import Gateway
from s3gc_tui.models import grant_lines
from s3gc_tui.models.lines import BLANK, Line, bad, dim, line
from s3gc_tui.screens.placed import Placed, back_with
from s3gc_tui.widgets.line_pane import LinePane

if TYPE_CHECKING:
    from s3gc_core.actions.granting import GrantStanding

_READ_ONLY = "this session is read-only: revoking needs `s3gc --write`"


class GrantsScreen(Placed[None]):
    """One row a grant, and everything about the one under the cursor. Closes with esc or q.

    `clock` (monotonic seconds) is what its dialog goes by.
    """

    DEFAULT_CSS = """
    GrantsScreen #head { height: 2; }
    GrantsScreen #grants { height: 1fr; }
    GrantsScreen #about { height: 8; }
    GrantsScreen #said, GrantsScreen #hint { height: 1; }
    """
    WHERE = Where.GRANTS
    BINDINGS: ClassVar[list[BindingType]] = back_with(WHERE)

    def __init__(self, gateway: Gateway, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(gateway)
        self._clock = clock
        self._standings: list[GrantStanding] | None = None
        self._said: Line = BLANK

    def compose(self) -> ComposeResult:
        """How many, the list, what the cursor is on, the newest word, the keys."""
        yield LinePane(id="head")
        yield LinePane(id="grants", selectable=True)
        yield LinePane(id="about")
        yield LinePane(id="said")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Read them."""
        for name in ("#head", "#about", "#said", "#hint"):
            self.query_one(name, LinePane).can_focus = False
        self.query_one("#grants", LinePane).focus()
        self.action_ask()

    def on_resize(self) -> None:
        """Fit the lines into the new width."""
        self._show()

    def action_ask(self) -> None:
        """Read them again."""
        self._said = BLANK
        self._show()
        begin(self, self._read, "grants")

    async def _read(self) -> None:
        try:
            self._standings = await self.gateway.grants()
        except S3gcError as error:
            self._said = line(bad(f" {fit(f'{error.what}; {error.next_step}', self._room)}"))
        self._show()

    @property
    def _room(self) -> int:
        return max(1, self.size.width - 2)

    @property
    def _chosen(self) -> GrantStanding | None:
        chosen = self.query_one("#grants", LinePane).cursor_id
        found = (one for one in self._standings or () if one.grant.grant_id == chosen)
        return next(found, None)

    def _show(self) -> None:
        width = self.size.width
        if not width or not self.children:
            return
        self.query_one("#head", LinePane).show(grant_lines.head_lines(self._standings, width))
        self.query_one("#grants", LinePane).show(grant_lines.rows(self._standings or (), width))
        about = grant_lines.about_lines(self._chosen, width) if self._standings is not None else []
        self.query_one("#about", LinePane).show(about)
        said = self._said
        if not said.pieces and not self.gateway.may_write:
            said = line(dim(f" {fit(_READ_ONLY, self._room)}"))
        self.query_one("#said", LinePane).show([said])
        self.query_one("#hint", LinePane).show([self.key_line()])

    def on_line_pane_cursor_moved(self, event: LinePane.CursorMoved) -> None:
        """Show what the cursor is on."""
        event.stop()
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A grant can be revoked once."""
        if action == "revoke":
            chosen = self._chosen if self.children else None
            can = chosen is not None and chosen.state is not GrantState.REVOKED
            return self.gateway.may_write and can
        return super().check_action(action, parameters)

    def action_revoke(self) -> None:
        """Ask whether to take it back."""
        from s3gc_tui.screens.revoke import RevokeScreen

        if (chosen := self._chosen) is not None:
            screen = RevokeScreen(self.gateway, chosen, clock=self._clock)
            self.app.push_screen(screen, self._revoked)

    def _revoked(self, standing: GrantStanding | None) -> None:
        if standing is not None:
            self.action_ask()
            self._said = line(f" grant {standing.grant.grant_id} is revoked")
