"""Screens over the panes whose keys stand in the table of actions: remappable, with help."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.actions import parse
from textual.binding import Binding, BindingType

from s3gc_core.collection import Selection
from s3gc_tui.actions_table import ACTIONS, Action, Where
from s3gc_tui.gateway import Gateway
from s3gc_tui.keymap import works
from s3gc_tui.messages import RestoreWanted
from s3gc_tui.models.key_line import key_line
from s3gc_tui.models.lines import Line, Piece
from s3gc_tui.screens.left_once import LeftOnce

T = TypeVar("T")


def bindings_of(where: Where) -> list[BindingType]:
    """What the table has for a place, by the ids that a keymap names."""
    return [
        Binding(action.keys, action.method, action.help, show=False, id=action.id)
        for action in ACTIONS
        if action.where & where
    ]


def back_with(where: Where) -> list[BindingType]:
    """The same for a screen that esc leaves, whatever keys leave it besides."""
    return [*bindings_of(where), Binding("escape", "leave", show=False)]


class Placed(LeftOnce[T]):
    """A screen that is a place of the table. `check_action` says what can be done now."""

    WHERE: ClassVar[Where]

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self.gateway = gateway

    def actions_here(self) -> list[Action]:
        """What can be done here and now."""
        return [
            one
            for one in ACTIONS
            if works(one, self.WHERE, may_write=self.gateway.may_write) and self._can(one)
        ]

    def _can(self, action: Action) -> bool:
        _, name, parameters = parse(action.method)
        return bool(self.check_action(name, parameters))

    def key_line(self, *notes: Piece) -> Line:
        """The line of keys, and what else has to be said."""
        return key_line(self.actions_here(), self.gateway.keymap, self.size.width or 80, *notes)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What cannot be done now is not there."""
        return action != "restore" or self.gateway.may_write

    def to_restore(self) -> Selection | None:
        """What there is to bring back here; None asks for it."""
        return None

    def action_restore(self) -> None:
        """Ask for the restore wizard."""
        self.post_message(RestoreWanted(self.to_restore()))

    def action_help(self) -> None:
        """What works here."""
        from s3gc_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.WHERE, self.gateway))

    def action_leave(self) -> None:
        """Go back; what runs goes on."""
        self.dismiss(None)
