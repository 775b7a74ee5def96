"""Screens that can be left once: a second esc, already on its way, leaves nothing else."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette
from textual.screen import Screen

T = TypeVar("T")


class LeftOnce(Screen[T]):
    """Textual's `dismiss` takes away whatever screen is on top, also one below this one."""

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Leave this screen, if it is the one that is shown."""
        if not self.is_active:
            return AwaitComplete()
        return super().dismiss(result)


class Palette(CommandPalette, LeftOnce[None]):
    """The command palette, which a held Enter chooses from once."""
