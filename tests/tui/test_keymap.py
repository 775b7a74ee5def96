"""Keys can be remapped, all problems are told at once, and nothing dangerous gets a plain key."""

from __future__ import annotations

import pytest
from textual.keys import _character_to_key

from s3gc_core.errors import ConfigurationError
from s3gc_tui.actions_table import ACTIONS, Where
from s3gc_tui.keymap import FORBIDDEN, TORN, USABLE, Keymap, name_of, works

HARMLESS = "repaint"


def problems(**written: str) -> list[tuple[str, str]]:
    """Setting and what is allowed, for keys of actions (`__` stands for the dot)."""
    with pytest.raises(ConfigurationError) as caught:
        Keymap.of({name.replace("__", "."): key for name, key in written.items()})
    return [(problem.setting, problem.allowed) for problem in caught.value.problems]


def test_the_table_itself_breaks_no_rule() -> None:
    assert Keymap.of({}).changed == {}
    written = {action.id: action.keys for action in ACTIONS}
    assert Keymap.of(written).keys == Keymap.of({}).keys


def test_a_key_is_laid_over_the_table() -> None:
    keymap = Keymap.of({"pane.log": "f2, #", "execute": "alt+x"})
    assert keymap.changed == {"pane.log": "f2,number_sign", "execute": "alt+x"}
    assert keymap.keys["pane.log"] == "f2,number_sign"
    assert keymap.words("pane.log") == "f2, #"
    assert keymap.keys["scan"] == "s"


def test_a_comma_is_a_key_too() -> None:
    assert Keymap.of({HARMLESS: ","}).changed == {HARMLESS: "comma"}


@pytest.mark.parametrize("character", [chr(code) for code in range(0x21, 0x7F)])
def test_characters_are_named_as_the_terminal_names_them(character: str) -> None:
    assert name_of(character) == _character_to_key(character)


def test_everything_wrong_is_told_at_once() -> None:
    found = problems(
        execut="ctrl+e", execute="e", pause="A", pane__log="ctrl+h", scan="1", repaint="ctrl+ö"
    )
    assert {setting for setting, _ in found} == {
        "keys.'execut'",
        "keys.execute",
        "keys.pause",
        "keys.pane.log",
        "keys.scan",
        "keys.repaint",
    }
    assert ("keys.'execut'", 'did you mean "execute"?') in found
    assert ("keys.scan", "a key that pane.candidates does not have") in found


@pytest.mark.parametrize("key", sorted(FORBIDDEN))
def test_forbidden_keys_are_refused_for_every_action(key: str) -> None:
    for action in ACTIONS:
        with pytest.raises(ConfigurationError, match="another key than"):
            Keymap.of({action.id: key})


def test_what_the_notes_leave_unbound_is_forbidden() -> None:
    unbound = {*"deDX", "delete", "backspace"} | {f"ctrl+{letter}" for letter in "khijmba"}
    assert unbound <= FORBIDDEN.keys()
    taken = {key for action in ACTIONS for key in action.keys.split(",")}
    assert taken & FORBIDDEN.keys() == set()


@pytest.mark.parametrize("key", sorted(USABLE - FORBIDDEN.keys()))
def test_what_is_dangerous_takes_chords_only(key: str) -> None:
    dangerous = [action.id for action in ACTIONS if action.dangerous]
    assert dangerous == ["execute"]
    is_chord = key.startswith(("ctrl+", "alt+"))
    try:
        Keymap.of({"execute": key})
    except ConfigurationError as error:
        told = "; ".join(problem.allowed for problem in error.problems)
        assert not is_chord or "a key that" in told or "does not have" in told
        assert is_chord or "no single key begins what deletes" in told
    else:
        assert is_chord


def test_torn_escape_sequences_change_nothing() -> None:
    for action in ACTIONS:
        if action.needs_write:
            for letter in TORN:
                with pytest.raises(ConfigurationError):
                    Keymap.of({action.id: letter})
            assert not TORN & set(action.keys.split(","))


def test_one_key_for_two_actions_in_one_place() -> None:
    assert problems(tree="o") == [("keys.tree", "a key that sort does not have")]
    assert problems(tree="1") == [("keys.tree", "a key that pane.candidates does not have")]
    # In two places that are never one, it is no clash.
    assert Keymap.of({"reject": "t"}).changed == {"reject": "t"}


def test_keys_of_the_list_are_taken_there_only() -> None:
    assert problems(sort="v")[0][1].startswith("another key than v: it is taken in the list")
    assert Keymap.of({"reject": "v"}).changed == {"reject": "v"}


@pytest.mark.parametrize("may_write", [False, True])
@pytest.mark.parametrize("where", list(Where.PANES | Where.SCREENS))
def test_what_works_where(where: Where, may_write: bool) -> None:
    found = {action.id for action in ACTIONS if works(action, where, may_write=may_write)}
    assert "help" in found
    for of_panes in ("scan", "quit", "command", "pane.log"):
        assert (of_panes in found) is (where in Where.PANES)
    assert ("back" in found) is (where in Where.SCREENS)
    assert ("execute" in found) is (may_write and where is Where.PLAN)
    assert ("approve" in found) is (may_write and where in (Where.LIST, Where.PLAN))
    assert ("pause" in found) is (may_write and where in (Where.JOBS, Where.JOB))
    assert ("restore" in found) is may_write
