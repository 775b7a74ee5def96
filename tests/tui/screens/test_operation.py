"""The view of a recorded operation, on a real execution."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from s3gc_core.collection import Selection
from s3gc_core.session import READ_ONLY
from s3gc_tui.messages import KeyWanted, RestoreWanted
from s3gc_tui.models import operation_lines
from s3gc_tui.screens.operation import OperationScreen
from tests.tui.screens.asked import SIZES, assert_golden, staged
from tests.tui.screens.watched import assert_tame_screen, noted, pane, steady
from tests.tui.small_world import FORGOTTEN, SmallWorld


@pytest.mark.parametrize("size", SIZES)
async def test_golden(small: SmallWorld, size: tuple[int, int]) -> None:
    operation_id = await small.collected()
    async with (
        staged(small) as stage,
        stage.showing(OperationScreen(stage.gateway, operation_id), size) as shown,
    ):
        assert_golden(f"operation-{size[0]}", steady(shown.text()))


async def test_enter_u_and_esc(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    operation_id = await small.collected()
    async with staged(small) as stage:
        screen = OperationScreen(stage.gateway, operation_id)
        restores = noted(screen, RestoreWanted, monkeypatch)
        keys = noted(screen, KeyWanted, monkeypatch)
        async with stage.showing(screen) as shown:
            await shown.press("u", "j", "enter")
            assert [message.selection for message in restores] == [
                Selection(operation_id=operation_id)
            ]
            assert [message.key for message in keys] == [sorted(FORGOTTEN)[1]]
            await shown.press("escape")
            assert shown.results == [None]


async def test_a_read_only_session_offers_no_restore(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation_id = await small.collected()
    async with staged(small, READ_ONLY) as stage:
        screen = OperationScreen(stage.gateway, operation_id)
        restores = noted(screen, RestoreWanted, monkeypatch)
        async with stage.showing(screen) as shown:
            assert "u restore" not in shown.text()
            await shown.press("u")
            assert restores == []


async def test_pages_and_the_filter(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation_lines, "PAGE", 2)
    operation_id = await small.collected()
    keys = sorted(FORGOTTEN)
    async with (
        staged(small) as stage,
        stage.showing(OperationScreen(stage.gateway, operation_id)) as shown,
    ):

        def seen() -> list[str | None]:
            return [one.id for one in pane(shown, "#objects").lines if one.id]

        assert seen() == keys[:2]
        assert "objects 1-2 of 3   n next page" in shown.text()
        await shown.press("b")
        assert seen() == keys[:2]
        await shown.press("n")
        assert seen() == keys[2:]
        await shown.press("n")
        assert seen() == keys[2:]
        await shown.press("b")
        assert seen() == keys[:2]
        await shown.press("f")
        assert "only deleted" in shown.text()
        assert seen() == keys[:2]
        await shown.press("f")
        assert "only" not in shown.text()


async def test_the_objects_in_a_file(
    small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    operation_id = await small.collected()
    async with (
        staged(small) as stage,
        stage.showing(OperationScreen(stage.gateway, operation_id)) as shown,
    ):
        await shown.press("w")
        assert " 3 objects saved to " in shown.text()
    path = tmp_path / f"s3gc-{operation_id}.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    records = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert {record["key"]: record["outcome"] for record in records} == dict.fromkeys(
        FORGOTTEN, "deleted"
    )


async def test_a_folder_that_cannot_be_written(
    small: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation_id = await small.collected()
    gone = tmp_path / "gone"
    gone.mkdir()
    async with (
        staged(small) as stage,
        stage.showing(OperationScreen(stage.gateway, operation_id)) as shown,
    ):
        monkeypatch.chdir(gone)
        gone.rmdir()
        await shown.press("w")
        monkeypatch.chdir(tmp_path)
        assert " not saved: No such file or directory" in shown.text()


async def test_an_operation_that_nobody_knows(small: SmallWorld) -> None:
    async with (
        staged(small) as stage,
        stage.showing(OperationScreen(stage.gateway, "[red]x\x1b[2J")) as shown,
    ):
        assert "there is no operation [red]x\\x1b[2J" in shown.text()
        assert_tame_screen(shown)
