"""The grants and the report on a real store: what they show, and revoking by keyboard."""

from __future__ import annotations

import re

import pytest

from s3gc_core.errors import ReadOnlySession
from s3gc_core.judgement import GrantState
from s3gc_core.session import READ_ONLY, UNRESTRICTED
from s3gc_tui.screens.grants import GrantsScreen
from s3gc_tui.screens.report import ReportScreen
from s3gc_tui.screens.revoke import RevokeScreen
from tests.tui.models.hostile import HOSTILE
from tests.tui.screens.asked import SIZES, Stage, assert_golden, staged
from tests.tui.screens.watched import assert_tame_screen, until_text
from tests.tui.small_world import SmallWorld

_ACTOR = re.compile(r"(?<=by )\S+@\S+")
_VARYING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d|\d{4}-\d\d-\d\d")


def screen_of(stage: Stage) -> GrantsScreen:
    return GrantsScreen(stage.gateway, clock=stage.clock)


async def granted(small: SmallWorld, *prefixes: str, reason: str = "left-overs of uploads") -> str:
    async with small.world.collector() as collector:
        made = await collector.grant(
            prefixes=prefixes,
            everything=not prefixes,
            max_objects=5_000,
            max_bytes=20 << 30,
            days=30,
            reason=reason,
        )
    return made.grant.grant_id


def steady(text: str, *ids: str) -> str:
    for number, of_id in enumerate(ids):
        name = f"GRANT{number}".rjust(26, "0")
        text = text.replace(of_id, name).replace(of_id[-6:], name[-6:])
    text = _ACTOR.sub("ops@ops-1", text)
    return _VARYING.sub(lambda found: "~" * len(found.group()), text)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["read-only", "write"])
async def test_golden_of_the_grants(small: SmallWorld, size: tuple[int, int], mode: str) -> None:
    ids = [await granted(small, "gone/", "uploads/"), await granted(small)]
    async with small.world.collector() as collector:
        await collector.revoke_grant(ids[1], reason="too much")
    session = READ_ONLY if mode == "read-only" else UNRESTRICTED
    async with staged(small, session) as stage, stage.showing(screen_of(stage), size) as shown:
        await until_text(shown, "2 grants, 1 valid", "left-overs of uploads")
        assert "x revoke" not in shown.text()
        await shown.press("j")
        text = await until_text(shown, "scope    gone/ uploads/")
        assert ("x revoke" in text) is (mode == "write")
        assert_golden(f"grants-{mode}-{size[0]}", steady(text, *ids))
        assert_tame_screen(shown)


@pytest.mark.parametrize("size", SIZES)
async def test_revoking_takes_a_reason_and_a_phrase(
    small: SmallWorld, size: tuple[int, int]
) -> None:
    other, grant_id = await granted(small, "left/"), await granted(small, "gone/")
    async with staged(small) as stage, stage.showing(screen_of(stage), size) as shown:
        await until_text(shown, "2 grants, 2 valid")
        await shown.press("x")
        await shown.ready()
        assert "Revoked, it covers nothing any more" in shown.text()
        await shown.type("over")
        await shown.press("enter")
        await shown.ready()
        # The id of another grant is no word for this one.
        await shown.type(f"revoke {other[-6:]}")
        await shown.press("enter")
        assert {one.state for one in await stage.gateway.grants()} == {GrantState.VALID}
        await shown.press("ctrl+u")
        await shown.press("escape")
        await until_text(shown, "2 grants, 2 valid")
        await shown.press("x")
        await shown.ready()
        await shown.type("it is over")
        await shown.press("enter")
        await shown.ready()
        assert "reason: it is over" in shown.text()
        assert_golden(f"revoke-{size[0]}", steady(shown.text(), other, grant_id))
        await shown.type(f"revoke {grant_id[-6:]}")
        await shown.press("enter")
        await until_text(shown, "2 grants, 1 valid", f"grant {grant_id} is revoked")
        states = {one.grant.grant_id: one.state for one in await stage.gateway.grants()}
        assert states == {other: GrantState.VALID, grant_id: GrantState.REVOKED}
        await shown.press("x")
        assert isinstance(shown.app.screen, GrantsScreen)


async def test_without_a_grant_it_says_how_to_make_one(small: SmallWorld) -> None:
    async with staged(small) as stage, stage.showing(screen_of(stage)) as shown:
        text = await until_text(shown, "0 grants, 0 valid")
        assert "s3gc grant create --prefix P" in " ".join(text.split())
        await shown.press("x", "j", "enter")
        assert isinstance(shown.app.screen, GrantsScreen)


async def test_a_read_only_session_revokes_nothing(small: SmallWorld) -> None:
    await granted(small, "gone/")
    async with staged(small, READ_ONLY) as stage:
        [standing] = await stage.gateway.grants()
        with pytest.raises(ReadOnlySession):
            RevokeScreen(stage.gateway, standing)
        async with stage.showing(screen_of(stage)) as shown:
            text = await until_text(shown, "1 grant, 1 valid", "needs `s3gc --write`")
            assert "x revoke" not in text
            await shown.press("x")
            assert isinstance(shown.app.screen, GrantsScreen)


async def test_hostile_text_stays_text(small: SmallWorld) -> None:
    for wild in HOSTILE:
        text = wild.encode(errors="replace").decode()
        await granted(small, f"p{text}", reason=f"r{text}")
    async with staged(small) as stage, stage.showing(screen_of(stage)) as shown:
        for _ in HOSTILE:
            assert_tame_screen(shown)
            await shown.press("j")


@pytest.mark.parametrize("size", SIZES)
async def test_golden_of_the_report(small: SmallWorld, size: tuple[int, int]) -> None:
    small.write_config(prices={"STANDARD": 1_000_000.0, "LIST": 1_000.0, "GET": 100.0})
    await small.world.scan()
    await small.planned()
    async with (
        staged(small, READ_ONLY) as stage,
        stage.showing(ReportScreen(stage.gateway), size) as shown,
    ):
        text = await until_text(shown, "3 orphans", "saved a month", "no row was ever seen")
        assert_golden(f"report-{size[0]}", steady(text))
        assert_tame_screen(shown)


async def test_before_the_first_scan_there_is_no_report(small: SmallWorld) -> None:
    async with staged(small) as stage, stage.showing(ReportScreen(stage.gateway)) as shown:
        text = await until_text(shown, "no scan has finished yet", "next:")
        assert "adding up" not in text
        await small.planned()
        await shown.press("r")
        await until_text(shown, "3 orphans")
