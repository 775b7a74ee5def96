"""Starting processes: detached, reaped, their output kept and read."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from s3gc_core.errors import JobNotStarted, VaultUnreachable
from s3gc_core.jobs import KEPT_OUTPUTS, JobOutcome, StartedJob, job_outcome, list_jobs, start_job
from tests.core.jobs.journals import until

SHOWS_ITSELF = """
import os, sys, json
fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))
print(json.dumps({
    "type": "summary", "session": os.getsid(0) == os.getpid(), "cwd": os.getcwd(),
    "stdin": os.readlink("/proc/self/fd/0"), "fds": [n for n in fds if n > 2 and
        not os.path.realpath(f"/proc/self/fd/{n}").startswith("/proc/")],
    "wish": os.environ.get("A_WISH"),
}))
print("to standard error", file=sys.stderr)
sys.exit(4)
"""
WAITS = "import signal; print('ready', flush=True); signal.pause()"


async def ended(started: StartedJob) -> JobOutcome:
    outcome = await until(
        lambda: o if not (o := job_outcome(started)).running and o.exit_code is not None else None
    )
    assert outcome.exit_code == started.exit_code
    return outcome


async def test_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_WISH", "inherited")
    leaked = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leaked, True)
    try:
        started = start_job(tmp_path, [sys.executable, "-c", SHOWS_ITSELF])
    finally:
        os.close(leaked)
    outcome = await ended(started)
    assert (outcome.exit_code, outcome.tail[-1]) == (4, "to standard error")
    assert outcome.summary == {
        "type": "summary",
        "session": True,
        "cwd": str(Path.cwd()),
        "stdin": os.devnull,
        "fds": [],
        "wish": "inherited",
    }
    assert stat.S_IMODE(started.output_path.stat().st_mode) == 0o600
    assert started.output_path == tmp_path / "jobs" / f"start-{started.job_id}.out"
    assert list_jobs(tmp_path) == []
    # No zombie is left of it.
    assert not Path(f"/proc/{started.pid}").exists()


async def test_its_own_environment(tmp_path: Path) -> None:
    started = start_job(tmp_path, [sys.executable, "-c", SHOWS_ITSELF], {"A_WISH": "given"})
    summary = (await ended(started)).summary
    assert summary is not None
    assert summary["wish"] == "given"


async def test_while_it_runs_and_how_it_was_ended(tmp_path: Path) -> None:
    started = start_job(tmp_path, [sys.executable, "-c", WAITS])
    try:
        await until(lambda: job_outcome(started).tail == ["ready"])
        assert job_outcome(started) == JobOutcome(True, None, None, ["ready"])
        # Also as another process sees it, which is not its parent.
        stranger = StartedJob(started.job_id, started.pid, started.output_path)
        assert job_outcome(stranger).running
    finally:
        os.kill(started.pid, signal.SIGKILL)
    assert (await ended(started)).exit_code == -signal.SIGKILL
    assert job_outcome(stranger) == JobOutcome(False, None, None, ["ready"])


async def test_the_summary_lies_between_other_lines(tmp_path: Path) -> None:
    program = """
print('{"type": "summary", "outcome": "not the last"}')
print('{"type": "summary", "outcome": "done"}')
print('{"type": "object"}')
print('[' * 100000)
print('{"type": "summ')
"""
    outcome = await ended(start_job(tmp_path, [sys.executable, "-c", program]))
    assert outcome.summary == {"type": "summary", "outcome": "done"}


async def test_what_cannot_be_started(tmp_path: Path) -> None:
    for argv in (["/no/such/program"], ["a\x00b"], []):
        with pytest.raises(JobNotStarted):
            start_job(tmp_path, argv)
    assert list((tmp_path / "jobs").iterdir()) == []
    with pytest.raises(VaultUnreachable):
        start_job(tmp_path / "missing", [sys.executable])


async def test_the_last_outputs_are_kept_and_those_of_what_runs(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    runs = start_job(tmp_path, [sys.executable, "-c", WAITS])
    try:
        olds = [f"start-7{number:025}.out" for number in range(KEPT_OUTPUTS + 3)]
        for name in (*olds, "start-mine.out"):
            (jobs / name).write_text("")
        new = start_job(tmp_path, [sys.executable, "-c", ""])
        await ended(new)
        left = {path.name for path in jobs.iterdir()}
        # By name, that is by time, the one that runs is the oldest of all.
        assert left == {
            runs.output_path.name,
            new.output_path.name,
            "start-mine.out",
            *olds[-(KEPT_OUTPUTS - 1) :],
        }
    finally:
        os.kill(runs.pid, signal.SIGKILL)
    await ended(runs)
    with pytest.raises(VaultUnreachable):
        job_outcome(StartedJob("x", 1, jobs / "start-x.out"))


STARTER = """
import sys, signal
from pathlib import Path
from s3gc_core.jobs import start_job
# As in a terminal, whatever the runner of the tests ignores.
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
started = start_job(Path(sys.argv[1]), [sys.executable, "-c", sys.argv[2]])
print(started.pid, started.job_id, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
async def test_it_outlives_its_starter(tmp_path: Path, sent: signal.Signals) -> None:
    """The signal goes to the starter's whole group, as a terminal that closes would send it."""
    go = tmp_path / "go"
    job = f"""
import os, time
from pathlib import Path
while not Path({str(go)!r}).exists():
    time.sleep(0.01)
print('{{"type": "summary", "outcome": "done", "stdin": "%s"}}' % os.readlink("/proc/self/fd/0"))
"""
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", STARTER, str(tmp_path), job),
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
    )
    assert starter.stdout is not None
    pid, job_id = (await starter.stdout.readline()).decode().split()
    started = StartedJob(job_id, int(pid), tmp_path / "jobs" / f"start-{job_id}.out")
    os.killpg(starter.pid, sent)
    await asyncio.wait_for(starter.wait(), 30)
    assert job_outcome(started).running
    go.touch()
    outcome = await until(lambda: o if not (o := job_outcome(started)).running else None)
    # Nor did it ever hold the starter's standard input, a terminal perhaps.
    assert outcome.summary == {"type": "summary", "outcome": "done", "stdin": os.devnull}
