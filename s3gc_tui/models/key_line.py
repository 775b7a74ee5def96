"""The line of keys below a screen: what works there now, as far as there is room."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_tui.actions_table import Action
from s3gc_tui.keymap import Keymap
from s3gc_tui.models.lines import Line, Piece, dim, line

# Hints that are there even where not all of them fit.
_ALWAYS = ("help", "back", "quit")


def key_line(actions: Sequence[Action], keymap: Keymap, width: int, *notes: Piece) -> Line:
    """The hints of these actions, each with its first key, and what else has to be said."""
    hints = {one.id: _hint(one, keymap) for one in actions if one.hint}
    last = "".join(hints.pop(of_id, "") for of_id in _ALWAYS)
    room = width - len(last.rstrip()) - sum(2 + len(note.text) for note in notes)
    text = " "
    for hint in hints.values():
        if len(text) + len(hint) <= room:
            text += hint
    told = [piece for note in notes for piece in (note, Piece("  "))]
    text += last
    return line(dim(text if notes else text.rstrip()), *told)


def _hint(action: Action, keymap: Keymap) -> str:
    return f"{keymap.words(action.id).partition(',')[0]} {action.hint}  "
