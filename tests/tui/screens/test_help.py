"""The help on the screen."""

from __future__ import annotations

import pytest

from s3gc_core.session import READ_ONLY
from s3gc_tui.actions_table import Where
from s3gc_tui.keymap import Keymap
from s3gc_tui.screens.help import HelpScreen
from tests.tui.screens.asked import SIZES, assert_golden, staged
from tests.tui.small_world import SmallWorld


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["escape", "q", "question_mark"])
async def test_it_opens_and_closes(small: SmallWorld, size: tuple[int, int], key: str) -> None:
    async with staged(small, READ_ONLY) as stage:
        stage.gateway.keymap = Keymap.of({"scan": "f5"})
        screen = HelpScreen(Where.LIST, stage.gateway)
        async with stage.showing(screen, size) as shown:
            if key == "q":
                assert_golden(f"help-{size[0]}", shown.text())
            await shown.press(key)
            assert shown.results == [None]
