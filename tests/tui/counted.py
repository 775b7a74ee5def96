"""A terminal that counts: what an app writes to the line, byte by byte, without a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.driver import Driver
from textual.drivers.headless_driver import HeadlessDriver


class CountingDriver(HeadlessDriver):
    """Takes what would go to the terminal, as an app with a real one writes it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.written: list[str] = []
        self.on_write: Callable[[str], None] = self.written.append

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.on_write(data)

    def flush(self) -> None:
        pass


class CountedApp(App[None]):
    """An app whose `run_test` writes to a counting terminal."""

    def __init__(self) -> None:
        super().__init__(driver_class=CountingDriver)

    def _build_driver(
        self, headless: bool, inline: bool, mouse: bool, size: tuple[int, int] | None
    ) -> Driver:
        return super()._build_driver(False, inline, mouse, size)

    @property
    def terminal(self) -> CountingDriver:
        assert isinstance(self._driver, CountingDriver)
        return self._driver

    def take(self) -> str:
        """What was written since the last time."""
        text = "".join(self.terminal.written)
        self.terminal.written.clear()
        return text
