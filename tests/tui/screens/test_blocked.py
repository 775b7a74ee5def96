"""A scan that a guard blocked: the panes say so, and what to do, at every size."""

from __future__ import annotations

import pytest

from s3gc_core.config import GuardLimits, PrefixBudget
from tests.tui.screens.asked import SIZES
from tests.tui.small_world import LATER, SmallWorld
from tests.tui.whole import Told, opened


async def blocked_by_coverage(small: SmallWorld) -> tuple[str, str]:
    await small.world.app.execute("ALTER TABLE users ADD COLUMN banner TEXT")
    await small.world.app.execute("UPDATE users SET banner = 'gone/a.txt' WHERE id = 1")
    return "coverage", "s3gc references clear main:main.users.banner --reason TEXT"


async def blocked_by_reverse_match(small: SmallWorld) -> tuple[str, str]:
    await small.world.app.executemany(
        "INSERT INTO users VALUES (?, ?)", [(n, f"never/{n}.jpg") for n in range(10, 40)]
    )
    return "reverse-match", "scan --accept reverse-match:main:users.avatar --reason TEXT"


async def blocked_by_budget_of_a_prefix(small: SmallWorld) -> tuple[str, str]:
    budgets = {"gone/": PrefixBudget(max_objects=1)}
    small.write_config(guards=GuardLimits(max_share=1.0, prefixes=budgets))
    return "budget-prefix", "scan --accept budget-prefix:gone/ --reason TEXT"


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "cause", [blocked_by_coverage, blocked_by_reverse_match, blocked_by_budget_of_a_prefix]
)
async def test_it_is_said_where_one_looks(
    small: SmallWorld, size: tuple[int, int], cause: object
) -> None:
    assert callable(cause)
    guard, step = await cause(small)
    small.world.days(LATER)
    summary = await small.world.scan()
    assert [trip.guard for trip in summary.blocked] == [guard]
    told = Told("", "", frozenset(await small.world.keys()))
    async with opened(small, told, size=size) as whole:
        text = whole.app.screen_text()
        assert "  BLOCKED  " in text.splitlines()[0]
        assert f"BLOCKED by {guard}: see 3" in text.splitlines()[-2]
        await whole.press("3")
        # In several lines, none of which is cut off.
        words = " ".join(
            " ".join(text.strip("│ ").split()) for text in seen(whole.app.screen_text())
        )
        assert f"BLOCKED by {guard}: " in words
        assert step in words
        await whole.press("f")
        assert "REFERENCES" in whole.app.screen_text()
        await whole.press("2")
        assert ("1 LOW" in whole.app.screen_text()) is (guard == "reverse-match")


def seen(text: str) -> list[str]:
    """The lines of the pane of plans and jobs; beside it, where it is wide, is the history."""
    lines = text.splitlines()
    first = next(n for n, line in enumerate(lines) if "3 Plans and jobs" in line)
    width = lines[first].index("┐") if "┐" in lines[first] else len(lines[first])
    return [line[:width] for line in lines[first + 1 :] if line.startswith("│")]
