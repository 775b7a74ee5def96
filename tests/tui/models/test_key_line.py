"""The line of keys: what works, the operator's own keys, and what goes where there is no room."""

from __future__ import annotations

import pytest

from s3gc_tui.actions_table import ACTIONS, Where
from s3gc_tui.keymap import Keymap, works
from s3gc_tui.models.key_line import key_line
from s3gc_tui.models.lines import Piece, dim, warn
from tests.tui.models.hostile import assert_tame

ON_A_JOB = [one for one in ACTIONS if works(one, Where.JOB, may_write=True)]
EVERYTHING = " u restore  p pause  x cancel  f failures  w save  ? help  q back"


def shown(keymap: Keymap, width: int, *notes: Piece) -> str:
    return key_line(ON_A_JOB, keymap, width, *notes).text.rstrip()


def test_what_works() -> None:
    assert shown(Keymap.of({}), 80) == EVERYTHING


def test_the_operators_keys() -> None:
    keymap = Keymap.of({"pause": "z", "back": "f2,q", "save": "f4"})
    changed = EVERYTHING.replace("p pause", "z pause").replace("q back", "f2 back")
    assert shown(keymap, 80) == changed.replace("w save", "f4 save")


def test_help_and_the_way_back_are_always_there() -> None:
    assert shown(Keymap.of({}), 40) == " u restore  p pause  ? help  q back"
    assert shown(Keymap.of({}), 16) == " ? help  q back"


@pytest.mark.parametrize("width", [40, 60, 80, 160])
def test_notes_have_their_room(width: int) -> None:
    notes = dim("(so)"), warn("[READ-ONLY]")
    assert shown(Keymap.of({}), width, *notes).endswith("q back  (so)  [READ-ONLY]")
    assert_tame([key_line(ON_A_JOB, Keymap.of({}), width, *notes)], width)
