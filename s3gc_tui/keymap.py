"""Which key does what: the table of actions with the operator's `[keys]` laid over it.

Everything wrong with them is told at once. No key that a torn escape sequence, a multiplexer or a
habit from another program sends by accident can change anything.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from s3gc_core.errors import ConfigurationError, Problem
from s3gc_core.redaction import shown
from s3gc_tui.actions_table import ACTIONS, Action, Where

# The names that Textual gives to characters, where they are not Unicode's.
_RENAMED = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

FORBIDDEN = {
    "ctrl+h": "terminals send it for backspace",
    "ctrl+i": "terminals send it for tab",
    "ctrl+j": "terminals send it for a new line",
    "ctrl+m": "terminals send it for enter",
    "ctrl+a": "screen takes it for itself",
    "ctrl+b": "tmux takes it for itself",
    "ctrl+c": "it leaves the dashboard",
    "ctrl+d": "it moves by half a page",
    "ctrl+k": "other programs delete with it",
    "ctrl+p": "it opens the command palette",
    "ctrl+q": "it leaves the dashboard",
    "ctrl+s": "it can stop the terminal's output",
    "ctrl+u": "it moves by half a page",
    "ctrl+z": "it suspends programs",
    "delete": "hands expect it to delete",
    "backspace": "hands expect it to delete",
    **dict.fromkeys("deDX", "other programs delete with it"),
    **dict.fromkeys(("j", "k", "g", "G"), "it moves the cursor"),
}
# Keys of their own in the list of candidates: marks, folders, the search.
_OF_THE_LIST = frozenset({"h", "l", "v", "space", "plus", "backslash"})
# The tails of escape sequences that a bad line tears apart.
TORN = frozenset("ABCDFHPQRS")
# What cannot be remapped, for the help.
FIXED = (
    ("j k, arrows, g G, page up, page down", "move"),
    ("ctrl+u ctrl+d", "move by half a page"),
    ("enter, esc", "open; back (esc never leaves the dashboard)"),
    ("tab, shift+tab", "next pane, pane before"),
    ("ctrl+p", "command palette"),
    ("ctrl+c twice", "leave at once; jobs go on"),
)
FIXED_OF_THE_LIST = (
    ("h l, left, right", "close and open a folder"),
    ("space, v, +, \\", "mark; mark a range; mark all that match; clear the marks"),
)


def name_of(character: str) -> str:
    """The name of a character's key: itself for letters and digits, else such as `slash`."""
    if character.isalnum():
        return character
    name = unicodedata.name(character).lower().replace("-", "_").replace(" ", "_")
    return _RENAMED.get(name, name)


_CHARACTERS = {name_of(c): c for c in map(chr, range(0x20, 0x7F))}
USABLE = frozenset(
    [
        *_CHARACTERS,
        *(f"f{number}" for number in range(1, 13)),
        *(f"{chord}+{letter}" for chord in ("ctrl", "alt") for letter in _LETTERS),
    ]
)


@dataclass(frozen=True, slots=True)
class Keymap:
    """The keys of each action by its id, separated by commas, as Textual names them.

    `changed` holds only those that the operator wrote: what `App.set_keymap` takes.
    """

    keys: Mapping[str, str]
    changed: Mapping[str, str]

    @classmethod
    def of(
        cls,
        written: Mapping[str, str],
        *,
        origin: str = "[keys]",
        actions: Sequence[Action] = ACTIONS,
    ) -> Keymap:
        """The keymap with what the operator wrote, action id -> keys separated by commas.

        Raises one `ConfigurationError` with all that is wrong.
        """
        by_id = {action.id: action for action in actions}
        problems: list[Problem] = []
        changed: dict[str, str] = {}
        for action_id, text in written.items():
            action = by_id.get(action_id)
            if action is None:
                problems.append(_unknown(action_id, by_id))
                continue
            names = [_key(part.strip()) for part in _parts(text)]
            wrong = [_wrong(action, name) for name in names]
            found = [why for why in wrong if why]
            problems += [Problem(f"keys.{action_id}", shown(text), why) for why in found]
            if not found:
                changed[action_id] = ",".join(dict.fromkeys(names))
        keys = {action.id: changed.get(action.id, action.keys) for action in actions}
        problems += _clashes(actions, keys, frozenset(written))
        if problems:
            raise ConfigurationError(problems, origin=origin)
        return cls(keys, changed)

    def words(self, action_id: str) -> str:
        """The keys of an action as a person knows them: `/` and not `slash`."""
        return ", ".join(_CHARACTERS.get(key, key) for key in self.keys[action_id].split(","))


def works(action: Action, where: Where, *, may_write: bool) -> bool:
    """Whether an action works at a place in this session."""
    return bool(action.where & where) and (may_write or not action.needs_write)


def _parts(text: str) -> list[str]:
    # A comma alone, or between two others, is the key itself.
    return [","] if text.strip() == "," else text.split(",")


def _key(text: str) -> str:
    if len(text) == 1 and text.isascii() and text.isprintable():
        return name_of(text)
    return text.lower()


def _unknown(action_id: str, known: Mapping[str, Action]) -> Problem:
    close = get_close_matches(action_id, list(known), n=1)
    allowed = f'did you mean "{close[0]}"?' if close else f"one of {', '.join(sorted(known))}"
    return Problem(f"keys.{shown(action_id)}", "an unknown action", allowed)


def _wrong(action: Action, key: str) -> str:
    """What forbids this key for this action; empty where nothing does."""
    if key in FORBIDDEN:
        return f"another key than {_CHARACTERS.get(key, key)}: {FORBIDDEN[key]}"
    if key not in USABLE:
        return "characters, f1 to f12, ctrl+letter or alt+letter, separated by commas"
    if action.dangerous and not key.startswith(("ctrl+", "alt+")):
        return "ctrl+letter or alt+letter: no single key begins what deletes"
    if action.needs_write and key in TORN:
        return f"another letter than {key}: a torn escape sequence sends it"
    if key in _OF_THE_LIST and _meet(action.where, Where.LIST):
        return f"another key than {_CHARACTERS[key]}: it is taken in the list of candidates"
    return ""


def _clashes(
    actions: Sequence[Action], keys: Mapping[str, str], written: frozenset[str]
) -> Iterator[Problem]:
    for number, one in enumerate(actions):
        for other in actions[number + 1 :]:
            same = set(keys[one.id].split(",")) & set(keys[other.id].split(","))
            if not same or not _meet(one.where, other.where):
                continue
            mine, theirs = (one, other) if one.id in written else (other, one)
            for key in sorted(same):
                word = _CHARACTERS.get(key, key)
                yield Problem(
                    f"keys.{mine.id}", shown(word), f"a key that {theirs.id} does not have"
                )


def _meet(one: Where, other: Where) -> bool:
    return bool(one & other)
