"""Everything about a key, on the small world."""

from __future__ import annotations

import pytest

from s3gc_tui.screens.detail import DetailScreen
from tests.tui.models.hostile import HOSTILE
from tests.tui.screens.asked import SIZES, assert_golden, staged
from tests.tui.screens.watched import assert_tame_screen, pane, steady
from tests.tui.small_world import SmallWorld


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["used/1.jpg", "gone/a.txt", "backups/d.txt"])
async def test_golden(small: SmallWorld, key: str, size: tuple[int, int]) -> None:
    await small.planned()
    async with (
        staged(small) as stage,
        stage.showing(DetailScreen(stage.gateway, key), size) as shown,
    ):
        name = key.partition("/")[0]
        assert_golden(f"detail-{name}-{size[0]}", steady(shown.text()))


async def test_a_deleted_key_has_its_backup(small: SmallWorld) -> None:
    operation_id = await small.collected()
    async with (
        staged(small) as stage,
        stage.showing(DetailScreen(stage.gateway, "gone/a.txt")) as shown,
    ):
        text = shown.text()
        assert "no object is at this key  deleted; the vault has it" in text
        assert operation_id in text
        await shown.press("r")
        assert operation_id in shown.text()
        await shown.press("escape")
        assert shown.results == [None]


@pytest.mark.parametrize("wild", HOSTILE)
async def test_hostile_keys_stay_text(small: SmallWorld, wild: str) -> None:
    async with (
        staged(small) as stage,
        stage.showing(DetailScreen(stage.gateway, wild)) as shown,
    ):
        assert any("next: " in one.text for one in pane(shown, "#detail").lines)
        assert_tame_screen(shown)
