"""A delete that is still on its way when its process dies, and arrives after recovery looked."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.faults.children import until_stopped
from tests.faults.ground import BATCH_OBJECTS, Ground
from tests.faults.proxied import Proxied
from tests.servers.proxy import Exchange

SECONDS = 30


@pytest.mark.parametrize("selected", ["by key", "everything"])
async def test_what_a_late_delete_took_can_be_restored(proxied: Proxied, selected: str) -> None:
    """Recovery finds the objects untouched, and then they go: their backups must still count."""
    ground = proxied.ground
    await ground.begin_round()
    arrived, released = asyncio.Event(), asyncio.Event()

    async def hold(exchange: Exchange) -> None:
        arrived.set()
        await released.wait()

    proxied.at_delete(2, hold)
    running, ending = await ground.children.begin(*ground.execution)
    async with asyncio.timeout(SECONDS):
        await arrived.wait()
    running.send(signal.SIGKILL)
    assert (await ending).killed
    assert (await ground.after_kill()).only_in_vault == 0

    # The next execution has recovered, and has not backed up anything yet.
    running, ending = await ground.children.begin(
        *ground.execution, fault="make-folder:before:1:SIGSTOP"
    )
    await until_stopped(running.pid)
    assert (await ground.after_kill()).only_in_vault == 0
    released.set()
    taken = await _arrived(ground)
    assert len(taken) == BATCH_OBJECTS
    running.send(signal.SIGCONT)
    ended = await ending
    assert ended.returncode == 0, ended.diagnostics
    assert await asyncio.to_thread(ground.oracle.keys) == set(ground.objects) - ground.orphans
    await ground.after_kill()
    await asyncio.to_thread(ground.oracle.everything_is_settled)

    if selected == "by key":
        named = [word for key in sorted(taken) for word in ("--key", key)]
        assert (await ground.children.run("restore", *named)).returncode == 0
        assert taken <= await asyncio.to_thread(ground.oracle.keys)
    await ground.finish_restore()


async def _arrived(ground: Ground) -> set[str]:
    """Poll until the held delete has been done; the keys that it took."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SECONDS
    while True:
        gone = set(ground.objects) - await asyncio.to_thread(ground.oracle.keys)
        if len(gone) >= BATCH_OBJECTS:
            return gone
        assert loop.time() < deadline, "the delete did not arrive"
        await asyncio.sleep(0.05)
