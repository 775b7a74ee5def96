"""The help lists what works at a place in this session, and nothing else."""

from __future__ import annotations

import pytest

from s3gc_tui.actions_table import ACTIONS, Where
from s3gc_tui.keymap import Keymap, works
from s3gc_tui.models.help_lines import help_lines
from s3gc_tui.models.lines import plain_text
from tests.tui.models.hostile import assert_tame

PLACES = list(Where.PANES | Where.SCREENS)
KEYMAP = Keymap.of({})


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("may_write", [False, True])
@pytest.mark.parametrize("where", PLACES)
def test_it_lists_exactly_what_works(where: Where, may_write: bool, width: int) -> None:
    lines = help_lines(where, may_write, KEYMAP, width)
    assert_tame(lines, width)
    shown = " ".join(plain_text(lines).split())
    for action in ACTIONS:
        row = " ".join(f"{KEYMAP.words(action.id)} {action.help}".split())
        assert (row in shown) is works(action, where, may_write=may_write), action.id


def test_a_read_only_session_says_what_it_lacks_and_how_to_get_it() -> None:
    absent = "This session is read-only, without: restore, pause, cancel."
    shown = " ".join(plain_text(help_lines(Where.JOBS, False, KEYMAP, 80)).split())
    assert absent in shown
    assert "`s3gc --write` starts one that has them" in shown
    assert "read-only" not in plain_text(help_lines(Where.JOBS, True, KEYMAP, 80))


def test_it_shows_the_operators_keys() -> None:
    keymap = Keymap.of({"execute": "alt+x", "back": "f2"})
    shown = plain_text(help_lines(Where.PLAN, True, keymap, 80))
    assert f" {'alt+x':<26} open the execute dialog" in shown
    assert f" {'f2':<26} back" in shown
    assert "ctrl+x" not in shown
