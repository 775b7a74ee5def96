"""kill -9 during an execution: at every named step, and at random instants.

After each kill the witness looks; then a fresh process goes on with the same plan, and is killed
in its turn, until one comes to the end. Then everything is restored, and the next round begins.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.faults.ground import Ground
from tests.faults.oracle import PromiseBroken

# Each line is a chain: what comes later needs what the kill before it left behind.
NAMED = (
    # The records: before, within and after their transaction.
    *((f"audit-append:{when}:{n}",) for n in (1, 2, 3, 4, 5) for when in ("before", "after")),
    *((f"audit-rows:after:{n}",) for n in (1, 2, 3, 4)),
    # The files.
    ("make-folder:before:1",),
    ("make-folder:after:1",),
    ("write:before:1",),
    ("write:after:2",),
    ("close:before:2",),
    ("close:after:1",),
    ("close:after:5",),
    ("settle:before:1",),
    ("settle:before:2",),
    ("settle:after:1",),
    ("settle:after:2",),
    ("fsync:before:2",),
    ("fsync:before:5",),
    ("fsync:after:6",),
    ("rename:before:1",),
    ("rename:after:1",),
    ("rename:after:2",),
    ("rename:before:5",),
    ("verify:before:1",),
    ("verify:after:2",),
    ("verify:after:3",),
    # The packs: torn while it is written, whole but not recorded, and in recovery.
    ("pack-bytes:before:1",),
    ("pack-bytes:half:1",),
    ("pack-bytes:half:2", "pack-bytes:half:1"),
    ("pack-bytes:after:2",),
    ("pack-sync:before:1",),
    ("pack-sync:after:1",),
    ("pack-sync:after:3", "pack-end:before:1", "pack-cut:after:1", "pack-bytes:half:1"),
    ("read-back:before:1",),
    ("read-back:after:2", "pack-sealed:before:1", "pack-sealed:after:1"),
    ("pack-end:after:1",),
    # The manifest: by the operation itself, and by recovery.
    ("manifest:before:1", "manifest:before:1"),
    ("manifest-bytes:half:2", "manifest-bytes:after:2"),
    ("manifest:after:1",),
    ("probe-delete:before:1",),
    ("judge-again:before:1",),
    ("judge-again:after:1",),
    ("judge-again:before:2",),
    ("judge-again:after:2",),
    ("put:after:1",),
    ("delete:before:1",),
    ("delete:after:1",),
    ("delete:before:2",),
    ("delete:after:2",),
    ("delete:before:3",),
    ("delete:after:3",),
    # Recovery itself, with something to recover.
    ("judge-again:before:1", "head:before:2", "classify:before:1", "classify:after:2"),
    ("delete:after:2", "classify:after:1", "audit-append:after:1", "audit-append:before:1"),
    ("settle:after:1", "remove-stray:before:1", "remove-stray:after:1"),
    # The anchors: before the deletes of a batch, and at the very end of the operation.
    ("anchor:before:1",),
    ("anchor-line:before:1",),
    ("anchor-line:half:1",),
    ("anchor-line:after:1",),
    ("anchor:after:1",),
    ("anchor:before:11",),
)
# With equal bytes stored once, and all of them there from an earlier plan.
STORED_ONCE = (
    ("reused:before:1",),
    ("reused:after:2",),
    ("link:before:2",),
    ("link:after:1", "remove-stray:before:1", "remove-stray:after:1"),
    ("audit-append:after:3",),
    ("delete:after:2", "classify:after:1"),
)
NAMED_KILLS = sum(map(len, NAMED))
RANDOM_KILLS = 25
SEED = 20261121


def test_there_are_enough_kills() -> None:
    from tests.faults import test_restore_killed, test_scan_killed

    assert test_restore_killed.KILLS >= 10
    assert test_scan_killed.KILLS >= 5
    assert NAMED_KILLS + RANDOM_KILLS + test_restore_killed.KILLS + test_scan_killed.KILLS >= 100


async def test_the_witness_is_content_with_a_life_that_nobody_disturbs(ground: Ground) -> None:
    await ground.begin_round()
    assert (await ground.after_kill()).only_in_vault == 0
    await ground.finish_execution()
    assert (await ground.after_kill()).only_in_vault == len(ground.orphans)
    await ground.finish_restore()


async def test_killed_at_each_named_step(ground: Ground) -> None:
    """A chain whose instant lies behind the end of the plan is begun again with the next plan."""
    await ground.begin_round()
    killed: list[str] = []
    for chain in NAMED:
        fired = await _kill_along(ground, chain)
        if fired < len(chain):
            await ground.end_round()
            await ground.begin_round()
            fired = await _kill_along(ground, chain)
        assert fired == len(chain), f"did not fire: {chain[fired]} of {chain}"
        killed.extend(chain)
    assert len(killed) == NAMED_KILLS
    await ground.end_round()


async def test_killed_while_equal_bytes_are_stored_once(ground: Ground) -> None:
    """First what is there twice in one plan; then a plan of which all is there."""
    ground.store_once(True)
    await ground.begin_round()
    for fault in ("reused:after:3", "link:after:1"):
        assert await _kill_along(ground, (fault,)) == 1, fault
    await ground.end_round()
    await ground.begin_round()
    for chain in STORED_ONCE:
        assert await _kill_along(ground, chain) == len(chain), chain
    await ground.end_round()


async def test_killed_while_backups_are_encrypted(ground: Ground) -> None:
    """Everything goes through the same steps; the witness decrypts by the key of the recipient."""
    ground.encrypt()
    await ground.begin_round()
    for fault in ("close:after:1", "pack-bytes:half:1", "read-back:before:1", "verify:after:1"):
        assert await _kill_along(ground, (fault,)) == 1, fault
    await ground.end_round()


async def _kill_along(ground: Ground, chain: tuple[str, ...]) -> int:
    """How many of the chain's faults fired before the plan came to its end."""
    for fired, fault in enumerate(chain):
        ended = await ground.children.run(*ground.execution, fault=fault)
        if not ended.killed:
            ground.check_executed(ended)
            return fired
        try:
            await ground.after_kill()
        except PromiseBroken as broken:
            broken.add_note(f"killed at {fault}")
            raise
    return len(chain)


async def test_killed_at_random_instants(ground: Ground) -> None:
    """Kills that come too late do not count; the delays spread over a whole execution."""
    chance = random.Random(SEED)
    whole, batches = await _calibrated(ground)
    begun = whole - batches
    pace = 1.0  # how slow the machine is now, against the run that was measured
    kills: list[tuple[float, int]] = []
    while len(kills) < RANDOM_KILLS:
        await ground.begin_round()
        deleted = 0
        while len(kills) < RANDOM_KILLS:
            # Every start connects, recovers and asks first; most kills shall come after that, and
            # early enough that several fit between the beginning and the end of one plan.
            middle = (begun, begun + batches / 2)
            anywhere = ((0.0, whole), (begun, whole), middle, middle)
            # The first dies before it has deleted anything; after that it is chance.
            delay = chance.uniform(*chance.choice(anywhere if kills else ((0.0, begun / 2),)))
            after = round(pace * delay, 3)
            ended = await ground.children.run(*ground.execution, kill_after=after)
            try:
                seen = await ground.after_kill()
            except PromiseBroken as broken:
                broken.add_note(f"seed {SEED}, kill {len(kills) + 1} after {after} s")
                raise
            if not ended.killed:
                ground.check_executed(ended)
            if await asyncio.to_thread(ground.oracle.has_ended, ground.plan_id):
                pace *= 0.9
                break
            assert ended.killed
            kills.append((after, seen.only_in_vault))
            if delay > begun and seen.only_in_vault == deleted:
                pace *= 1.1
            deleted = seen.only_in_vault
        await ground.end_round()
    told = (
        f"seed {SEED}, whole {whole:.3f} s, batches {batches:.3f} s, "
        f"(delay, objects deleted): {kills}"
    )
    print(told)  # noqa: T201 - pytest shows it where something fails
    # Some died before the first delete, some in the first half of the plan, some in the second.
    halves = {(2 * deleted - 1) // len(ground.orphans) for _, deleted in kills}
    assert halves >= {-1, 0, 1}, told


async def _calibrated(ground: Ground) -> tuple[float, float]:
    """Seconds of an uninterrupted execution, and of its batches; the first one only warms up."""
    for _ in range(2):
        await ground.begin_round()
        whole = await ground.finish_execution()
        batches = await asyncio.to_thread(ground.oracle.seconds_of_batches, ground.plan_id)
        await ground.finish_restore()
    return whole, batches


@pytest.mark.parametrize(
    ("wrong", "fault", "broken"),
    [
        ("delete-before-commit", "audit-append:before:3", "deleted without a recorded backup"),
        ("record-before-rename", "rename:before:1", "a recorded backup is not there"),
        # The syncs: after the records of the start and the probe, the pack's own, and the one after
        # its record.
        ("record-before-pack", "pack-sync:before:4", "has another size than recorded"),
    ],
)
async def test_the_witness_notices_a_wrong_order(
    ground: Ground, wrong: str, fault: str, broken: str
) -> None:
    """The negative control: without it, green proves nothing."""
    await ground.begin_round()
    ended = await ground.children.run(*ground.execution, fault=fault, wrong=wrong)
    assert ended.killed
    with pytest.raises(PromiseBroken, match=broken):
        await ground.after_kill()


async def test_the_same_kill_without_the_wrong_order_is_harmless(ground: Ground) -> None:
    await ground.begin_round()
    for fault in ("audit-append:before:3", "rename:before:1", "pack-sync:before:3"):
        assert (await ground.children.run(*ground.execution, fault=fault)).killed
        await ground.after_kill()


async def test_the_next_scan_knows_what_a_killed_execution_deleted(ground: Ground) -> None:
    """Its counts died with it; `listing-incomplete` must not trip over what we deleted."""
    await ground.begin_round()
    assert (await ground.children.run(*ground.execution, fault="delete:after:8")).killed
    assert (await ground.after_kill()).only_in_vault == 8 * 3
    await ground.finish_execution()
    scanned = await ground.children.run("scan")
    assert scanned.summary["blocked"] == []
    assert scanned.returncode == 0
    assert scanned.summary["listed"] == len(ground.objects) - len(ground.orphans)


@pytest.mark.parametrize("fault", ["put:after:1", "probe-delete:before:1"])
async def test_no_probe_stays_behind(ground: Ground, fault: str) -> None:
    """Whoever dies while it asks the store questions leaves its probe; the next one cleans up."""
    await ground.begin_round()
    assert (await ground.children.run(*ground.execution, fault=fault)).killed
    await ground.finish_execution()
    left = await asyncio.to_thread(ground.store.listed)
    assert left == set(ground.objects) - ground.orphans
