"""The three modes: dry_run refuses, audit_only writes down what it would delete, execute does."""

from __future__ import annotations

import pytest

from s3gc_core.config import Mode
from s3gc_core.errors import DryRunRefused
from s3gc_core.vault import Intent, Result
from tests.stories.staging import (
    backup_files,
    before_reading,
    picture,
    rows,
    stored_backups,
    upload,
)
from tests.world import World

ORPHANS = {"p/a.jpg", "p/b.jpg", "p/c.jpg"}


async def deletions_recorded(world: World) -> dict[str, list[str]]:
    """For each key, the kinds of records and outcomes that speak of its deletion."""
    found: dict[str, list[str]] = {}
    async with world.collector() as collector:
        async for page in collector.audit.entries(kinds=["intent", "result"]):
            for entry in page:
                if isinstance(entry.record, Intent):
                    found.setdefault(entry.record.key, []).append("intent")
                elif isinstance(entry.record, Result):
                    found.setdefault(entry.record.key, []).append(entry.record.outcome.value)
    return found


async def test_one_plan_in_the_three_modes(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    await upload(world, ORPHANS | {"p/used.jpg"})
    await rows(world, "files", ["p/used.jpg"])
    world.track({"files": ["k"]}, mode="dry_run")
    before = await picture(world)
    world.days(10)
    summary = await world.scan()
    assert summary.plan_id is not None
    assert await world.verdicts() == dict.fromkeys(ORPHANS, "orphan")

    # dry_run: refused although approved and confirmed; the refusal is on record.
    with pytest.raises(DryRunRefused):
        await world.execute(summary.plan_id)
    assert await picture(world) == before
    assert backup_files(world) == {}
    assert await deletions_recorded(world) == {}
    async with world.collector() as collector:
        last = (await collector.audit.operations())[-1]
    assert last.finished is not None
    assert (last.started.what, last.started.mode) == ("execute", "dry_run")
    assert (last.finished.outcome, last.finished.error) == ("blocked", "dry-run-refused")

    # audit_only: judged again, written down object by object, nothing touched, nothing backed up.
    world.change(mode=Mode.AUDIT_ONLY)

    async def one_comes_into_use() -> None:
        await world.app.execute("INSERT INTO files VALUES (2, 'p/c.jpg')")

    with monkeypatch.context() as patched:
        before_reading(patched, one_comes_into_use)
        audited = await world.execute(summary.plan_id)
    assert (audited.outcome, audited.bytes) == ("done", 0)
    assert audited.counts == {"would-delete": 2, "kept": 1}
    would = {"p/a.jpg": "would-delete", "p/b.jpg": "would-delete", "p/c.jpg": "kept"}
    assert await world.outcomes(audited.operation_id) == would
    assert await deletions_recorded(world) == {key: [outcome] for key, outcome in would.items()}
    assert await picture(world) == before
    assert backup_files(world) == {}

    # execute: the same plan, for it was not executed yet.
    world.change(mode=Mode.EXECUTE)
    executed = await world.execute(summary.plan_id)
    assert executed.counts == {"deleted": 2, "kept": 1}
    assert await world.outcomes(executed.operation_id) == {
        "p/a.jpg": "deleted",
        "p/b.jpg": "deleted",
        "p/c.jpg": "kept",
    }
    assert await picture(world) == {key: before[key] for key in ("p/c.jpg", "p/used.jpg")}
    assert await deletions_recorded(world) == {
        "p/a.jpg": ["would-delete", "intent", "deleted"],
        "p/b.jpg": ["would-delete", "intent", "deleted"],
        "p/c.jpg": ["kept", "intent", "kept"],
    }
    assert len(stored_backups(world)) == 3


async def test_dry_run_is_the_default(sqlite_world: World) -> None:
    assert sqlite_world.config.mode is Mode.DRY_RUN
