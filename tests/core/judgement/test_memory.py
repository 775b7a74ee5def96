"""What the audit log says about plans: each by its own records, all from one reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from s3gc_core.collector import Collector
from s3gc_core.config import Mode
from s3gc_core.judgement import PlanHistory, PlanState, plan_histories, plan_history
from s3gc_core.vault import (
    AuditLog,
    OperationFinished,
    OperationStarted,
    PlanDecided,
    PlanRecorded,
)
from tests.core.judgement.controlled import put, rows
from tests.core.judgement.evidence import NOW, plan
from tests.core.vault.builders import SteppingClock
from tests.world import World


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    opened = await AuditLog.open(tmp_path, SteppingClock())
    yield opened
    await opened.close()


def recorded(plan_id: str, parent: str | None = None) -> PlanRecorded:
    return PlanRecorded(plan_id, f"h-{plan_id}", 1, 1, NOW + timedelta(hours=24), parent)


def decided(plan_id: str, approved: bool, reason: str = "", sha256: str = "") -> PlanDecided:
    return PlanDecided(plan_id, sha256 or f"h-{plan_id}", approved, "me", reason)


def begun(plan_id: str, mode: Mode = Mode.EXECUTE) -> OperationStarted:
    return OperationStarted("execute", "me", mode.value, plan_id)


async def write(log: AuditLog) -> None:
    """Plans with ids that begin alike or stand in each other's records, each with another fate."""
    await log.append("A", [recorded(f"P{n}") for n in (1, 11, 2, 3, 4, 5, 6)])
    await log.append("B", [recorded("P21", parent="P2"), decided("P21", True, '"P1"')])
    await log.append("C", [decided("P3", True), decided("P3", False, "after all")])
    # Of what was approved under another hash, nothing counts.
    await log.append("D", [decided("P4", True, sha256="h-P1")])
    for plan_id in ("P5", "P6", "P11"):
        await log.append("E", [decided(plan_id, True, "yes")])
    await log.append("F", [begun("P5"), OperationFinished("partial")])
    await log.append("G", [begun("P6"), OperationFinished("failed")])
    await log.append("H", [begun("P6")])
    # Neither a refused execution nor one that only records has begun anything.
    await log.append("I", [begun("P11"), OperationFinished("blocked")])
    await log.append("J", [begun("P11", Mode.AUDIT_ONLY), OperationFinished("done")])


EXPECTED = {
    "P": PlanHistory(None, None),
    "P1": PlanHistory("h-P1", None),
    "P11": PlanHistory("h-P11", True, "me", decided_because="yes"),
    "P2": PlanHistory("h-P2", None),
    "P21": PlanHistory("h-P21", True, "me", decided_because='"P1"'),
    "P3": PlanHistory("h-P3", False, "me", decided_because="after all"),
    "P4": PlanHistory("h-P4", None),
    "P5": PlanHistory("h-P5", True, "me", True, True, "yes"),
    "P6": PlanHistory("h-P6", True, "me", True, False, "yes"),
}


async def test_each_plan_has_its_own_history(log: AuditLog) -> None:
    await write(log)
    plans = [plan(plan_id=plan_id, sha256=f"h-{plan_id}") for plan_id in EXPECTED]
    assert await plan_histories(log, plans) == list(EXPECTED.values())
    assert await plan_histories(log, plans[::-1]) == list(EXPECTED.values())[::-1]
    assert [await plan_history(log, one) for one in plans] == list(EXPECTED.values())
    assert await plan_histories(log, []) == []


ASKED: dict[str, Callable[[Collector], Awaitable[object]]] = {
    "plans": Collector.plans,
    "status": Collector.status,
    "approved plan": Collector.approved_plan,
}


async def test_the_log_is_read_as_often_for_many_plans_as_for_one(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    reads: Counter[str] = Counter()
    for name in ("operations", "entries"):
        monkeypatch.setattr(AuditLog, name, counted(name, getattr(AuditLog, name), reads))

    async def read_for(name: str) -> dict[str, int]:
        async with world.collector() as collector:
            reads.clear()
            await ASKED[name](collector)
            return dict(reads)

    await rows(world, "used")
    world.track({"t": ["k"]})
    await put(world, "used", "a", "b", "c")
    world.days(10)
    await world.scan()
    for_one = {name: await read_for(name) for name in ASKED}
    assert all(found["operations"] >= 1 for found in for_one.values())

    made = [(await world.scan()).plan_id for _ in range(4)]
    async with world.collector() as collector:
        assert made[0] is not None
        assert made[1] is not None
        await collector.reject(made[0], reason="a test")
        part = await collector.approve(made[1], reason="a test", keys=["a"])
        await collector.execute(part.plan_id, confirm=part.confirmation)
        states = [history.state for _, history in await collector.plans()]
    assert sorted(states) == sorted([PlanState.PROPOSED] * 4 + [PlanState.REJECTED, "executed"])
    assert {name: await read_for(name) for name in ASKED} == for_one


def counted(name: str, real: Callable[..., object], reads: Counter[str]) -> Callable[..., object]:
    def read(*args: object, **options: object) -> object:
        reads[name] += 1
        return real(*args, **options)

    return read
