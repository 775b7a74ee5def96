"""The restore wizard: any key, exactly; shown first; overwriting only by its own phrase."""

from __future__ import annotations

import os

import pytest

from s3gc_core.collection import Selection
from s3gc_core.session import READ_ONLY
from s3gc_tui.models.confirmation import SETTLING, Phase
from s3gc_tui.models.intents import RestoreIntent
from s3gc_tui.screens.restore import RestoreScreen
from tests.tui.screens.accidents import ACCIDENTS
from tests.tui.screens.asked import SIZES, Shown, Stage, assert_golden, ended, staged
from tests.tui.small_world import FORGOTTEN, HEADERS, PROTECTED, USED, SmallWorld

# SeaweedFS takes no backslash in a key; test_restore_lines.py has those.
HOSTILE = "gone/\x01\u202e[red] z"


def wizard(stage: Stage, selection: Selection | None = None, hint: str = "") -> RestoreScreen:
    return RestoreScreen(stage.gateway, selection, hint, clock=stage.clock)


async def enter(shown: Shown) -> None:
    """One Enter, alone, after the preview has been there for a moment."""
    await shown.ready()
    shown.key("\r")
    await shown.pilot.pause()
    shown.clock.pass_(SETTLING + 0.01)
    shown.field.tick()
    await shown.settled()


async def type_key(shown: Shown, text: str) -> None:
    shown.raw(text)
    await shown.settled()


async def test_a_key_in_two_enters(small: SmallWorld) -> None:
    await small.collected()
    async with staged(small) as stage:
        async with stage.showing(wizard(stage)) as shown:
            await type_key(shown, "gone/b.txt")
            await shown.press("enter")
            assert "restore key gone/b.txt" in shown.text()
            await enter(shown)
            (started,) = shown.results
        assert stage.intents == [RestoreIntent(Selection(keys=("gone/b.txt",)))]
        outcome = await ended(stage, started)
        assert outcome.exit_code == 0, outcome.tail
        assert outcome.summary is not None
        assert outcome.summary["restored"] == 1
    assert await small.world.keys() == USED.keys() | PROTECTED.keys() | {"gone/b.txt"}
    body, headers = await small.world.contents("gone/b.txt")
    assert (body, headers.metadata) == (FORGOTTEN["gone/b.txt"], HEADERS.metadata)
    done = await small.world.outcomes(outcome.summary["operation_id"])
    assert done == {"gone/b.txt": "restored"}


async def test_a_hostile_key_is_completed_and_restored_exactly(small: SmallWorld) -> None:
    await small.world.put(HOSTILE, b"hostile")
    await small.collected()
    assert HOSTILE not in await small.world.keys()
    async with staged(small) as stage:
        async with stage.showing(wizard(stage)) as shown:
            await type_key(shown, r"gone/\x01")
            await shown.press("tab")
            assert screen_value(shown) == r"gone/\x01\u{202e}[red] z"
            await shown.press("enter")
            await enter(shown)
            (started,) = shown.results
        assert stage.intents == [RestoreIntent(Selection(keys=(HOSTILE,)))]
        assert (await ended(stage, started)).exit_code == 0
    assert (await small.world.contents(HOSTILE))[0] == b"hostile"


def screen_value(shown: Shown) -> str:
    screen = shown.app.screen
    assert isinstance(screen, RestoreScreen)
    return screen.key_input.value


async def test_what_cannot_be_seen_is_never_in_the_input(small: SmallWorld) -> None:
    async with staged(small) as stage, stage.showing(wizard(stage)) as shown:
        shown.paste("a\x1b[31m\u202e\x01b\nrm")
        await shown.settled()
        assert screen_value(shown) == r"a\x1b[31m\u{202e}\x01b"
        assert stage.intents == []


async def test_an_operation_and_a_prefix(small: SmallWorld) -> None:
    operation_id = await small.collected()
    async with staged(small) as stage:
        for text, selection in (
            (f"op:{operation_id}", Selection(operation_id=operation_id)),
            ("prefix:gone/", Selection(prefix="gone/")),
        ):
            async with stage.showing(wizard(stage, hint=text), (100, 40)) as shown:
                keys = FORGOTTEN if text.startswith("op:") else ["gone/a.txt", "gone/b.txt"]
                assert f" {len(keys)} objects, " in shown.text()
                assert {k for k in FORGOTTEN if f"  {k}\n" in shown.text()} == set(keys)
                await enter(shown)
                assert stage.intents.pop() == RestoreIntent(selection)
                await ended(stage, shown.results[0])
    assert await small.world.keys() == USED.keys() | PROTECTED.keys() | FORGOTTEN.keys()


async def test_tab_completes_operations(small: SmallWorld) -> None:
    operation_id = await small.collected()
    async with staged(small) as stage, stage.showing(wizard(stage)) as shown:
        await type_key(shown, "op:")
        await shown.press("tab")
        assert screen_value(shown) == f"op:{operation_id}"


async def test_a_given_selection_is_previewed_at_once(small: SmallWorld) -> None:
    operation_id = await small.collected()
    async with staged(small) as stage:
        screen = wizard(stage, Selection(operation_id=operation_id))
        async with stage.showing(screen) as shown:
            assert " 3 objects, 3.1 KiB" in shown.text()
            await shown.press("escape")
            assert shown.results == [None]
        assert stage.intents == []


async def test_esc_goes_back_a_step_at_a_time(small: SmallWorld) -> None:
    await small.collected()
    async with staged(small) as stage, stage.showing(wizard(stage)) as shown:
        await type_key(shown, "gone/a.txt")
        await shown.press("enter")
        await shown.ready()
        await shown.press("ctrl+o")
        assert "OVERWRITE key gone/a.txt" in shown.text()
        await shown.press("escape")
        assert "restore key gone/a.txt" in shown.text()
        await shown.press("escape")
        assert screen_value(shown) == "gone/a.txt"
        assert "tab  gone/a.txt" in shown.text()
        assert shown.results == []
        await shown.press("escape")
        assert shown.results == [None]
        assert stage.intents == []


async def test_by_default_a_newer_object_stays(small: SmallWorld) -> None:
    await small.collected()
    await small.world.put("gone/a.txt", b"newer")
    async with staged(small) as stage:
        async with stage.showing(wizard(stage, hint="gone/a.txt")) as shown:
            assert "Nothing is overwritten" in shown.text()
            await enter(shown)
        outcome = await ended(stage, shown.results[0])
        assert outcome.summary is not None
        assert outcome.summary["newer-kept"] == 1
    assert (await small.world.contents("gone/a.txt"))[0] == b"newer"


async def test_the_phrase_overwrites(small: SmallWorld) -> None:
    await small.collected()
    await small.world.put("gone/a.txt", b"newer")
    async with staged(small) as stage:
        async with stage.showing(wizard(stage, hint="gone/a.txt")) as shown:
            await shown.ready()
            await shown.press("ctrl+o")
            await shown.ready()
            await shown.type("overwrite 2")
            await shown.press("enter")
            assert stage.intents == []
            await shown.press("backspace")
            await shown.type("1")
            await shown.press("enter")
        assert stage.intents == [RestoreIntent(Selection(keys=("gone/a.txt",)), overwrite=True)]
        assert (await ended(stage, shown.results[0])).exit_code == 0
    assert (await small.world.contents("gone/a.txt"))[0] == FORGOTTEN["gone/a.txt"]


async def test_accidents_restore_nothing(small: SmallWorld) -> None:
    await small.collected()
    async with staged(small) as stage:
        for accident in ACCIDENTS:
            for text in ("x", "gone/a.txt"):
                async with stage.showing(wizard(stage, hint="gone/a.txt")) as shown:
                    await accident(shown, text)
                    await shown.settled()
                    assert [r for r in shown.results if r is not None] == [], accident.__name__
                assert stage.intents == [], accident.__name__


async def test_accidents_overwrite_nothing(small: SmallWorld) -> None:
    await small.collected()
    async with staged(small) as stage:
        for accident in ACCIDENTS:
            async with stage.showing(wizard(stage, hint="gone/a.txt")) as shown:
                await shown.ready()
                await shown.press("ctrl+o")
                await accident(shown, "overwrite 1")
                await shown.settled()
                assert [r for r in shown.results if r is not None] == [], accident.__name__
            assert stage.intents == [], accident.__name__


async def test_typed_ahead_from_the_first_key_restores_nothing(small: SmallWorld) -> None:
    await small.collected()
    async with staged(small) as stage:
        for ahead in ("gone/a.txt\r\r\r\r", "gone/a.txt\r\x0foverwrite 1\r\r"):
            async with stage.showing(wizard(stage)) as shown:
                shown.raw(ahead)
                await shown.settled()
                shown.raw("\r\r")
                await shown.settled()
                assert shown.results == []
            assert stage.intents == []


async def test_a_read_only_session_looks_and_starts_nothing(small: SmallWorld) -> None:
    await small.collected()
    async with staged(small, READ_ONLY) as stage:
        async with stage.showing(wizard(stage, hint="gone/a.txt")) as shown:
            assert " 1 object, 10 B" in shown.text()
            assert "read-only" in shown.text()
            assert shown.field.confirmation.phase is Phase.OPENING
            await shown.press("enter", "ctrl+o", "enter")
            shown.clock.pass_(5)
            await shown.press("enter")
            assert shown.results == []
        assert stage.intents == []


async def test_nothing_found_is_said_and_cannot_be_started(small: SmallWorld) -> None:
    await small.collected()
    async with staged(small) as stage, stage.showing(wizard(stage, hint="nowhere")) as shown:
        assert "the vault holds no backup of that" in shown.text()
        await shown.press("enter", "enter", "escape")
        assert screen_value(shown) == "nowhere"
        assert stage.intents == []


async def test_a_missing_file_is_said(small: SmallWorld) -> None:
    await small.collected()
    vault = small.world.config.vault_path
    async with small.world.collector() as collector:
        async for page in collector.restorable(Selection(keys=("gone/b.txt",))):
            backup = page[0].intent.backup
            assert backup.offset is not None
            (vault / backup.path).chmod(0o600)
            os.truncate(vault / backup.path, backup.offset)
    async with staged(small) as stage:
        async with stage.showing(wizard(stage, hint="prefix:gone/"), (100, 30)) as shown:
            assert "1 of the backup files are missing or cut" in shown.text()
            assert "gone/b.txt  FILE MISSING OR CUT" in shown.text()
        async with stage.showing(wizard(stage, hint="gone/b.txt")) as shown:
            await shown.press("enter")
            assert shown.field.confirmation.phase is Phase.OPENING


async def test_what_is_not_understood_is_said(small: SmallWorld) -> None:
    async with staged(small) as stage, stage.showing(wizard(stage)) as shown:
        await type_key(shown, r"a\q")
        await shown.press("enter")
        assert "a backslash is written as" in shown.text()
        await shown.press("ctrl+u", "enter")
        assert "type a key, prefix:P or op:ID" in shown.text()


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_looks(small: SmallWorld, size: tuple[int, int]) -> None:
    await small.collected()
    small.world.days(3)
    async with staged(small) as stage, stage.showing(wizard(stage), size) as shown:
        assert_golden(f"restore-usage-{size[0]}", shown.text())
        await type_key(shown, "gone")
        assert_golden(f"restore-completion-{size[0]}", shown.text())
        await shown.press("tab", "enter")
        await shown.ready()
        text = shown.text().replace(str(small.cli.config), "FILE")
        assert_golden(f"restore-preview-{size[0]}", text)
        await shown.press("ctrl+o")
        await shown.ready()
        assert_golden(f"restore-overwrite-{size[0]}", shown.text())
