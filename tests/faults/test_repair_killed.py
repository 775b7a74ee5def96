"""kill -9 while damaged backups come from the replica: none is worse for it, all are mended."""

from __future__ import annotations

import asyncio
from pathlib import Path

from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.faults.ground import Ground

REPAIR = ("vault", "verify", "--repair")
# In their order: each comes to its instant with what the ones before it have left.
NAMED = (
    "repair-bytes:half:1",
    "rename:before:1",
    # Whole again, and not recorded as repaired.
    "rename:after:1",
    # The last file is the pack, of which the disk still gives some.
    "repair-bytes:half:2",
    # All are whole, and nobody comes to this folder again.
    "repair-tidy:before:1",
)


async def test_killed_while_backups_are_repaired(
    ground: Ground, make_bucket: MakeBucket, seaweed: SeaweedServer
) -> None:
    replica = await make_bucket(seaweed)
    with ground.config.open("a") as config:
        config.write(
            f'''
[replica]
bucket = "{replica.bucket}"
endpoint_url = "{replica.endpoint_url}"
durability = "replica"
'''
        )
    await ground.begin_round()
    await ground.finish_execution()

    await asyncio.to_thread(damage, ground.vault)
    before = await asyncio.to_thread(ground.oracle.damaged)
    assert len(before) > 5
    history = [len(before)]
    for fault in NAMED:
        ended = await ground.children.run(*REPAIR, fault=fault)
        assert ended.killed, f"did not fire: {fault} {ended.returncode} {ended.diagnostics}"
        now = await asyncio.to_thread(ground.oracle.damaged)
        assert now <= before, f"after {fault}: {now - before}"
        before = now
        history.append(len(now))
    assert history[0] > history[-2] > history[-1] == 0, history

    repaired = await ground.children.run(*REPAIR)
    assert (repaired.returncode, repaired.summary["damaged"]) == (0, 0), repaired.lines
    assert repaired.summary["repaired"] == 0
    await asyncio.to_thread(ground.oracle.everything_is_settled)
    await asyncio.to_thread(ground.oracle.the_plan_was_executed, ground.plan_id)
    await ground.finish_restore()


def damage(vault: Path) -> None:
    """A pack with other bytes in its middle, a file cut short, a file of other bytes, one gone."""
    packs = sorted(vault.glob("backups/*/*.tar"))
    loose = sorted(set(vault.glob("backups/*/*")) - set(packs) - set(vault.glob("**/*.jsonl")))
    assert packs
    assert len(loose) >= 4, loose
    for path in packs:
        path.chmod(0o600)
        with path.open("r+b") as pack:
            pack.seek(path.stat().st_size // 4)
            pack.write(bytes(path.stat().st_size // 2))
        path.chmod(0o400)
    with loose[0].open("r+b") as file:
        file.truncate(1000)
    loose[1].write_bytes(bytes(loose[1].stat().st_size))
    loose[2].unlink()
