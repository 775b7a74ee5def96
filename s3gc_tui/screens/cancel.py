"""The question before an operation is cancelled: whoever just presses Enter keeps it running."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from s3gc_tui.models.job_lines import cancel_lines
from s3gc_tui.screens.left_once import LeftOnce
from s3gc_tui.widgets.line_pane import LinePane


class CancelScreen(ModalScreen[bool], LeftOnce[bool]):
    """Its result is whether the operation is to end."""

    DEFAULT_CSS = """
    CancelScreen { align: center middle; background: ansi_default; }
    CancelScreen #question { width: 74; height: 12; border: solid ansi_yellow; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "keep", show=False, id="back"),
        Binding("escape", "keep", show=False),
    ]

    def __init__(self, what: str, operation_id: str) -> None:
        super().__init__()
        self._what = what
        self._operation_id = operation_id

    def compose(self) -> ComposeResult:
        """The question and its two answers."""
        yield LinePane(id="question", selectable=True)

    def on_mount(self) -> None:
        """Ask."""
        pane = self.query_one("#question", LinePane)
        pane.show(cancel_lines(self._what, self._operation_id, 72))
        pane.focus()

    def on_line_pane_chosen(self, message: LinePane.Chosen) -> None:
        """An answer was given."""
        message.stop()
        self.dismiss(message.line_id == "cancel")

    def action_keep(self) -> None:
        """Leave it running."""
        self.dismiss(False)
