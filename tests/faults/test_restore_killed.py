"""kill -9 during a restore: what was written stays, what was not is written by the next one."""

from __future__ import annotations

import random

from tests.faults.ground import Ground

NAMED = (
    "audit-append:before:1",
    "audit-append:after:1",
    "audit-append:after:2",
    "audit-rows:after:2",
    "audit-rows:after:3",
    "head:after:3",
    "put:before:1",
    "put:after:1",
    "put:after:3",
    "compare:before:1",
    "compare:after:2",
    "audit-append:before:3",
    "audit-append:after:3",
)
RANDOM = 5
KILLS = len(NAMED) + RANDOM
SEED = 20261122


async def test_killed_during_restore(ground: Ground) -> None:
    chance = random.Random(SEED)
    await ground.begin_round()
    await ground.finish_execution()
    left_in_vault = [len(ground.orphans)]
    for fault in NAMED:
        ended = await ground.children.run(*ground.restoring, fault=fault)
        assert ended.killed, f"did not fire: {fault}"
        left_in_vault.append((await ground.after_kill()).only_in_vault)
    # Nothing that came back goes away again, and the restores did come forward.
    assert left_in_vault == sorted(left_in_vault, reverse=True)
    assert 0 < left_in_vault[-1] < len(ground.orphans)
    whole = await ground.finish_restore()

    kills: list[float] = []
    while len(kills) < RANDOM:
        await ground.begin_round()
        await ground.finish_execution()
        while len(kills) < RANDOM:
            delay = chance.uniform(0, whole)
            ended = await ground.children.run(*ground.restoring, kill_after=delay)
            if not ended.killed:
                assert ended.returncode == 0, (ended.lines, ended.diagnostics)
                break
            kills.append(delay)
            await ground.after_kill()
        await ground.finish_restore()
