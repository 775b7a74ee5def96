"""The lease: one operation at a time, however the one before it ended."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from s3gc_core.actions.holding_streams import hold_streams_if_free, streams_held
from s3gc_core.errors import ExitCode, VaultBusy, VaultUnreachable
from s3gc_core.jobs import (
    FOLLOWER_FILE,
    LEASE_FILE,
    LeaseHolder,
    actor,
    lease_holder,
    person,
    vault_lease,
)

HOLDER = """
import sys
import signal
# A runner that ignores hang-ups (nohup) hands that down.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from pathlib import Path
from s3gc_core.jobs import vault_lease
with vault_lease(Path(sys.argv[1]), "OP1", "execute", "someone@host"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(vault: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(vault)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def take(vault: Path, operation_id: str = "OP2") -> bool:
    """Whether the lease can be had now."""
    try:
        with vault_lease(vault, operation_id, "scan", "me@here"):
            return True
    except VaultBusy:
        return False


def test_a_vault_that_nobody_held_yet(tmp_path: Path) -> None:
    assert lease_holder(tmp_path) is None
    assert not (tmp_path / LEASE_FILE).exists()


def test_the_lease_tells_who_holds_it(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    with vault_lease(tmp_path, "OP1", "scan", "me@here from 10.0.0.1"):
        holder = lease_holder(tmp_path)
        assert holder is not None
        assert began <= holder.since <= datetime.now(UTC)
        assert holder == LeaseHolder(
            "OP1", "scan", "me@here from 10.0.0.1", os.getpid(), holder.since
        )
        assert holder.since.utcoffset() == UTC.utcoffset(None)
    assert lease_holder(tmp_path) is None
    assert take(tmp_path)


def test_streams_are_held_where_nobody_else_holds_them(tmp_path: Path) -> None:
    with hold_streams_if_free(tmp_path, "scan") as is_ours:
        assert is_ours
        with hold_streams_if_free(tmp_path, "scan") as is_ours_too:
            assert not is_ours_too
    assert lease_holder(tmp_path, FOLLOWER_FILE) is None


def test_an_error_beside_held_streams_does_not_come_of_their_being_held(tmp_path: Path) -> None:
    with (
        streams_held(tmp_path, "follow"),
        pytest.raises(LookupError) as raised,
        hold_streams_if_free(tmp_path, "scan"),
    ):
        raise LookupError
    assert raised.value.__context__ is None


def test_nobody_else_gets_it_in_between(tmp_path: Path) -> None:
    with vault_lease(tmp_path, "OP1", "scan", "me@here"):
        with (
            pytest.raises(VaultBusy, match=r"held by scan OP1 of me@here \(process \d+, since"),
            vault_lease(tmp_path, "OP2", "scan", "me@here"),
        ):
            pytest.fail("two operations at once")
        # Whoever was refused changed nothing about the holder.
        holder = lease_holder(tmp_path)
        assert holder is not None
        assert holder.operation_id == "OP1"
    assert take(tmp_path)


def test_another_process_holds_it(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        holder = lease_holder(tmp_path)
        assert holder is not None
        assert (holder.operation_id, holder.what, holder.pid) == ("OP1", "execute", process.pid)
        with (
            pytest.raises(VaultBusy) as busy,
            vault_lease(tmp_path, "OP2", "scan", "me@here"),
        ):
            pytest.fail("two operations at once")
        assert busy.value.exit_code == ExitCode.BUSY
        assert f"process {process.pid}" in busy.value.what
        process.communicate(input="")
        assert process.returncode == 0
    assert lease_holder(tmp_path) is None
    assert take(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_the_lease_dies_with_its_process(tmp_path: Path, how: signal.Signals) -> None:
    with held_elsewhere(tmp_path) as process:
        assert not take(tmp_path)
        process.send_signal(how)
        process.wait(timeout=30)
        # What it wrote is still there; the kernel's lock is not, and only that counts.
        assert json.loads((tmp_path / LEASE_FILE).read_text())["operation_id"] == "OP1"
        assert lease_holder(tmp_path) is None
        assert take(tmp_path)


def test_an_exception_gives_it_back(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), vault_lease(tmp_path, "OP1", "scan", "me@here"):
        raise ZeroDivisionError
    assert lease_holder(tmp_path) is None
    assert take(tmp_path)


def test_a_shorter_holder_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    with vault_lease(tmp_path, "OP1", "execute" * 100, "me@here"):
        pass
    with vault_lease(tmp_path, "OP2", "scan", "me@here"):
        holder = lease_holder(tmp_path)
    assert holder is not None
    assert (holder.operation_id, holder.what) == ("OP2", "scan")


def test_looking_does_not_disturb(tmp_path: Path) -> None:
    """Someone who looks all the time holds a shared lock for moments; operations still begin."""
    with vault_lease(tmp_path, "OP0", "scan", "me@here"):
        pass
    before = (tmp_path / LEASE_FILE).read_bytes()
    lease_holder(tmp_path)
    assert (tmp_path / LEASE_FILE).read_bytes() == before
    done = threading.Event()
    seen: set[str] = set()

    def look() -> None:
        while not done.wait(0.001):
            holder = lease_holder(tmp_path)
            if holder is not None:
                seen.add(holder.operation_id)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        names = [f"OP{n}" for n in range(1, 101)]
        assert [name for name in names if not take(tmp_path, name)] == []
    finally:
        done.set()
        watcher.join()
    assert seen <= set(names)


@pytest.mark.parametrize("named", [False, True])
def test_who_begins_or_ends_is_waited_for_and_nobody_else(tmp_path: Path, named: bool) -> None:
    """A busy machine may keep a process from going on between its lock and its name."""
    name = json.dumps(
        {
            "operation_id": "X",
            "what": "x",
            "actor": "x",
            "pid": 1,
            "since": "2026-01-01T00:00+00:00",
        }
    )
    descriptor = os.open(tmp_path / LEASE_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, name.encode() if named else b"")
    if named:
        with pytest.raises(VaultBusy, match="held by x X"), vault_lease(tmp_path, "OP", "s", "me"):
            pass
    ends = threading.Timer(0.5, os.close, [descriptor])
    ends.start()
    try:
        if not named:
            with vault_lease(tmp_path, "OP", "scan", "me"):
                pass
    finally:
        ends.join()
    assert lease_holder(tmp_path) is None


def test_looking_does_not_wait(tmp_path: Path) -> None:
    """Two who look at once see no holder in each other."""
    with vault_lease(tmp_path, "OP1", "scan", "me@here"):
        pass
    looking = os.open(tmp_path / LEASE_FILE, os.O_RDONLY)
    try:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert lease_holder(tmp_path) is None
    finally:
        os.close(looking)


def test_only_its_owner_may_read_the_lease(tmp_path: Path) -> None:
    assert take(tmp_path)
    assert stat.S_IMODE((tmp_path / LEASE_FILE).stat().st_mode) == 0o600


def test_a_vault_that_is_no_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(VaultUnreachable, match="cannot lock"),
        vault_lease(tmp_path / "missing", "OP1", "scan", "me@here"),
    ):
        pytest.fail("there is no such folder")


def test_the_lease_is_not_inherited_by_children(tmp_path: Path) -> None:
    """A child that outlives the operation must not hold the vault."""
    with vault_lease(tmp_path, "OP1", "scan", "me@here"):
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            close_fds=False,
        )
    try:
        assert take(tmp_path)
    finally:
        child.communicate(b"")


def test_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "someone")
    monkeypatch.setattr("socket.gethostname", lambda: "host")
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert actor() == "someone@host"
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 50000 10.0.0.1 22")
    assert actor() == "someone@host from 10.0.0.7"
    monkeypatch.setenv("SUDO_USER", "real")
    assert actor() == "real@host from 10.0.0.7"


def test_an_actor_that_no_file_of_users_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUDO_USER", "SSH_CONNECTION", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 1_999_999_999)
    assert actor() == f"uid-1999999999@{socket.gethostname()}"


@pytest.mark.parametrize(
    ("who", "name"),
    [
        ("ops@ops-1", "ops"),
        ("ops@ops-2 from 10.0.0.7", "ops"),
        ("ops@example.org@ops-1 from ::1", "ops@example.org"),
        ("grant 01KAJ0000000000000000GRANT of ops@ops-1 from 10.0.0.7", "ops"),
        ("ops", "ops"),
    ],
)
def test_a_person_is_the_same_on_every_host(who: str, name: str) -> None:
    assert person(who) == name
