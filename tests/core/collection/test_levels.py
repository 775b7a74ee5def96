"""Levels of compression in an execution: recorded, told, and no reason to wait for a cancel."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gc_core.collection import backup, execute
from s3gc_core.collection.cores import usable_cores
from s3gc_core.errors import OperationCancelled
from s3gc_core.jobs import EventKind, JobJournal, job_events
from s3gc_core.vault import Intent, Spent, next_level
from tests.core.vault.builders import noise, prose
from tests.stories.staging import USED, go_on, rows, upload, upload_bodies
from tests.world import PLAIN, World

TEXTS = {f"t/{n}.txt": prose(20_000 + n) for n in range(3)}
PHOTO = {"u/photo.jpg": noise(5_000)}
LONG = {"l/long.txt": prose(3 << 20)}


async def planned(world: World, objects: dict[str, bytes], level: int) -> str:
    """A plan of these objects, which no row refers to."""
    await upload_bodies(world, {key: (body, PLAIN) for key, body in objects.items()})
    await upload(world, [USED])
    await rows(world, "files", [USED])
    world.track({"files": ["k"]}, compression_level=level)
    world.days(30)
    plan_id = (await world.scan()).plan_id
    assert plan_id is not None
    return plan_id


async def recorded(world: World, operation_id: str) -> dict[str, str]:
    async with world.collector() as collector:
        return {
            entry.record.key: entry.record.backup.encoding
            async for page in collector.audit.entries(operation_id=operation_id)
            for entry in page
            if isinstance(entry.record, Intent)
        }


@pytest.mark.parametrize(
    ("told", "most"),
    [("150000 100000", 2), ("50000 100000", 1), ("100000 100000\n", 1)],
)
def test_a_container_has_the_cores_that_its_quota_pays_for(
    tmp_path: Path, told: str, most: int
) -> None:
    (tmp_path / "cpu.max").write_text(told)
    everything = usable_cores(tmp_path / "missing")
    assert everything >= 1
    assert usable_cores(tmp_path / "cpu.max") == min(most, everything)
    for unlimited in ("max 100000", "", "odd", "5 0"):
        (tmp_path / "cpu.max").write_text(unlimited)
        assert usable_cores(tmp_path / "cpu.max") == everything


async def test_what_encoding_holds_back_goes_on_at_a_lower_level_and_says_so(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    plan_id = await planned(world, TEXTS | PHOTO, 19)
    monkeypatch.setattr(execute, "BATCH_OBJECTS", 1)
    seen: list[Spent] = []

    def held_back(level: int, spent: Spent, *, cores: int, highest: int, floor: int) -> int:
        seen.append(spent)
        slow = spent._replace(encoding=spent.elapsed * 0.9)
        return next_level(level, slow, cores=cores, highest=highest, floor=floor)

    monkeypatch.setattr(backup, "next_level", held_back)
    done = await world.execute(plan_id)
    assert done.counts == {"deleted": 4}
    assert done.encodings == {"zstd 19": 1, "zstd 15": 1, "zstd 12": 1, "raw": 1}
    assert await recorded(world, done.operation_id) == {
        "t/0.txt": "zstd 19",
        "t/1.txt": "zstd 15",
        "t/2.txt": "zstd 12",
        "u/photo.jpg": "raw",
    }
    assert [spent.objects for spent in seen] == [1, 1, 1, 0]
    assert all(0 < spent.encoding < spent.elapsed for spent in seen[:3])
    events = job_events(world.config.vault_path, done.operation_id).events
    assert [(e.subject, e.reason) for e in events if e.kind is EventKind.ENCODED] == [
        ("at level 15 instead of 19", "everything else waited for the encoder"),
        ("at level 12 instead of 15", "everything else waited for the encoder"),
        ("at level 9 instead of 12", "everything else waited for the encoder"),
    ]
    await world.restore(operation_id=done.operation_id)
    assert {key: (await world.contents(key))[0] for key in TEXTS} == TEXTS


async def test_a_cancel_does_not_wait_for_the_end_of_a_long_object(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    plan_id = await planned(world, LONG, 3)
    calls = 0

    def wished(journal: JobJournal) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OperationCancelled("cancelled by ops@there")

    with monkeypatch.context() as patched:
        patched.setattr(JobJournal, "refuse_if_cancelled", wished)
        # Not the one of the safe point before the batch.
        patched.setattr(JobJournal, "checkpoint", _runs)
        with pytest.raises(OperationCancelled) as cancelled:
            await world.execute(plan_id)
    assert calls == 2
    assert await world.keys() == {*LONG, USED}
    folder = world.config.vault_path / "backups" / str(cancelled.value.operation_id)
    assert [path.name for path in folder.iterdir() if path.suffix != ".jsonl"] == []
    done = await go_on(world, plan_id)
    assert done.counts == {"deleted": 1}
    assert await world.keys() == {USED}


async def _runs(journal: JobJournal, settle: object = None) -> bool:
    return False
