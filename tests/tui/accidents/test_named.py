"""Each thing that must not delete by accident, on the whole dashboard, in a session that may."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual import events

from s3gc_core.errors import ConfigurationError, ExitCode, ReadOnlySession, VaultBusy
from s3gc_core.jobs import vault_lease
from s3gc_core.session import READ_ONLY, READ_ONLY_VARIABLE, UNRESTRICTED, Session
from s3gc_tui import dashboard, terminal
from s3gc_tui.keymap import Keymap
from s3gc_tui.models.confirmation import OPEN_FOR
from s3gc_tui.models.intents import ExecuteIntent
from s3gc_tui.screens.execute import ExecuteScreen
from s3gc_tui.screens.plan import PlanScreen
from s3gc_tui.widgets.line_pane import LinePane
from tests.tui.accidents.generator import NAMED, PRINTABLE, TAILS
from tests.tui.small_world import SmallWorld
from tests.tui.whole import RUNNING, Whole, furnished, opened

_LEAVING = {"ctrl+c", "ctrl+q"}


@asynccontextmanager
async def whole_of(
    small: SmallWorld, session: Session = UNRESTRICTED, *, stays: bool = True, running: bool = False
) -> AsyncIterator[Whole]:
    """The whole dashboard on a fresh world; nothing may have happened when it is left."""
    told = await furnished(small)
    async with opened(small, told, session, stays=stays, running=running) as whole:
        yield whole
        await whole.assert_nothing_happened()


@pytest.fixture(autouse=True)
def own_folder(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is saved lands nowhere else."""
    monkeypatch.chdir(small.cli.folder)


async def each_key(whole: Whole, place: str, *after: str, every: int = 1) -> None:
    """Every key there is (or a sample), followed by others, each time from the place itself."""
    for name in [*PRINTABLE, *(name for name in NAMED if name not in _LEAVING)][::every]:
        if place == "plan" and not isinstance(whole.app.screen, PlanScreen):
            await whole.back_to_main()
            await whole.open_plan()
        if place == "execute" and not isinstance(whole.app.screen, ExecuteScreen):
            await whole.back_to_main()
            await whole.open_execute()
            await whole.ready()
        whole.keys(name) if len(name) == 1 else whole.key(name)
        for one in after:
            whole.keys(one)
        await whole.pilot.pause()
        whole.pass_(0.6)
        assert whole.gateway.executions == [], name


async def test_no_single_key(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        await each_key(whole, "plan")


async def test_no_key_and_enter(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        # A sample: opening the dialog anew for each takes a minute. The fuzz has the others.
        await each_key(whole, "execute", "\r", every=4)


async def test_no_held_key(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        await whole.open_plan()
        # ctrl+x opens the dialog; held on, and Enter held after it.
        for name in ["ctrl+x"] * 20 + ["enter"] * 40:
            whole.key(name, "\r" if name == "enter" else None)
            await whole.pilot.pause()
            whole.pass_(0.03)
        assert isinstance(whole.app.screen, ExecuteScreen)
        await whole.ready()
        for character in [whole.phrase[0]] * 40:
            whole.keys(character)
            whole.pass_(0.03)
        await whole.press("enter")


@pytest.mark.parametrize("ending", ["", "\r", "\n", "\r\n\r\n"])
async def test_no_paste(small: SmallWorld, ending: str) -> None:
    async with whole_of(small) as whole:
        await whole.open_execute()
        await whole.ready()
        whole.paste(whole.phrase + ending)
        whole.pass_(1.0)
        await whole.press("enter")
        assert isinstance(whole.app.screen, ExecuteScreen)
        assert "not yet matching" in whole.app.screen_text()


async def test_no_paste_of_a_terminal_that_does_not_mark_it(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        await whole.open_execute()
        await whole.ready()
        whole.keys(whole.phrase)
        whole.pass_(5.0)
        await whole.press("enter")
        whole.pass_(5.0)
        await whole.press("enter")
        assert isinstance(whole.app.screen, ExecuteScreen)


async def test_no_click(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        await whole.open_execute()
        await whole.ready()
        await whole.type(whole.phrase)
        for y in range(24):
            for x in range(0, 80, 8):
                for kind in (events.MouseDown, events.MouseUp):
                    whole.app.post_message(
                        kind(None, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y)
                    )
            await whole.pilot.pause()
        assert isinstance(whole.app.screen, ExecuteScreen)


async def test_no_split_escape_sequence(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        for number, tail in enumerate(TAILS):
            # The plan's screen only leads to the other one, which asks for the phrase.
            for place in (whole.open_plan, whole.open_execute)[number % 2 :]:
                await whole.back_to_main()
                await place()
                whole.pass_(0.6)
                whole.keys("\x1b")
                await whole.pilot.pause()
                whole.pass_(0.6)
                whole.keys(tail + "\r")
                await whole.pilot.pause()
        assert whole.app.left == []


async def test_no_type_ahead(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        await whole.open_plan()
        whole.keys("\x18" + whole.phrase + "\r")
        await whole.settled()
        whole.keys(whole.phrase + "\r\r")
        await whole.settled()
        assert isinstance(whole.app.screen, ExecuteScreen)


async def test_nothing_in_the_palette(small: SmallWorld) -> None:
    """It offers only what looks, whatever is typed into it, on every screen."""
    async with whole_of(small) as whole:
        for place in (None, whole.open_plan, whole.open_execute):
            await whole.back_to_main()
            if place is not None:
                await place()
            offered = list(whole.app.get_system_commands(whole.app.screen))
            words = " ".join(f"{one.title} {one.help}" for one in offered).lower()
            for word in ("execute", "delete", "restore", "approve", "reject", "cancel", "purge"):
                assert word not in words.split(), (word, place)
            for typed in ("execute", "delete", "plan", "x"):
                whole.app.action_command_palette()
                await whole.pilot.pause()
                whole.keys(typed)
                await whole.settled()
                await whole.press("enter", "enter", "escape", "escape")


@pytest.mark.parametrize("key", ["e", "x", "enter", "space", "delete", "D", "f5", "ctrl+d"])
def test_no_remapped_key(key: str) -> None:
    """What deletes takes chords only, and not those that hands send by habit."""
    with pytest.raises(ConfigurationError, match=r"keys\.execute"):
        Keymap.of({"execute": key})
    assert Keymap.of({"execute": "alt+x"}).keys["execute"] == "alt+x"


async def test_no_row_that_moves_under_the_cursor(small: SmallWorld) -> None:
    """Enter opens what the cursor was on, whatever came above it meanwhile."""
    async with whole_of(small) as whole:
        whole.main.action_pane("jobs")
        await whole.pilot.pause()
        pane = whole.main.query_one("#jobs", LinePane)
        wanted = f"plan {whole.told.plan_id}"
        while pane.cursor_id != wanted:
            before = pane.cursor_id
            await whole.press("j")
            assert pane.cursor_id != before, "the plan is not in the pane"
        at = [one.id for one in pane.lines].index(wanted)
        shown = list(pane.lines)
        pane.show([replace(shown[at], id="plan 01JJJJJJJJJJJJJJJJJJJJJJJ7"), *shown])
        await whole.press("enter")
        screen = whole.app.screen
        assert isinstance(screen, PlanScreen)
        assert screen.plan_id == whole.told.plan_id


async def test_no_stale_context(small: SmallWorld) -> None:
    """The plan expires, the scan grows old: neither executes, and nothing is an orphan."""
    async with whole_of(small) as whole:
        await whole.open_plan()
        small.world.days(2)
        await whole.press("ctrl+x")
        assert isinstance(whole.app.screen, PlanScreen)
        await whole.back_to_main()
        await whole.until(lambda: "STALE" in whole.app.screen_text())
        assert "ORPHAN" not in whole.app.screen_text()
        depth = len(whole.app.screen_stack)
        await whole.press("space", "plus", "a")
        assert len(whole.app.screen_stack) == depth


async def test_no_verdict_that_expired_while_it_was_typed(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        await whole.open_execute()
        await whole.ready()
        await whole.type(whole.phrase)
        small.world.days(2)
        await whole.press("enter")
        assert not isinstance(whole.app.screen, ExecuteScreen)
        assert "expired" in whole.app.screen_text()


async def test_no_dialog_that_was_forgotten(small: SmallWorld) -> None:
    async with whole_of(small) as whole:
        await whole.open_execute()
        await whole.ready()
        await whole.type(whole.phrase)
        whole.pass_(OPEN_FOR)
        await whole.press("enter")
        assert not isinstance(whole.app.screen, ExecuteScreen)


async def test_no_second_session(small: SmallWorld) -> None:
    """Another one decided meanwhile; and while it holds the vault nothing can be executed."""
    async with whole_of(small) as whole:
        await whole.open_execute()
        await whole.ready()
        await whole.type(whole.phrase)
        async with small.world.collector() as other:
            await other.reject(whole.told.plan_id, reason="another person")
        await whole.press("enter")
        assert not isinstance(whole.app.screen, ExecuteScreen)


async def test_the_lease_is_for_one(small: SmallWorld) -> None:
    told = await furnished(small)
    vault = Path(small.world.config.vault_path)
    with vault_lease(vault, "01JJJJJJJJJJJJJJJJJJJJJJJ1", "scan", "me@here"):
        async with small.world.collector() as collector:
            plan, _ = await collector.plan(told.plan_id)
            with pytest.raises(VaultBusy):
                await collector.execute(plan.plan_id, confirm=plan.confirmation)
    assert await small.world.keys() == told.keys


async def test_no_reconnect(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another profile, and a dashboard opened anew, may change nothing until that is asked for."""
    monkeypatch.delenv(READ_ONLY_VARIABLE, raising=False)
    assert dashboard.session_of(None) == READ_ONLY
    asked: list[tuple[str | None, Session]] = []

    async def one(
        config: Path | None, profile: str | None, session: Session
    ) -> tuple[int, str | None]:
        asked.append((profile, session))
        return 0, "other" if len(asked) == 1 else None

    monkeypatch.setattr(dashboard, "_one", one)
    monkeypatch.setattr(terminal, "refuse_what_cannot_draw", lambda _: None)
    args = argparse.Namespace(profile=None, config=None, write=30)
    assert await asyncio.to_thread(dashboard.run_dashboard, args) == 0
    (first, writes), (second, reads) = asked
    assert (first, second) == (None, "other")
    assert writes.may_write
    assert reads == READ_ONLY
    # And what was on the screen before is not there again: no dialog, no typed phrase.
    told = await furnished(small)
    async with opened(small, told, stays=True) as whole:
        await whole.open_execute()
        await whole.ready()
        await whole.type(whole.phrase)
    async with opened(small, told, READ_ONLY, running=True, stays=True) as whole:
        assert whole.app.screen is whole.main
        await whole.press("enter", "enter")
        await whole.assert_nothing_happened()


@pytest.mark.parametrize("way", ["ctrl+q", "ctrl+c", "signal", "escape"])
async def test_no_quitting(small: SmallWorld, way: str) -> None:
    told = await furnished(small)
    async with opened(small, told) as whole:
        await whole.open_execute()
        await whole.ready()
        await whole.type(whole.phrase)
        if way == "signal":
            whole.app._on_signal(ExitCode.HANGUP)
        else:
            whole.key(way)
            whole.key(way)
        if way == "escape":
            await whole.settled()
            assert whole.app.left == []
        assert whole.gateway.executions == []
    assert whole.gateway.executions == []
    assert await small.world.keys() == told.keys


async def test_esc_never_leaves(small: SmallWorld) -> None:
    async with whole_of(small, running=True) as whole:
        for _ in range(3):
            await whole.open_execute()
            for _ in range(6):
                await whole.press("escape")
            assert whole.app.screen is whole.main
        assert whole.app.left == []


async def test_esc_twice_at_once_leaves_one_screen(small: SmallWorld) -> None:
    """As a held esc comes: the second is on its way before the first has left."""
    async with whole_of(small, running=True) as whole:
        main = whole.main
        places: list[Callable[[], object]] = [
            lambda: main.open_detail("late/00.bin"),
            lambda: main.open_thing("operation", whole.told.operation_id),
            lambda: main.open_thing("job", RUNNING),
            lambda: main.open_thing("plan", whole.told.plan_id),
            main.action_help,
            whole.app.action_command_palette,
        ]
        for place in places:
            place()
            await whole.settled()
            assert len(whole.app.screen_stack) == 3
            for _ in range(4):
                whole.key("escape", "\x1b")
            await whole.settled()
            assert whole.app.screen_stack[1:] == [main]
        whole.app.action_command_palette()
        await whole.settled()
        await whole.press("down")
        for _ in range(8):
            whole.key("enter", "\r")
        await whole.settled()
        assert main in whole.app.screen_stack


async def test_no_read_only_session(small: SmallWorld) -> None:
    async with whole_of(small, READ_ONLY) as whole:
        whole.main.open_thing("plan", whole.told.plan_id)
        await whole.settled()
        await whole.press("ctrl+x", "a", "N")
        assert isinstance(whole.app.screen, PlanScreen)
        plan, history = await whole.gateway.plan(whole.told.plan_id)
        with pytest.raises(ReadOnlySession):
            ExecuteScreen(whole.gateway, plan, history)
        # The core refuses too, whoever asks.
        intent = ExecuteIntent(plan.plan_id, plan.confirmation)
        with pytest.raises(ReadOnlySession):
            super(type(whole.gateway), whole.gateway).start(intent)
        with pytest.raises(ReadOnlySession):
            await whole.gateway._collector.execute(plan.plan_id, confirm=plan.confirmation)


async def test_no_write_session_that_is_over(small: SmallWorld) -> None:
    """Over while the phrase is on the screen."""
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    session = Session(now[0] + timedelta(minutes=30), now=lambda: now[0])
    async with whole_of(small, session) as whole:
        await whole.open_execute()
        await whole.ready()
        await whole.type(whole.phrase)
        now[0] += timedelta(minutes=31)
        await whole.press("enter")
        assert not isinstance(whole.app.screen, ExecuteScreen)
        plan, _ = await whole.gateway.plan(whole.told.plan_id)
        with pytest.raises(ReadOnlySession):
            await whole.gateway._collector.execute(plan.plan_id, confirm=plan.confirmation)
        assert await small.world.keys() == whole.told.keys


@pytest.mark.parametrize("mode", ["dry_run", "audit_only"])
async def test_no_mode_that_deletes_nothing(small: SmallWorld, mode: str) -> None:
    told = await furnished(small)
    small.world.track({"users": ["avatar"]}, exclude_prefixes=["backups/"], mode=mode)
    async with opened(small, told, stays=True) as whole:
        whole.main.open_thing("plan", told.plan_id)
        await whole.settled()
        await whole.press("ctrl+x", "enter")
        assert isinstance(whole.app.screen, PlanScreen)
        await whole.assert_nothing_happened()
