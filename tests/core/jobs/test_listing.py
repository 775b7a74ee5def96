"""Listing jobs: the right standing at any moment, whatever lies in the folder."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from s3gc_core.errors import NoSuchOperation, VaultUnreachable
from s3gc_core.jobs import (
    Job,
    JobEvent,
    Standing,
    files,
    job_events,
    job_folder,
    list_jobs,
    listing,
    vault_lease,
)
from tests.core.jobs.journals import FIRST, SECOND, begun, job_of, kept, until


def standings(vault: Path) -> dict[str, str]:
    return {job.operation_id: job.standing.value for job in list_jobs(vault)}


def test_a_vault_without_jobs(tmp_path: Path) -> None:
    assert list_jobs(tmp_path) == []
    assert not (tmp_path / "jobs").exists()


async def test_newest_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    names = [f"01AAAAAAAAAAAAAAAAAAAAA{number:03}" for number in (3, 1, 2)]
    for name in names:
        async with kept(tmp_path, name):
            pass
    assert [job.operation_id for job in list_jobs(tmp_path)] == sorted(names, reverse=True)
    assert [job.operation_id for job in list_jobs(tmp_path, 2)] == sorted(names, reverse=True)[:2]


async def test_an_operation_without_the_lease_was_interrupted(tmp_path: Path) -> None:
    files.begin_journal(tmp_path, begun(FIRST))
    assert standings(tmp_path) == {FIRST: "interrupted"}
    async with kept(tmp_path, SECOND):
        assert standings(tmp_path) == {SECOND: "running", FIRST: "interrupted"}
    with vault_lease(tmp_path, FIRST, "scan", "me@here"):
        assert standings(tmp_path) == {SECOND: "ended", FIRST: "running"}


async def test_one_that_ends_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state was read before its end, the lease after: that is no interruption."""
    states = [begun(FIRST), begun(FIRST, outcome="done")]
    files.begin_journal(tmp_path, states[0])
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(listing, "read_state", lambda folder: states.pop(0))
        assert standings(tmp_path) == {FIRST: "ended"}
    assert standings(tmp_path) == {FIRST: "interrupted"}


async def test_no_standing_is_ever_wrong_while_operations_come_and_go(tmp_path: Path) -> None:
    """Two who look all the time see each job run, then ended, and never anything else."""
    seen: list[list[Job]] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(list_jobs(tmp_path))

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for number in range(15):
            async with kept(tmp_path, f"01AAAAAAAAAAAAAAAAAAAAA{number:03}") as journal:
                for phase in range(5):
                    journal.progress(f"phase {phase}", phase)
                    await journal.checkpoint()
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()
    assert len(seen) > 20
    wrong = [
        job
        for jobs in seen
        for job in jobs
        if job.standing not in (Standing.RUNNING, Standing.ENDED) or job.state is None
    ]
    assert wrong == []
    assert {job.standing for jobs in seen for job in jobs} == {Standing.RUNNING, Standing.ENDED}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"operation_id": "x", "what": "sc',
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"operation_id": 7}',
    ],
    ids=range(6),
)
async def test_what_cannot_be_read_is_shown_as_that(tmp_path: Path, content: bytes) -> None:
    async with kept(tmp_path, SECOND):
        pass
    folder = job_folder(tmp_path, FIRST)
    folder.mkdir()
    (folder / "state.json").write_bytes(content)
    unreadable = job_of(tmp_path, FIRST)
    assert unreadable is not None
    assert (unreadable.standing, unreadable.state) == (Standing.UNREADABLE, None)
    assert unreadable.problem
    assert standings(tmp_path)[SECOND] == "ended"
    # The next operation is not disturbed by it either.
    async with kept(tmp_path, "01JJJJJJJJJJJJJJJJJJJJJJJ3") as journal:
        await journal.close_interrupted()
    assert (folder / "state.json").read_bytes() == content


async def test_foreign_files(tmp_path: Path) -> None:
    async with kept(tmp_path, SECOND):
        pass
    jobs = tmp_path / "jobs"
    (jobs / "notes.txt").write_text("mine")
    (jobs / "a folder").mkdir()
    (jobs / f".new-{FIRST}").mkdir()
    (jobs / "start-01AAAAAAAAAAAAAAAAAAAAAAAA.out").write_text("")
    (jobs / FIRST).write_text("a file where a journal would be")
    (jobs / "01JJJJJJJJJJJJJJJJJJJJJJJ0").mkdir()
    (jobs / "01JJJJJJJJJJJJJJJJJJJJJJJ0" / "state.json").mkdir()
    assert standings(tmp_path) == {
        SECOND: "ended",
        FIRST: "unreadable",
        "01JJJJJJJJJJJJJJJJJJJJJJJ0": "unreadable",
        "notes.txt": "unreadable",
        "a folder": "unreadable",
    }
    # However much of it there is, it hides no job of ours.
    assert [job.operation_id for job in list_jobs(tmp_path, 1)] == [SECOND]


async def test_events_that_were_cut_or_garbled(tmp_path: Path) -> None:
    async with kept(tmp_path) as journal:
        await until(lambda: job_events(tmp_path, FIRST).events)
        events = job_folder(tmp_path, FIRST) / "events.jsonl"
        whole = job_events(tmp_path, FIRST)
        with events.open("ab") as file:
            file.write(b'\x00\xff\n{"at": 1}\n\n{"at": "2026-')
        garbled = job_events(tmp_path, FIRST, whole.offset)
        assert (list(garbled.events), garbled.unreadable) == ([], 3)
        # The line that is being written is waited for.
        assert job_events(tmp_path, FIRST, garbled.offset).offset == garbled.offset
        with events.open("ab") as file:
            file.write(b"01\n")
        journal.progress("list", 1)

        def more() -> list[JobEvent]:
            return list(job_events(tmp_path, FIRST, garbled.offset).events)

        assert [event.subject for event in await until(more)] == ["list"]


def test_an_endless_line_is_passed_over(tmp_path: Path) -> None:
    files.begin_journal(tmp_path, begun())
    events = job_folder(tmp_path, FIRST) / "events.jsonl"
    assert job_events(tmp_path, FIRST).offset == 0
    events.write_bytes(b"x" * (listing._EVENT_BYTES + 10) + b"\n")
    first = job_events(tmp_path, FIRST)
    assert (first.offset, first.unreadable) == (listing._EVENT_BYTES, 1)
    last = job_events(tmp_path, FIRST, first.offset)
    assert last.offset == events.stat().st_size


def test_events_of_no_journal(tmp_path: Path) -> None:
    files.begin_journal(tmp_path, begun())
    for name in (SECOND, "..", "", f"../jobs/{FIRST}"):
        with pytest.raises(NoSuchOperation):
            job_events(tmp_path, name)
    (job_folder(tmp_path, FIRST) / "events.jsonl").mkdir()
    with pytest.raises(VaultUnreachable):
        job_events(tmp_path, FIRST)
