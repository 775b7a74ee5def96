"""Processes that are killed while they ship; and then the vault is lost altogether."""

from __future__ import annotations

import asyncio
import shutil

from s3gc_tui.demo.seaweed import SeaweedServer
from tests.conftest import MakeBucket
from tests.faults.children import run_s3gc
from tests.faults.ground import Ground


async def test_killed_while_shipping_and_then_the_vault_is_lost(
    ground: Ground, make_bucket: MakeBucket, seaweed: SeaweedServer
) -> None:
    """In the midst of two batches; nothing is lost by either, nor with the vault."""
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
    for fault in ("replica-put:after:4", "replica-put:before:9"):
        ended = await ground.children.run(*ground.execution, fault=fault)
        assert ended.killed, (ended.returncode, ended.diagnostics)
        await ground.after_kill()
    await ground.finish_execution()

    status = await run_s3gc("status", config=ground.config)
    assert status.summary["replica_behind_records"] == 0, status.summary
    assert status.summary["replica_durability"] == "replica"
    records = status.summary["audit_records"]
    shutil.rmtree(ground.vault)
    rebuilt = await run_s3gc("vault", "rebuild", "--from-replica", config=ground.config)
    assert (rebuilt.returncode, rebuilt.summary["records"]) == (0, records), rebuilt.lines
    chain = await run_s3gc("vault", "audit", "verify", config=ground.config)
    assert chain.summary["replica_saw"] == chain.summary["records"] == records
    sample = await run_s3gc("vault", "verify", "--replica", config=ground.config)
    assert sample.returncode == 0, sample.lines
    assert sample.summary["damaged"] == 0
    nothing = await run_s3gc("vault", "replicate", config=ground.config)
    assert nothing.summary["outcome"] == "nothing-to-do"
    first, *_ = sorted(ground.vault.glob("backups/*/*.tar"))
    first.unlink()
    repair = await run_s3gc("vault", "verify", "--repair", config=ground.config)
    assert (repair.returncode, repair.summary["damaged"]) == (0, 0), repair.lines
    mended = [line for line in repair.lines if line["type"] == "damaged"]
    assert repair.summary["repaired"] == len(mended) > 0
    assert all(line["repaired"] for line in mended)

    # Everything comes back from what the replica gave.
    await asyncio.to_thread(ground.oracle.the_plan_was_executed, ground.plan_id)
    await ground.finish_restore()
