"""SIGTERM, SIGINT and SIGHUP: the command ends in order, says so, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from s3gc_tui.demo.seaweed import die_with_parent
from tests.faults.children import LIMIT_SECONDS, ROOT
from tests.faults.ground import Ground
from tests.faults.proxied import Proxied
from tests.servers.proxy import Exchange

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129}


async def test_an_execution_that_is_told_to_end(ground: Ground) -> None:
    """Whatever step it is in, a delete that was sent is heard out, and no file is left over."""
    await ground.begin_round()
    # Each delete that was sent takes its batch of three, also where the signal came before it.
    told = (
        ("make-folder:before:1", signal.SIGTERM, {0}),
        ("make-folder:after:1", signal.SIGINT, {0}),
        ("close:after:1", signal.SIGHUP, {0}),
        ("close:after:3", signal.SIGTERM, {0}),
        ("rename:after:1", signal.SIGINT, {0}),
        ("read-back:after:1", signal.SIGTERM, {0}),
        # The second batch is backed up while the first is judged, or deleted.
        ("settle:after:2", signal.SIGHUP, {0, 3}),
        ("read-back:after:2", signal.SIGTERM, {0, 3}),
        # Heard behind the commit that also holds what became of the batch before.
        ("anchor:before:2", signal.SIGTERM, {3}),
        ("audit-append:before:3", signal.SIGINT, {0}),
        ("judge-again:before:1", signal.SIGHUP, {0}),
        ("delete:before:1", signal.SIGTERM, {3}),
        ("delete:before:2", signal.SIGINT, {6}),
        ("delete:after:2", signal.SIGHUP, {6}),
    )
    gone = 0
    for fault, sent, taken in told:
        ended = await ground.children.run(*ground.execution, fault=f"{fault}:{sent.name}")
        assert ended.returncode == CODES[sent], (fault, ended.diagnostics)
        assert ended.summary["outcome"] == "cancelled"
        assert ended.summary["error"] == f"ended by signal {sent.name}"
        await ground.after_kill()
        await asyncio.to_thread(ground.oracle.operations_have_ended)
        heard = await asyncio.to_thread(ground.oracle.what_is_gone_is_recorded, ground.since)
        assert len(heard) - gone in taken, (fault, gone, len(heard))
        gone = len(heard)
    await ground.end_round()


async def test_an_operation_that_is_told_at_its_very_start_has_an_end(ground: Ground) -> None:
    """The signal comes while the operation's first record is being committed."""
    await ground.begin_round()
    ended = await ground.children.run(*ground.execution, fault="audit-rows:after:1:SIGTERM")
    assert ended.returncode == 143, ended.diagnostics
    assert ended.summary["outcome"] == "cancelled"
    await asyncio.to_thread(ground.oracle.operations_have_ended)


async def test_an_execution_that_is_told_twice(proxied: Proxied) -> None:
    """An impatient second signal while a delete is on its way: safe, and the next one finishes."""
    ground = proxied.ground
    await ground.begin_round()
    running, ending = await ground.children.begin(
        *ground.execution, fault="delete:before:2:SIGTERM"
    )

    async def again(exchange: Exchange) -> None:
        running.send(signal.SIGTERM)
        await asyncio.wait([ending], timeout=1)

    proxied.at_delete(2, again)
    ended = await ending
    assert ended.returncode == 143, ended.diagnostics
    assert ended.summary["outcome"] == "cancelled"
    assert ended.diagnostics.count("Traceback") == 0, ended.diagnostics
    await ground.after_kill()
    await asyncio.to_thread(ground.oracle.operations_have_ended)
    await ground.end_round()


async def test_a_restore_that_is_told_to_end(ground: Ground) -> None:
    await ground.begin_round()
    await ground.finish_execution()
    for fault, sent in (
        ("put:before:2", signal.SIGTERM),
        ("put:after:2", signal.SIGINT),
        ("audit-append:before:3", signal.SIGHUP),
    ):
        ended = await ground.children.run(*ground.restoring, fault=f"{fault}:{sent.name}")
        assert ended.returncode == CODES[sent], (fault, ended.diagnostics)
        assert ended.summary["outcome"] == "cancelled"
        await ground.after_kill()
        await asyncio.to_thread(ground.oracle.operations_have_ended)
    await ground.finish_restore()


async def test_a_demo_that_is_told_to_end_takes_its_world_with_it(tmp_path: Path) -> None:
    """The temporary folder and the S3 server in it are gone, whatever it was doing."""
    await asyncio.gather(
        _demo_ended(tmp_path / "1", "world", signal.SIGHUP),
        _demo_ended(tmp_path / "2", "scanned", signal.SIGINT),
        _demo_ended(tmp_path / "3", "approved", signal.SIGTERM),
    )


async def _demo_ended(folder: Path, step: str, sent: signal.Signals) -> None:
    folder.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "s3gc_tui", "demo", "--batch"),
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        preexec_fn=die_with_parent(),
    )
    assert process.stdout is not None
    seen: dict[str, object] = {}
    async with asyncio.timeout(LIMIT_SECONDS):
        while seen.get("step") != step:
            line = await process.stdout.readline()
            assert line, f"the demo ended before {step}"
            seen = json.loads(line)
        servers = _processes_in(folder)
        process.send_signal(sent)
        rest, diagnostics = await process.communicate()
    assert len(servers) == 1
    assert process.returncode == CODES[sent], diagnostics.decode()
    last = json.loads(rest.splitlines()[-1])
    assert last["type"] == "summary"
    assert last["outcome"] == "cancelled"
    assert last["error"] == f"ended by signal {sent.name}"
    assert list(folder.iterdir()) == []
    assert _processes_in(folder) == set()


def _processes_in(folder: Path) -> set[int]:
    """Processes whose command line names the folder (a zombie has none)."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(folder).encode() + b"/" in command:
                found.add(int(entry.name))
    return found
