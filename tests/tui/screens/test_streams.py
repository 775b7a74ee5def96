"""The change streams on a real server: who follows, starting, ending and reloading it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from s3gc_core.errors import ReadOnlySession
from s3gc_core.jobs import FOLLOWER_FILE, LeaseHolder, lease_holder
from s3gc_core.session import READ_ONLY, UNRESTRICTED
from s3gc_tui.models.confirmation import Confirmation
from s3gc_tui.models.intents import FollowIntent
from s3gc_tui.screens.reload import ReloadScreen
from s3gc_tui.screens.streams import StreamsScreen
from tests.core.jobs.journals import until
from tests.tui.screens.accidents import ACCIDENTS
from tests.tui.screens.asked import SECONDS, SIZES, Shown, Stage, assert_golden, read_only, staged
from tests.tui.screens.watched import assert_tame_screen, until_text
from tests.tui.small_world import SmallWorld

_AGES = re.compile(r"(?<=asked )[\d.]+ s")


def screen_of(stage: Stage) -> StreamsScreen:
    return StreamsScreen(stage.gateway, clock=stage.clock)


async def begins_to_follow(shown: Shown) -> None:
    """By its key, where nobody followed before."""
    await until_text(shown, "s follow")
    await shown.press("s")
    await until_text(shown, "following ", "reserved")


def follower(small: SmallWorld) -> LeaseHolder | None:
    """Who holds the streams."""
    return lease_holder(small.world.config.vault_path, FOLLOWER_FILE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["read-only", "write"])
async def test_golden(followed: SmallWorld, size: tuple[int, int], mode: str) -> None:
    session = READ_ONLY if mode == "read-only" else UNRESTRICTED
    async with (
        staged(followed, session, days=0) as stage,
        stage.showing(screen_of(stage), size) as shown,
    ):
        text = await until_text(shown, "not begun", "true for")
        steady = _AGES.sub(lambda found: "~" * len(found.group()), text)
        assert_golden(f"streams-{mode}-{size[0]}", steady)
        assert_tame_screen(shown)


@pytest.mark.parametrize("size", SIZES)
async def test_golden_of_the_dialog(followed: SmallWorld, size: tuple[int, int]) -> None:
    async with (
        staged(followed, days=0) as stage,
        stage.showing(ReloadScreen(stage.gateway, clock=stage.clock), size) as shown,
    ):
        await shown.ready()
        await shown.type("reload")
        command = stage.gateway.batch_line(FollowIntent(reload=True))
        assert command in shown.text()
        assert_golden(f"reload-{size[0]}", shown.text())


async def test_starting_and_ending(followed: SmallWorld) -> None:
    async with staged(followed, days=0) as stage, stage.showing(screen_of(stage)) as shown:
        await until_text(shown, "nobody follows", "s follow")
        assert "x stop" not in shown.text()
        await shown.press("x")
        assert follower(followed) is None
        await shown.press("s")
        await until_text(shown, "following ", "reserved", "everything committed before", "x stop")
        assert stage.intents == [FollowIntent()]
        assert "s follow" not in shown.text()
        assert "started: s3gc --batch follow" in shown.text()
        holder = follower(followed)
        assert holder is not None
        assert f"process {holder.pid} of " in shown.text()
        await shown.press("s")
        assert follower(followed) == holder
        await shown.press("x")
        await until_text(shown, "ended: nobody follows now", "waiting ", "s follow")
        assert follower(followed) is None
    assert stage.intents == [FollowIntent()]


async def test_reloading_ends_the_follower_and_begins_anew(followed: SmallWorld) -> None:
    async with staged(followed, days=0) as stage, stage.showing(screen_of(stage)) as shown:
        await begins_to_follow(shown)
        before = follower(followed)
        slot = await slots(followed)
        assert len(slot) == 1
        await shown.press("l")
        await shown.ready()
        await shown.type(f"reload {followed.world.config.bucket}")
        await shown.press("enter")
        await until_text(shown, "--batch follow --reload")
        await until(lambda: follower(followed) not in (None, before))
        async with asyncio.timeout(SECONDS):
            while True:
                if len(await slots(followed) - slot) == 1:
                    break
                await asyncio.sleep(0.05)
        assert slot & await slots(followed) == set()
        await shown.press("r")
        await until_text(shown, "following ", "reserved", "everything committed before")
        assert stage.intents == [FollowIntent(), FollowIntent(reload=True)]


async def slots(small: SmallWorld) -> set[str]:
    """The replication slots that the server has for the application's database."""
    rows = await small.world.app.execute(
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    )
    return {name for (name,) in rows}


async def test_a_lost_stream_and_why_following_it_ended(followed: SmallWorld) -> None:
    async with staged(followed, days=0) as stage, stage.showing(screen_of(stage)) as shown:
        await begins_to_follow(shown)
        await shown.press("x")
        await until_text(shown, "waiting ")
        for slot in await slots(followed):
            await followed.world.app.execute(f"SELECT pg_drop_replication_slot('{slot}')")
        await shown.press("r")
        await until_text(shown, "missing")
        await shown.press("s")
        text = await until_text(shown, "lost      ", "following ended: ", "nobody follows")
        assert "`s3gc follow --reload` reads the followed tables anew" in text
        picture = await stage.gateway.picture()
        assert [one.database for one in picture.lost_streams] == ["main"]


async def test_a_server_that_does_not_answer(followed: SmallWorld) -> None:
    """What is known without it is shown, and what it says is left open."""
    assert (await followed.world.scan()).blocked == []
    before = followed.world.config.databases
    gone = "postgresql://nobody@127.0.0.1:9/gone"
    followed.write_config(databases=tuple(replace(one, url=gone) for one in before))
    async with (
        staged(followed, READ_ONLY, days=0) as stage,
        stage.showing(screen_of(stage)) as shown,
    ):
        await until_text(shown, "detail ", "waiting ", "everything committed before")
        look = await stage.gateway.streams.ask()
        assert [(one.state, one.bytes) for one in look.streams] == [("waiting", None)]
    followed.world.change(databases=before)


async def test_what_fails_is_a_word(followed: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> None:
        raise OSError(13, "Permission denied")

    async with staged(followed, READ_ONLY, days=0) as stage:
        monkeypatch.setattr(stage.gateway._collector, "stream_status", fails)
        async with stage.showing(screen_of(stage)) as shown:
            await until_text(shown, "not known: Permission denied")


async def test_a_read_only_session_says_why_it_does_nothing(followed: SmallWorld) -> None:
    async with staged(followed, READ_ONLY, days=0) as stage:
        async with stage.showing(screen_of(stage)) as shown:
            await until_text(shown, "this session is read-only", "s3gc --write")
            await shown.press("s", "x", "l")
            assert isinstance(shown.app.screen, StreamsScreen)
            assert "s follow" not in shown.text()
        with pytest.raises(ReadOnlySession):
            ReloadScreen(stage.gateway)
        with pytest.raises(ReadOnlySession):
            stage.gateway.start(FollowIntent())
        with pytest.raises(ReadOnlySession):
            await stage.gateway.streams.stop()
    assert follower(followed) is None


async def test_a_session_whose_time_is_over(followed: SmallWorld) -> None:
    async with staged(followed, days=0) as stage, stage.showing(screen_of(stage)) as shown:
        await until_text(shown, "s follow")
        read_only(stage)
        await shown.press("s", "x", "l")
        assert isinstance(shown.app.screen, StreamsScreen)
    assert follower(followed) is None


async def test_accidents_reload_nothing(followed: SmallWorld) -> None:
    async with staged(followed, days=0) as stage:
        for accident in ACCIDENTS:
            screen = ReloadScreen(stage.gateway, clock=stage.clock)
            async with stage.showing(screen) as shown:
                await accident(shown, f"reload {followed.world.config.bucket}")
                await shown.settled()
                assert [r for r in shown.results if r is not None] == [], accident.__name__
            assert stage.intents == [], accident.__name__


async def test_the_phrase_is_what_keeps_a_word_from_reloading(
    followed: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Confirmation, "matches", property(lambda self: True))
    async with staged(followed, days=0) as stage:
        screen = ReloadScreen(stage.gateway, clock=stage.clock)
        async with stage.showing(screen) as shown:
            await shown.ready()
            await shown.type("xxx")
            await shown.press("enter")
        assert stage.intents == [FollowIntent(reload=True)]
        await until(lambda: follower(followed))


async def test_without_a_database_to_follow(small: SmallWorld) -> None:
    async with staged(small) as stage, stage.showing(screen_of(stage)) as shown:
        await until_text(shown, "no database has cdc = true")
        await shown.press("s", "x", "l")
        assert isinstance(shown.app.screen, StreamsScreen)
        assert stage.intents == []
