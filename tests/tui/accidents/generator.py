"""Random input of every kind a terminal can send, from a seed: the same seed, the same inputs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]
OUTLANDISH = ["é", "ß", "日", "😀", "\u202e", "\u200b", "e\u0301", "\xa0"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NAMED = [
    *("up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
    *("tab", "shift+tab", "enter", "escape", "backspace", "delete", "insert", "space"),
    *("shift+up", "shift+down", "ctrl+left", "ctrl+right", "ctrl+enter", "shift+enter"),
    *("ctrl+backspace", "ctrl+delete", "ctrl+at", "ctrl+home", "ctrl+end", "ctrl+backslash"),
    *(f"f{number}" for number in range(1, 25)),
    *(f"ctrl+{letter}" for letter in LETTERS),
    *(f"ctrl+shift+{letter}" for letter in LETTERS),
    *(f"alt+{letter}" for letter in LETTERS),
    *("alt+enter", "alt+x", "ctrl+alt+x", "super+c", "ctrl+underscore", "scroll_lock", "menu"),
]
# What a bad line leaves of the sequences for arrows, function keys, mouse and paste.
TAILS = [
    *("[A", "[B", "[C", "[D", "[H", "[F", "OA", "OB", "OC", "OD", "OP", "OQ", "OR", "OS"),
    *(
        "[1;5A",
        "[5~",
        "[3~",
        "[15~",
        "[200~",
        "[201~",
        "[I",
        "[O",
        "[<0;10;10M",
        "[2;2R",
        "[120;1u",
    ),
]
SIZES = [(80, 24), (160, 48), (120, 40), (40, 12), (20, 5), (200, 60), (81, 23)]


@dataclass(frozen=True, slots=True)
class Key:
    """One key; `character` is what it stands for, if anything."""

    name: str
    character: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Characters all at once, as keys."""

    text: str


@dataclass(frozen=True, slots=True)
class Paste:
    """A bracketed paste."""

    text: str


@dataclass(frozen=True, slots=True)
class Mouse:
    """A click or a turn of the wheel, at shares of the screen, or of what has the focus."""

    what: str
    x: float
    y: float
    button: int = 1
    at_focus: bool = False


@dataclass(frozen=True, slots=True)
class Resize:
    """Another size of the terminal."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Wait:
    """So much time without any input."""

    seconds: float


Input = Key | Text | Paste | Mouse | Resize | Wait
Burst = list[Input]


class Generator:
    """Bursts of inputs: what is in one comes at once, whoever waits for it or not.

    The one thing it never does is what a person does to confirm: the phrase, key by key, with
    time in between.
    """

    def __init__(self, seed: int, phrase: str, words: list[str]) -> None:
        self._random = random.Random(seed)
        self._phrase = phrase
        self._words = words

    def bursts(self) -> Iterator[Burst]:
        """Without end."""
        kinds: list[tuple[Callable[[], Burst], int]] = [
            (self._key, 36),
            (self._enters, 8),
            (self._held, 5),
            (self._held_enter, 4),
            (self._split_escape, 8),
            (self._pasted, 8),
            (self._typed_ahead, 9),
            (self._pasted_unmarked, 3),
            (self._mouse, 9),
            (self._resize, 1),
            (self._wait, 12),
        ]
        choices, weights = zip(*kinds, strict=True)
        while True:
            (kind,) = self._random.choices(choices, weights)
            yield kind()

    def _any_key(self) -> Key:
        roll = self._random.random()
        if roll < 0.6:
            return char(self._random.choice(PRINTABLE))
        if roll < 0.63:
            return Key("", self._random.choice(OUTLANDISH)[0])
        if roll < 0.67:
            return Key("escape", "\x1b")
        return Key(self._random.choice(NAMED))

    def _key(self) -> Burst:
        return [self._any_key()]

    def _enters(self) -> Burst:
        return [self._any_key(), *[Key("enter", "\r")] * self._random.randint(1, 3)]

    def _held(self) -> Burst:
        return [self._any_key()] * self._random.randint(2, 20)

    def _held_enter(self) -> Burst:
        burst: Burst = []
        if self._random.random() < 0.5:
            burst.append(Wait(0.6))
        for _ in range(self._random.randint(2, 15)):
            burst += [Key("enter", "\r"), Wait(0.03)]
        return burst

    def _split_escape(self) -> Burst:
        tail = self._random.choice(TAILS)
        pieces: Burst = [Key("escape", "\x1b")]
        if self._random.random() < 0.5:
            pieces.append(Wait(self._random.choice([0.1, 0.7])))
        if self._random.random() < 0.2:
            pieces = []
        return [*pieces, *(char(c) for c in tail)]

    def _pasted(self) -> Burst:
        text = self._random.choice(
            [self._phrase, self._phrase, self._phrase + "\r", self._phrase + "\n\n", *self._words]
        )
        burst: Burst = [Wait(0.6)] if self._random.random() < 0.5 else []
        burst += [*self._emptied(), Paste(text)]
        if self._random.random() < 0.6:
            burst += [Wait(self._random.choice([0.0, 0.3, 0.7])), Key("enter", "\r"), Wait(0.3)]
        return burst

    def _emptied(self) -> Burst:
        """What empties a field, now and then: after other input the phrase would not match."""
        return [Key("ctrl+u", "\x15")] if self._random.random() < 0.5 else []

    def _typed_ahead(self) -> Burst:
        phrase = self._phrase
        text = self._random.choice(
            [
                *[phrase + "\r", phrase + "\r\r", phrase, "\x18" + phrase + "\r"] * 3,
                *("\x18\r", "a\r", "N\r", "u\r", "x\r", "s\r", "\r\r", "q\rq", ":quit\r"),
                *("\x10execute\r", "\x10cancel\r", ":plan {}\r", ":ctx prod\r", ":restore a\r"),
                *self._words,
            ]
        )
        burst: Burst = [Wait(0.6)] if self._random.random() < 0.4 else []
        burst += [*self._emptied(), Text(text)]
        if self._random.random() < 0.4:
            burst += [Wait(self._random.choice([0.1, 0.3, 0.7])), Key("enter", "\r"), Wait(0.3)]
        return burst

    def _pasted_unmarked(self) -> Burst:
        """By a terminal that does not say so, and Enter by hand."""
        return [
            Wait(0.6),
            *self._emptied(),
            Text(self._phrase),
            Wait(self._random.choice([0.3, 0.7, 3.0])),
            Key("enter", "\r"),
            Wait(0.3),
        ]

    def _mouse(self) -> Burst:
        what = self._random.choice(["click", "click", "double", "up", "down"])
        x, y = self._random.random(), self._random.random()
        at_focus = self._random.random() < 0.5
        return [Mouse(what, x, y, self._random.choice([1, 1, 2, 3]), at_focus)]

    def _resize(self) -> Burst:
        return [Resize(*self._random.choice(SIZES))]

    def _wait(self) -> Burst:
        return [Wait(self._random.choice([0.05, 0.2, 0.6, 0.6, 2.0]))]


def char(character: str) -> Key:
    """The key of a character; its name is found where it is sent."""
    return Key("", character)


def size_of(burst: Burst) -> int:
    """How many inputs a burst is: time is none."""
    return sum(
        len(one.text) if isinstance(one, Text) else not isinstance(one, Wait) for one in burst
    )
