"""The dashboard's door: pictures that several screens ask for at once, and what a session may."""

from __future__ import annotations

import asyncio

import pytest

from s3gc_core.collection import Selection
from s3gc_core.errors import NoSuchOperation, ReadOnlySession
from s3gc_core.session import READ_ONLY
from s3gc_tui.models.intents import ApproveIntent, ExecuteIntent, RestoreIntent
from tests.core.jobs.journals import until
from tests.tui.screens.asked import staged
from tests.tui.small_world import SmallWorld


async def test_several_screens_look_at_once(small: SmallWorld) -> None:
    operation_id = await small.collected()
    async with staged(small) as stage:
        for _ in range(3):
            pictures = await asyncio.gather(*(stage.gateway.picture() for _ in range(5)))
            assert {one.problems for one in pictures} == {()}
        last = pictures[-1]
        assert last.vault is not None
        assert last.vault.backups == 3
        assert [one.started.what for one in last.operations] == ["execute", "scan"]
        assert last.operations[0].operation_id == operation_id
        # What has not changed is not read again.
        assert (await stage.gateway.picture()).operations is last.operations
        found = await stage.gateway.job(operation_id)
        assert found is not None
        assert found.operation_id == operation_id
        assert await stage.gateway.job("01KAJ0000000000000000NONE0") is None
        assert (await stage.gateway.operation(operation_id)).operation_id == operation_id
        with pytest.raises(NoSuchOperation):
            await stage.gateway.operation("01KAJ0000000000000000NONE0")


async def test_a_read_only_session_hands_in_nothing(small: SmallWorld) -> None:
    """The gateway refuses, and the core behind it does so by itself."""
    plan_id = await small.approved()
    before = await small.world.keys()
    async with staged(small, READ_ONLY) as stage:
        gateway = stage.gateway
        with pytest.raises(ReadOnlySession):
            gateway.start(ExecuteIntent(plan_id, f"{small.world.config.bucket} 3"))
        with pytest.raises(ReadOnlySession):
            gateway.start(RestoreIntent(Selection(prefix="")))
        with pytest.raises(ReadOnlySession):
            await gateway.decide(ApproveIntent(plan_id, "why"))
        for wish in (gateway.pause, gateway.resume, gateway.cancel):
            with pytest.raises(ReadOnlySession):
                await wish(plan_id)
        # Even a command line that is started past the gateway finds itself read-only.
        program = [*gateway._launch.program, "--batch", "execute", "--plan", plan_id]
        started = gateway._collector.start_job(
            [*program, "--confirm", f"{small.world.config.bucket} 3"]
        )
        await until(lambda: not gateway.outcome(started).running)
        outcome = gateway.outcome(started)
        assert outcome.summary is not None
        assert outcome.summary["error"] == "read-only-session"
        assert outcome.exit_code in (3, None)
    assert await small.world.keys() == before
