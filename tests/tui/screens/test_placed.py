"""Every screen over the panes: the operator's keys, what they do, and the help that lists them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.screen import Screen

from s3gc_core.collection import Selection
from s3gc_core.session import READ_ONLY, UNRESTRICTED, Session
from s3gc_tui.screens.restore import RestoreScreen
from tests.tui.small_world import SmallWorld
from tests.tui.whole import RUNNING, Whole, furnished, opened

OPEN: dict[str, Callable[[Whole], object]] = {
    "PlanScreen": lambda whole: whole.main.open_thing("plan", whole.told.plan_id),
    "JobScreen": lambda whole: whole.main.open_thing("job", RUNNING),
    "OperationScreen": lambda whole: whole.main.open_thing("operation", whole.told.operation_id),
    "DetailScreen": lambda whole: whole.main.open_detail("late/00.bin"),
    "ReferencesScreen": lambda whole: whole.main.action_references(),
    "GrantsScreen": lambda whole: whole.main.action_grants(),
    "ReportScreen": lambda whole: whole.main.action_report(),
}
# What may be pressed there now, in a session that may write and in one that may not.
KEYS = {
    "PlanScreen": (
        "a approve  N reject  ctrl+x execute  u restore  w save",
        "w save",
    ),
    "JobScreen": ("u restore  p pause  x cancel  f failures  w save", "f failures  w save"),
    "OperationScreen": (
        "u restore  f filter  w save", "f filter  w save",
    ),
    "DetailScreen": ("u restore  r ask again", "r ask again"),
    "ReferencesScreen": (
        "u restore  v view  c clear  T clear table  r ask again  w save",
        "v view  r ask again  w save",
    ),
    "GrantsScreen": ("u restore  r ask again", "r ask again"),
    "ReportScreen": ("u restore  r ask again", "r ask again"),
}  # fmt: skip
NAMES = list(OPEN)


def screen_of(whole: Whole) -> Screen[Any]:
    return whole.app.screen


def name_of(whole: Whole) -> str:
    return type(screen_of(whole)).__name__


def keys(whole: Whole) -> str:
    return whole.app.screen_text().splitlines()[-1].strip()


@pytest.mark.parametrize("session", [UNRESTRICTED, READ_ONLY], ids=["write", "read-only"])
async def test_keys_and_help(small: SmallWorld, session: Session) -> None:
    told = await furnished(small)
    # Wide enough for all of them; a narrower one leaves out what matters least.
    async with opened(small, told, session, size=(100, 30), running=True) as whole:
        for name in NAMES:
            await whole.back_to_main()
            OPEN[name](whole)
            await whole.settled()
            assert name_of(whole) == name
            can = KEYS[name][0 if session is UNRESTRICTED else 1]
            note = ""
            if name == "JobScreen":
                note = "  (the job goes on)" + ("  [READ-ONLY]" if session is READ_ONLY else "")
            # The words of the table, in its order.
            assert sorted(keys(whole).split("  ")) == sorted(
                f"{can}  ? help  q back{note}".split("  ")
            )
            await whole.press("question_mark")
            assert name_of(whole) == "HelpScreen"
            listed = whole.app.screen_text()
            assert "[back]" in listed
            clears = name == "ReferencesScreen" and session is UNRESTRICTED
            assert ("[column.clear]" in listed) is clears
            assert ("[execute]" in listed) is (name == "PlanScreen" and session is UNRESTRICTED)
            assert "[scan]" not in listed
            await whole.press("q")
            assert name_of(whole) == name
            await whole.press("q")
            assert screen_of(whole) is whole.main


async def test_other_keys(small: SmallWorld) -> None:
    small.write_config(keys={"back": "z", "help": "f1", "pause": "y", "failures": "f3"})
    told = await furnished(small)
    async with opened(small, told, running=True) as whole:
        for name in NAMES:
            OPEN[name](whole)
            await whole.settled()
            assert "f1 help  z back" in keys(whole)
            # The old keys are free, and esc stays what it is.
            await whole.press("question_mark", "q")
            assert name_of(whole) == name
            await whole.press("f1")
            assert name_of(whole) == "HelpScreen"
            await whole.press("escape")
            if name == "JobScreen":
                assert "y pause" in keys(whole)
                await whole.press("p")
                assert whole.gateway.wishes == []
                await whole.press("y")
                assert whole.gateway.wishes == [("pause", RUNNING)]
                await whole.press("f3")
                assert "failures by outcome" in whole.app.screen_text()
            await whole.press("escape" if name == "PlanScreen" else "z")
            assert screen_of(whole) is whole.main


async def test_the_restore_wizard_from_everywhere(small: SmallWorld) -> None:
    """With what there is to bring back here, or asking for a key."""
    told = await furnished(small)
    begins = {
        "PlanScreen": None,
        "JobScreen": None,  # it still runs
        "OperationScreen": Selection(operation_id=told.operation_id),
        "DetailScreen": Selection(keys=("late/00.bin",)),
        "ReferencesScreen": None,  # no dangling row is under the cursor
        "GrantsScreen": None,
        "ReportScreen": None,
    }
    async with opened(small, told, running=True) as whole:
        for name in NAMES:
            OPEN[name](whole)
            await whole.settled()
            await whole.press("u")
            wizard = screen_of(whole)
            assert isinstance(wizard, RestoreScreen)
            assert wizard._given == begins[name]
            await whole.press("escape")
            assert name_of(whole) == name
            await whole.back_to_main()
    async with opened(small, told, READ_ONLY, running=True) as whole:
        for name in NAMES:
            OPEN[name](whole)
            await whole.settled()
            await whole.press("u")
            assert name_of(whole) == name
            await whole.back_to_main()
