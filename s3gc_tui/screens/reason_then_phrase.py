"""What screens share that ask for a reason first, and then for a phrase that says what for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from s3gc_tui.gateway import Gateway
from s3gc_tui.models.confirmation import Confirmation, Wanted
from s3gc_tui.models.lines import Line
from s3gc_tui.screens.asking import AskingScreen, MonotonicClock
from s3gc_tui.widgets.confirm_field import ConfirmField

T = TypeVar("T")


class ReasonThenPhrase(AskingScreen[T]):
    """Shows `what`, takes a reason, shows it with what is asked about, and takes the `phrase`."""

    def __init__(self, gateway: Gateway, verb: str, clock: MonotonicClock) -> None:
        super().__init__(gateway, Confirmation(Wanted.TEXT), verb, clock)
        self._reason = ""

    @property
    @abstractmethod
    def phrase(self) -> str:
        """What has to be typed after the reason."""

    @abstractmethod
    def what(self, reason: str) -> Sequence[Line]:
        """What it is about; `reason` is empty until it was given."""

    @abstractmethod
    def confirmed(self, reason: str) -> None:
        """Both were typed."""

    def on_mount(self) -> None:
        """Say what it means and ask for the reason."""
        self.show_what(self.what(self._reason))
        self.field.open()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.show_what(self.what(self._reason))

    def on_confirm_field_confirmed(self, event: ConfirmField.Confirmed) -> None:
        """A reason was given, or the phrase after it."""
        if self._reason:
            self.confirmed(self._reason)
            return
        self._reason = event.text.strip()
        self.show_what(self.what(self._reason))
        self.field.ask(Confirmation(Wanted.PHRASE, self.phrase), self._verb)
        self.field.open()
