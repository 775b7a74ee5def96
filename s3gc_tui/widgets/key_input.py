"""The input for keys: what cannot be seen stands in it as an escape, typed or pasted."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input

from s3gc_tui.models.restore_lines import field_text


class KeyInput(Input):
    """An `Input` that holds clean text only; tab asks for the first completion."""

    DEFAULT_CSS = "KeyInput { height: 1; border: none; padding: 0 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", show=False)]

    class Complete(Message):
        """Tab was pressed."""

    def __init__(self, value: str, id: str) -> None:
        super().__init__(value, id=id, compact=True)
        self.cursor_blink = False

    def replace(self, text: str, start: int, end: int) -> None:
        """Replace text by clean text: all that is typed or pasted comes this way."""
        super().replace(field_text(text), start, end)

    def action_complete(self) -> None:
        """Ask for the first completion."""
        self.post_message(self.Complete())
