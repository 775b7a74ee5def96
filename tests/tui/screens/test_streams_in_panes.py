"""The main screen of followed databases: it follows by itself where it may, and tells the state."""

from __future__ import annotations

import pytest

from s3gc_core.actions.streams import StreamStatus
from s3gc_core.jobs import FOLLOWER_FILE, vault_lease
from s3gc_core.session import READ_ONLY, UNRESTRICTED
from s3gc_tui.models.intents import FollowIntent
from tests.tui.screens.asked import SIZES
from tests.tui.small_world import SmallWorld
from tests.tui.whole import Told, opened

NOTHING = Told("", "", frozenset())


async def test_a_write_session_follows_where_nobody_does(followed: SmallWorld) -> None:
    async with opened(followed, NOTHING, UNRESTRICTED, size=(160, 48)) as whole:
        assert whole.gateway.intents == [FollowIntent()]
        assert "started: s3gc --config" in whole.app.screen_text()
        assert " --batch follow" in whole.app.screen_text()
        # Once: what ended is not begun again behind anybody's back.
        await whole.press("c")
        await whole.until(lambda: "CHANGE STREAMS" in whole.app.screen_text())
        await whole.press("q", "3", "1")
        assert whole.gateway.intents == [FollowIntent()]


async def test_a_read_only_session_does_not(followed: SmallWorld) -> None:
    async with opened(followed, NOTHING, READ_ONLY) as whole:
        await whole.until(lambda: "stream waiting" in whole.app.screen_text())
        assert whole.gateway.intents == []


@pytest.mark.parametrize(("what", "begun"), [("follow", []), ("scan", [FollowIntent()])])
async def test_one_follower_is_enough(
    followed: SmallWorld, what: str, begun: list[FollowIntent]
) -> None:
    vault = followed.world.config.vault_path
    with vault_lease(vault, "01JJJJJJJJJJJJJJJJJJJJJJJ1", what, "ops", file=FOLLOWER_FILE):
        async with opened(followed, NOTHING) as whole:
            assert whole.gateway.intents == begun


async def test_nothing_is_followed_without_cdc(small: SmallWorld) -> None:
    async with opened(small, NOTHING) as whole:
        assert whole.gateway.intents == []
        assert "cdc off" in whole.app.screen_text().splitlines()[0]
        # And nobody is asked.
        assert whole.gateway.streams._last is None


@pytest.mark.parametrize("size", SIZES, ids=str)
async def test_a_lost_stream_is_said_where_one_looks(
    followed: SmallWorld, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost() -> list[StreamStatus]:
        return [StreamStatus("main", "lost", "the slot \x1b[2J is gone")]

    async with opened(followed, NOTHING, READ_ONLY, size=size) as whole:
        monkeypatch.setattr(whole.gateway._collector, "stream_status", lost)
        whole.gateway.streams.again()
        await whole.until(lambda: "STREAM LOST main: see c" in whole.app.screen_text())
        lines = whole.app.screen_text().splitlines()
        assert "  stream lost: main" in lines[0]
        assert "STREAM LOST main: see c" in lines[-2]
        await whole.press("3")
        assert " STREAM LOST main: the slot \\x1b[2J is gone" in whole.app.screen_text()
        await whole.press("at")
        assert " stream lost main: the slot \\x1b[2J is gone" in whole.app.screen_text()
        # Told once, however often it is looked at.
        await whole.until(lambda: whole.gateway.streams._asking is None)
        assert whole.app.screen_text().count(" stream lost main: ") == 1
        await whole.press("c")
        await whole.until(lambda: "`s3gc follow --reload`" in whole.app.screen_text())
