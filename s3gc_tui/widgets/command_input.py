"""The line that commands and filters are typed in: it holds nothing a terminal would act on."""

from __future__ import annotations

from textual.widgets import Input

from s3gc_tui.safe_text import printable


class CommandInput(Input):
    """An `Input` of clean text, whether it is typed, pasted or put there."""

    def validate_value(self, value: str) -> str:
        """What is put there at once, such as the filter that is used."""
        return printable(value)

    def replace(self, text: str, start: int, end: int) -> None:
        """Replace text by clean text: all that is typed or pasted comes this way."""
        super().replace(printable(text), start, end)
