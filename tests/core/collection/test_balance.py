"""Results account for every object of a plan, once; an execution of which that is untrue fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from s3gc_core.actions.executing import OperationSummary
from s3gc_core.bucket import Bucket
from s3gc_core.collection import Execution, execute, imbalance
from s3gc_core.config import Mode
from s3gc_core.errors import ResultsUnbalanced
from s3gc_core.vault import Result
from tests.stories.staging import ORPHANS, USED, backup_files, ready_plan
from tests.world import World


@pytest.mark.parametrize(
    ("planned", "ended", "wrong"),
    [
        ("", "", ""),
        ("ab", "ba", ""),
        ("ab", "a", "1 without a result (b)"),
        ("ab", "abc", "1 with a result too many (c)"),
        ("ab", "aba", "1 with a result too many (a)"),
        # The number alone would be right.
        ("ab", "aa", "1 without a result (b); 1 with a result too many (a)"),
        ("abcde", "", "5 without a result (a, b, c, ...)"),
    ],
)
def test_imbalance(planned: str, ended: str, wrong: str) -> None:
    assert imbalance(planned, ended) == wrong


def check_sum(summary: OperationSummary) -> None:
    """planned = deleted + kept + changed + vanished + failed (+ would-delete)."""
    assert summary.planned == sum(summary.counts.values()) + summary.done_before


async def test_every_way_to_end_is_accounted_for(sqlite_world: World) -> None:
    world = sqlite_world
    plan_id = await ready_plan(world)
    first, second, third, *others = sorted(ORPHANS)
    await world.put(first, b"another body")
    await world.remove(second)
    world.change(exclude_prefixes=(*world.config.exclude_prefixes, third))
    world.change(mode=Mode.AUDIT_ONLY)
    audited = await world.execute(plan_id)
    # Nothing is read from the bucket, so what it holds now is not known.
    assert audited.counts == {"would-delete": len(ORPHANS) - 1, "kept": 1}
    check_sum(audited)
    assert set(await world.outcomes(audited.operation_id)) == ORPHANS
    assert await world.keys() == ORPHANS - {second} | {USED}
    assert backup_files(world) == {}
    world.change(mode=Mode.EXECUTE)
    executed = await world.execute(plan_id)
    check_sum(executed)
    assert await world.outcomes(executed.operation_id) == {
        first: "changed",
        second: "vanished",
        third: "kept",
        **dict.fromkeys(others, "deleted"),
    }
    assert (executed.planned, executed.done_before) == (len(ORPHANS), 0)


async def test_the_books_are_those_of_all_executions_of_a_plan(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    plan_id = await ready_plan(world)
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 1)
    real = Bucket.delete_batch
    asked: list[str] = []

    async def breaks_down(bucket: Bucket, objects: Sequence[tuple[str, str]]) -> object:
        asked.extend(key for key, _ in objects if key in ORPHANS)
        if len(asked) == 2:  # not counting probes
            raise OSError("the second delete breaks down")
        return await real(bucket, objects)

    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "delete_batch", breaks_down)
        with pytest.raises(OSError, match="second delete"):
            await world.execute(plan_id)
    assert len(asked) == 2
    async with world.collector() as collector:
        plan, _ = await collector.plan(plan_id)
        summary = await collector.execute(plan_id, confirm=plan.confirmation)
    assert summary.counts == {"deleted": len(ORPHANS) - 1}
    assert (summary.planned, summary.done_before) == (len(ORPHANS), 1)
    check_sum(summary)


@pytest.mark.parametrize(("mode", "times"), [(Mode.EXECUTE, 0), (Mode.AUDIT_ONLY, 2)])
async def test_a_result_that_is_lost_or_told_twice_fails_loudly(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, times: int, mode: Mode
) -> None:
    world = sqlite_world
    plan_id = await ready_plan(world)
    world.change(mode=mode)
    wrong = min(ORPHANS)
    real = Execution._note

    def note(execution: Execution, results: Sequence[Result]) -> None:
        real(execution, [r for r in results for _ in range(times if r.key == wrong else 1)])

    monkeypatch.setattr(Execution, "_note", note)
    with pytest.raises(ResultsUnbalanced, match=wrong) as failed:
        await world.execute(plan_id)
    assert failed.value.exit_code == 1
    async with world.collector() as collector:
        last = (await collector.audit.operations())[-1]
    assert last.finished is not None
    assert (last.finished.outcome, last.finished.error) == ("failed", "results-unbalanced")
