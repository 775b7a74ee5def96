"""What works here."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from s3gc_tui.actions_table import Where
from s3gc_tui.gateway import Gateway
from s3gc_tui.models.help_lines import help_lines
from s3gc_tui.models.lines import dim, line
from s3gc_tui.screens.left_once import LeftOnce
from s3gc_tui.widgets.line_pane import LinePane


class HelpScreen(LeftOnce[None]):
    """Lists what works at a place in this session. Closes as other screens do, and as it opened."""

    DEFAULT_CSS = "HelpScreen #hint { height: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "close", show=False, id="back"),
        Binding("question_mark", "close", show=False, id="help"),
        Binding("escape", "close", show=False),
    ]

    def __init__(self, where: Where, gateway: Gateway) -> None:
        super().__init__()
        self._where = where
        self._gateway = gateway

    def compose(self) -> ComposeResult:
        """One pane to scroll in, and the keys."""
        yield LinePane(id="help")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Show it."""
        self.query_one("#hint", LinePane).can_focus = False
        self.query_one("#help", LinePane).focus()

    def on_resize(self) -> None:
        """Fit the lines into the width."""
        gateway = self._gateway
        lines = help_lines(self._where, gateway.may_write, gateway.keymap, self.size.width)
        self.query_one("#help", LinePane).show(lines)
        self.query_one("#hint", LinePane).show([line(dim(" j k move  esc back"))])

    def action_close(self) -> None:
        """Back to where it was opened."""
        self.dismiss()
