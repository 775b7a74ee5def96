"""Whether what was typed confirms: the one place that decides it. Pure, from events to states.

No accident may look like a decision: typed-ahead input, a held key, a paste, the tail of a split
escape sequence. Input in the first moment is dropped, and as long as it goes on it is dropped
still; a phrase must match exactly, and must have been typed; a bare Enter counts only alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

# Seconds without any input before input counts.
QUIET = 0.5
# Nobody types a phrase, or a text and Enter, within so many seconds: an unmarked paste does.
TYPING = 0.15
# A bare Enter counts if nothing follows within so many seconds: a held key repeats faster.
SETTLING = 0.2
# Seconds until a dialog closes by itself.
OPEN_FOR = 60.0


class Wanted(StrEnum):
    """What has to be typed before Enter."""

    PHRASE = "phrase"  # one text, exactly
    TEXT = "text"  # any text but spaces
    ENTER = "enter"  # nothing


class Phase(StrEnum):
    """Where a confirmation stands."""

    OPENING = "opening"  # not painted yet: nothing counts
    QUIET = "quiet"  # nothing counts until nothing comes
    TAKING = "taking"
    SETTLING = "settling"  # a bare Enter came; does anything follow?
    CONFIRMED = "confirmed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Opened:
    """The dialog is on the screen."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A key that stands for one character."""

    character: str


@dataclass(frozen=True, slots=True)
class Erased:
    """Backspace."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """The whole text is to go."""


@dataclass(frozen=True, slots=True)
class Pasted:
    """The terminal's clipboard."""

    text: str


@dataclass(frozen=True, slots=True)
class Entered:
    """The Enter key."""


@dataclass(frozen=True, slots=True)
class OtherKey:
    """Any other key."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What was to be confirmed is not so any more."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It was confirmed, and could not be begun: everything has to be typed again."""

    why: str


Event = Opened | Typed | Erased | Cleared | Pasted | Entered | OtherKey | Ticked | Ended | Failed


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One dialog's state. Times are seconds of one monotonic clock; `notice` is for the person."""

    wanted: Wanted
    phrase: str = ""
    open_for: float | None = None
    phase: Phase = Phase.OPENING
    text: str = ""
    notice: str = ""
    opened_at: float = 0.0
    last_input: float = 0.0
    began_typing: float = 0.0
    typed_at: float = 0.0

    @property
    def matches(self) -> bool:
        """Whether Enter would confirm what is typed now."""
        if self.wanted is Wanted.PHRASE:
            return self.text == self.phrase
        return self.wanted is Wanted.ENTER or bool(self.text.strip())

    def step(self, event: Event, at: float) -> Confirmation:
        """The state after an event."""
        if self.phase is Phase.CLOSED:
            return self
        if self.phase is Phase.CONFIRMED:
            # Begun just now, exactly once; only a failure opens it again.
            if not isinstance(event, Failed):
                return self
            return replace(self, phase=Phase.QUIET, text="", notice=event.why, last_input=at)
        if isinstance(event, Ended):
            return replace(self, phase=Phase.CLOSED, notice=event.why)
        if isinstance(event, Opened):
            if self.phase is not Phase.OPENING:
                return self
            return replace(self, phase=Phase.QUIET, opened_at=at, last_input=at)
        if self.phase is Phase.OPENING or isinstance(event, Failed):
            return self
        passed = self._after(at)
        if passed.phase is Phase.CLOSED or isinstance(event, Ticked):
            return passed
        return passed._input(event, at)

    def _after(self, at: float) -> Confirmation:
        """What time alone changes."""
        if self.open_for is not None and at - self.opened_at >= self.open_for:
            why = f"closed: nothing was confirmed within {self.open_for:.0f} seconds"
            return replace(self, phase=Phase.CLOSED, notice=why)
        if self.phase is Phase.QUIET and at - self.last_input >= QUIET:
            return replace(self, phase=Phase.TAKING)
        if self.phase is Phase.SETTLING and at - self.last_input >= SETTLING:
            return replace(self, phase=Phase.CONFIRMED)
        return self

    def _input(self, event: Event, at: float) -> Confirmation:
        if self.phase is Phase.CONFIRMED:
            return self
        now = replace(self, last_input=at)
        if self.phase is Phase.QUIET:
            return now
        if self.phase is Phase.SETTLING:
            return replace(now, phase=Phase.QUIET, notice="more keys came: wait, then Enter once")
        if self.wanted is Wanted.ENTER:
            enter = isinstance(event, Entered)
            return replace(now, phase=Phase.SETTLING if enter else Phase.QUIET, notice="")
        match event:
            case Typed(character) if len(character) == 1 and character.isprintable():
                return now._with(self.text + character)
            case Erased():
                return now._with(self.text[:-1])
            case Cleared():
                return now._with("")
            case Pasted(text):
                return now._paste(text)
            case Entered():
                return now._enter()
        return now

    def _with(self, text: str) -> Confirmation:
        began = self.last_input if not self.text else self.began_typing
        return replace(self, text=text, notice="", began_typing=began, typed_at=self.last_input)

    def _paste(self, text: str) -> Confirmation:
        if self.wanted is Wanted.PHRASE:
            return replace(self, notice="pasted text is refused: type it")
        first = "".join(c for c in (text.splitlines() or [""])[0] if c.isprintable())
        return self._with(self.text + first)

    def _enter(self) -> Confirmation:
        if not self.matches:
            missing = "not yet matching" if self.wanted is Wanted.PHRASE else "a text is required"
            return replace(self, notice=missing)
        # A phrase has many characters: its own pace tells, however late Enter comes.
        until = self.typed_at if self.wanted is Wanted.PHRASE else self.last_input
        if until - self.began_typing < TYPING:
            refused = "that came at once, as pasted text does: type it"
            return replace(self, phase=Phase.QUIET, text="", notice=refused)
        return replace(self, phase=Phase.CONFIRMED, notice="")
