"""What is painted first: the frame of the main screen, while everything behind it is opened."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import Screen

from s3gc_tui.models.lines import dim, line, strong
from s3gc_tui.safe_text import safe_text
from s3gc_tui.widgets.line_pane import LinePane


class OpeningScreen(Screen[None]):
    """An empty frame that says what is being opened."""

    DEFAULT_CSS = """
    OpeningScreen > .line { height: 1; }
    OpeningScreen > #frame { height: 1fr; border: solid ansi_bright_black; }
    """

    def __init__(self, bucket: str) -> None:
        super().__init__()
        self._bucket = bucket

    def compose(self) -> ComposeResult:
        """The lines and the frame of the list."""
        yield LinePane(id="name", classes="line")
        frame = LinePane(id="frame")
        frame.border_title = "1 Candidates"
        yield frame
        yield LinePane(classes="line")
        yield LinePane(id="keys", classes="line")

    def on_mount(self) -> None:
        """Say what is going on."""
        bucket = safe_text(self._bucket)
        self.query_one("#name", LinePane).show([line(strong(f" {bucket}"), dim("  opening ..."))])
        self.query_one("#keys", LinePane).show([line(dim(" q quit"))])

    def key_q(self) -> None:
        """Leave before anything is open."""
        self.app.exit()
