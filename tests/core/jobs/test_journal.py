"""The journal: what it shows of a running operation, and that it never endangers it."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import stat
import time
from pathlib import Path

import msgspec
import pytest

from s3gc_core.collector import silent
from s3gc_core.errors import NoSuchKey
from s3gc_core.jobs import (
    KEPT_EVENTS_PER_OUTCOME,
    KEPT_JOURNALS,
    EventKind,
    JobEvents,
    JobJournal,
    JobState,
    Standing,
    files,
    job_events,
    job_folder,
    journal,
    list_jobs,
    vault_lease,
)
from tests.core.jobs.journals import FIRST, SECOND, begun, job_of, kept, until, until_job


def state_of(vault: Path, operation_id: str = FIRST) -> JobState:
    return msgspec.json.decode(
        (job_folder(vault, operation_id) / "state.json").read_bytes(), type=JobState
    )


def told(vault: Path, operation_id: str = FIRST) -> list[tuple[str, str]]:
    return [(event.kind.value, event.subject) for event in job_events(vault, operation_id).events]


async def test_what_is_told_is_shown(tmp_path: Path) -> None:
    watched: list[tuple[str, int, int | None]] = []

    def watcher(phase: str, done: int, total: int | None = None) -> None:
        watched.append((phase, done, total))

    with vault_lease(tmp_path, FIRST, "scan", "me@here"):
        async with JobJournal.open(tmp_path, begun(arguments={"to": "x"}), watcher) as kept_one:
            kept_one.progress("list", 10)
            kept_one.progress("list", 20)
            kept_one.progress("judge", 1, 4)
            kept_one.step("back up")
            kept_one.tally({"deleted": 3}, backed_up=30)
            kept_one.tally({"deleted": 4, "kept": 1}, deleted=20)
            seen = await until_job(
                tmp_path, lambda job: job.state is not None and job.state.counts != {}
            )
            assert seen.standing is Standing.RUNNING
            assert seen.state is not None
            assert [(p.name, p.done, p.total, p.ended_at is None) for p in seen.state.phases] == [
                ("list", 20, None, False),
                ("judge", 1, 4, True),
            ]
            assert seen.state.counts == {"deleted": 4, "kept": 1}
            assert seen.state.bytes == {"backed_up": 30, "deleted": 20}
            assert (seen.state.step, seen.state.arguments) == ("back up", {"to": "x"})
            assert (seen.state.pid, seen.state.outcome) == (os.getpid(), None)
            kept_one.finish("partial", {"deleted": 5}, "some-error")
    assert watched == [("list", 10, None), ("list", 20, None), ("judge", 1, 4)]
    ended = state_of(tmp_path)
    assert (ended.outcome, ended.error, ended.counts) == ("partial", "some-error", {"deleted": 5})
    assert ended.ended_at is not None
    assert all(phase.ended_at is not None for phase in ended.phases)
    assert ended.step == ""
    assert ended.ended_at.utcoffset() is not None
    assert told(tmp_path) == [
        ("began", "scan"),
        ("phase", "list"),
        ("phase", "judge"),
        ("ended", "partial"),
    ]


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    async with kept(tmp_path):
        pass
    folder = job_folder(tmp_path, FIRST)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {FIRST: 0o700, "state.json": 0o600, "events.jsonl": 0o600}
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


async def test_a_heartbeat_while_nothing_moves(tmp_path: Path) -> None:
    async with kept(tmp_path):
        first = state_of(tmp_path).heartbeat_at
        await until(lambda: (state_of(tmp_path).heartbeat_at - first).total_seconds() > 1.5)


async def test_written_at_most_twice_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often something moves; but a new phase is shown at once."""
    writes: list[float] = []
    replace = files.replace_file

    def counted(path: Path, content: bytes) -> None:
        writes.append(time.monotonic())
        replace(path, content)

    monkeypatch.setattr(journal, "replace_file", counted)
    async with kept(tmp_path) as kept_one:
        kept_one.progress("list", 0)
        await until(lambda: [p.name for p in state_of(tmp_path).phases] == ["list"])
        writes.clear()
        began = time.monotonic()
        done = 0
        while time.monotonic() - began < 1.8:
            done += 1
            kept_one.progress("list", done)
            await asyncio.sleep(0.001)
        moving = len(writes)
        kept_one.progress("judge", 0)
        await until(lambda: len(state_of(tmp_path).phases) == 2)
        assert writes[moving] - began < 1.8 + 0.4
    assert 2 <= moving <= 4


@pytest.mark.parametrize(
    ("raised", "outcome", "error"),
    [
        (NoSuchKey("k"), "failed", "no-such-key"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
        (asyncio.CancelledError(), "cancelled", None),
    ],
)
async def test_an_end_that_nobody_declared(
    tmp_path: Path, raised: BaseException, outcome: str, error: str | None
) -> None:
    with pytest.raises(type(raised)):
        async with kept(tmp_path):
            raise raised
    assert (state_of(tmp_path).outcome, state_of(tmp_path).error) == (outcome, error)


async def test_objects_are_told_up_to_a_bound(tmp_path: Path) -> None:
    async with kept(tmp_path) as kept_one:
        for number in range(KEPT_EVENTS_PER_OUTCOME + 5):
            kept_one.object_ended("failed", f"k{number}", "why " + "y" * 10_000)
        kept_one.object_ended("changed", "other\udc80", "an overwrite")
    objects = [e for e in job_events(tmp_path, FIRST).events if e.kind is EventKind.OBJECT]
    assert [(event.subject, event.key) for event in objects] == [
        *(("failed", f"k{number}") for number in range(KEPT_EVENTS_PER_OUTCOME)),
        ("changed", "other\\udc80"),
    ]
    assert len(objects[0].reason) < 600
    assert objects[-1].reason == "an overwrite"


async def test_a_full_disk_is_warned_about_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, content: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with caplog.at_level(logging.WARNING, "s3gc"):
        async with kept(tmp_path) as kept_one:
            with monkeypatch.context() as broken:
                broken.setattr(journal, "replace_file", full)
                broken.setattr(journal, "append_events", full)
                for number in range(3):
                    kept_one.progress(f"phase {number}", 0)
                    await until(lambda: not kept_one._events)
            assert await kept_one.checkpoint() is False
    assert [record.getMessage().count("journal_not_written") for record in caplog.records] == [1]
    assert "No space left" in caplog.text
    # There was room again for its end.
    assert state_of(tmp_path).outcome == "done"


async def test_a_journal_that_cannot_be_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "jobs").write_text("no folder")
    with caplog.at_level(logging.WARNING, "s3gc"):
        async with kept(tmp_path) as kept_one:
            kept_one.progress("list", 1)
            await kept_one.close_interrupted()
            # Nobody can wish anything where there is no journal: it must not wait for ever.
            assert await asyncio.wait_for(kept_one.checkpoint(), 30) is False
    assert [record.getMessage().count("journal_not_written") for record in caplog.records] == [1]
    assert (tmp_path / "jobs").read_text() == "no folder"


async def test_only_the_last_journals_are_kept(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    olds = [f"01AAAAAAAAAAAAAAAAAAAAA{number:03}" for number in range(KEPT_JOURNALS + 5)]
    for name in olds:
        (jobs / name).mkdir()
        (jobs / name / "state.json").write_text("{}")
    (jobs / f".new-{SECOND}").mkdir()
    foreign = {"a file", "start-01AAAAAAAAAAAAAAAAAAAAAAAA.out"}
    for name in foreign:
        (jobs / name).write_text("")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("")
    (jobs / "00AAAAAAAAAAAAAAAAAAAAAAAA").symlink_to(outside)
    async with kept(tmp_path):
        pass
    left = {path.name for path in jobs.iterdir()}
    kept_ones = {*olds[-(KEPT_JOURNALS - 1) :], FIRST}
    assert left == kept_ones | foreign | {"00AAAAAAAAAAAAAAAAAAAAAAAA"}
    assert len(kept_ones) == KEPT_JOURNALS
    assert (outside / "precious").exists()


async def test_earlier_journals_without_an_end_get_theirs(tmp_path: Path) -> None:
    async with JobJournal.open(tmp_path, begun(SECOND), silent):
        pass
    died = begun(FIRST)
    files.begin_journal(tmp_path, died)
    (job_folder(tmp_path, "01JJJJJJJJJJJJJJJJJJJJJJJ0")).mkdir()
    third = "01JJJJJJJJJJJJJJJJJJJJJJJ3"
    async with kept(tmp_path, third) as kept_one:
        await kept_one.close_interrupted()
        assert state_of(tmp_path, FIRST).outcome == "interrupted"
        assert state_of(tmp_path, FIRST).ended_at == died.heartbeat_at
        assert state_of(tmp_path, SECOND).outcome == "done"
        assert state_of(tmp_path, third).outcome is None
    ended = job_of(tmp_path, FIRST)
    assert ended is not None
    assert ended.standing is Standing.ENDED


async def test_events_are_read_on_from_where_one_was(tmp_path: Path) -> None:

    def new_since(offset: int) -> JobEvents | None:
        new = job_events(tmp_path, FIRST, offset)
        return new if new.events else None

    async with kept(tmp_path) as kept_one:
        first = await until(lambda: new_since(0))
        assert [event.kind for event in first.events] == [EventKind.BEGAN]
        kept_one.progress("list", 1)
        second = await until(lambda: new_since(first.offset))
        assert [event.subject for event in second.events] == ["list"]
        assert list(job_events(tmp_path, FIRST, second.offset).events) == []
    assert list_jobs(tmp_path)[0].standing is Standing.ENDED
