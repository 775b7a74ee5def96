"""The exit codes that scripts rely on, each from a real process (0, 3, 4 also elsewhere).

129, 130 and 143 belong to the tests of signals; 130 of the demo is in `test_demo`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace

from s3gc_core.jobs import vault_lease
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.servers.process import free_port
from tests.tui.command_line import CommandLine, Ran
from tests.tui.small_world import FORGOTTEN, PROTECTED, USED, SmallWorld


def ending(ran: Ran) -> tuple[int, str, str]:
    """Exit code, outcome and the name of what went wrong."""
    return ran.code, ran.summary["outcome"], ran.summary["error"]


async def test_1_what_nobody_expected_leaves_a_report(small: SmallWorld) -> None:
    await small.world.scan()
    with closing(sqlite3.connect(small.world.config.vault_path / "catalogue.db")) as database:
        database.execute("UPDATE scan SET summary = x'7b'")
        database.commit()
    ran = await small.cli.batch("status")
    assert ending(ran)[:2] == (1, "failed")
    [report] = small.cli.crash_reports()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert ran.summary["error"] in report.read_text()
    # One line for the operator, which names the report; the traceback is in there only.
    [line] = ran.complaints.splitlines()
    assert str(report) in line


async def test_2_wrong_usage(alone: CommandLine) -> None:
    wrong = [
        ["--bogus", "scan"],
        ["scan", "--bogus"],
        ["bogus"],
        ["why"],
        ["candidates", "--verdict", "maybe"],
        ["restore"],
        ["restore", "--key", "a", "--prefix", "b"],
        ["restore", "--key", "a", "--as-of", "yesterday"],
        ["plan", "approve", "ID"],
        ["vault", "purge", "--older-than-days", "-1"],
    ]
    for ran in await in_turn(alone, wrong):
        assert (ran.code, ran.records) == (2, [usage_summary()])
        assert "usage: s3gc" in ran.complaints


async def test_2_no_sub_command(alone: CommandLine) -> None:
    ran = await alone.batch()
    assert ran.code == 2
    assert "sub-command" in ran.complaints
    assert ran.records == [usage_summary()]


async def test_2_no_configuration(alone: CommandLine) -> None:
    here, named, both = await asyncio.gather(
        alone.batch("status"),
        alone("--config", "absent.toml", "--batch", "scan"),
        alone("--config", "absent.toml", "--profile", "p", "--batch", "scan"),
    )
    for ran in (here, named, both):
        assert ending(ran) == (2, "failed", "configuration-error")
    assert "s3gc init" in here.complaints
    assert "absent.toml" in named.complaints
    assert "only one of --config and --profile" in both.complaints
    assert not (alone.folder / "s3gc_vault").exists()


async def test_2_a_column_that_is_not_there(small: SmallWorld) -> None:
    small.world.track({"users": ["portrait"]})
    small.write_config()
    ran = await small.cli.batch("scan")
    assert ending(ran) == (2, "failed", "source-missing")
    assert "portrait" in ran.summary["what"]


async def test_3_nothing_is_tracked(small: SmallWorld) -> None:
    small.write_config(sources=())
    ran = await small.cli.batch("scan")
    assert ending(ran) == (3, "blocked", "nothing-tracked")
    assert ran.summary["blocked"] == ["nothing-tracked"]


async def test_3_another_bucket_than_the_vaults(small: SmallWorld, seaweed: SeaweedServer) -> None:
    await small.world.scan()
    await seaweed.create_bucket("not-the-vaults")
    small.write_config(bucket="not-the-vaults")
    ran = await small.cli.batch("scan")
    assert ending(ran) == (3, "blocked", "guard-blocked")
    assert ran.summary["blocked"] == ["identity:bucket"]


async def test_5_another_operation_holds_the_vault(small: SmallWorld) -> None:
    await small.world.scan()
    held = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    with vault_lease(small.world.config.vault_path, held, "restore", "somebody@else"):
        scan, restore, status, candidates = await asyncio.gather(
            small.cli.batch("scan"),
            small.cli.batch("vault", "purge"),
            small.cli.batch("status"),
            small.cli.batch("candidates"),
        )
    for ran in (scan, restore):
        assert ending(ran) == (5, "failed", "vault-busy")
        assert held in ran.summary["what"]
        assert "somebody@else" in ran.summary["what"]
    # Looking does not need the vault for itself.
    assert (status.code, status.summary["running"]) == (0, f"restore {held}")
    assert (candidates.code, candidates.summary["shown"]) == (0, len(FORGOTTEN) + len(PROTECTED))
    assert (await small.cli.batch("scan")).code == 0


async def test_6_bucket_database_or_vault_is_not_there(small: SmallWorld) -> None:
    config = small.world.config
    nowhere = f"http://127.0.0.1:{free_port()}"
    [database] = config.databases
    closed = replace(database, url=f"postgresql://app@127.0.0.1:{free_port()}/app")
    file = small.cli.folder / "file"
    file.write_text("not a folder")
    cases: dict[str, dict[str, object]] = {
        "bucket-unreachable": {"endpoint_url": nowhere},
        "database-unreachable": {"databases": (closed,)},
        "vault-unreachable": {"vault_path": file},
    }
    for name, fields in cases.items():
        small.world.config = config
        small.write_config(**fields)
        assert ending(await small.cli.batch("scan")) == (6, "failed", name)
    assert file.read_text() == "not a folder"
    small.world.config = config
    small.write_config(bucket="there-is-no-such-bucket")
    assert ending(await small.cli.batch("scan")) == (6, "failed", "bucket-unreachable")
    wrong_key = await small.cli.batch("scan", AWS_SECRET_ACCESS_KEY="wrong")
    assert ending(wrong_key) == (6, "failed", "bucket-unreachable")


async def test_7_no_such_plan_operation_or_key(small: SmallWorld) -> None:
    await small.world.scan()
    unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    cases = [
        ("no-such-plan", ["plan", "show", unknown]),
        ("no-such-plan", ["plan", "approve", unknown, "--reason", "r"]),
        ("no-such-plan", ["plan", "reject", unknown, "--reason", "r"]),
        ("no-such-plan", ["candidates", "--plan", unknown]),
        ("no-such-plan", ["execute", "--plan", unknown, "--confirm", "x"]),
        ("no-such-operation", ["history", "--operation", unknown]),
        ("no-such-key", ["history", "--key", "used/1.jpg"]),
        ("no-such-key", ["restore", "--key", "used/1.jpg"]),
    ]
    for ran, (name, _) in zip(
        await in_turn(small.cli, [arguments for _, arguments in cases]), cases, strict=True
    ):
        assert ending(ran) == (7, "failed", name)
    assert await small.world.keys() == {*USED, *FORGOTTEN, *PROTECTED}


async def test_a_key_that_is_not_utf_8_is_no_crash(small: SmallWorld) -> None:
    """S3's keys are UTF-8, so no object has such a key; a terminal may still send one."""
    await small.world.scan()
    key = b"caf\xe9.jpg"
    runs = await asyncio.gather(
        small.cli.batch(b"why", key), small.cli.batch(b"restore", b"--key", key)
    )
    assert [ran.code for ran in runs] == [7, 7]
    assert small.cli.crash_reports() == []


def usage_summary() -> dict[str, object]:
    return {"type": "summary", "outcome": "failed", "operation_id": None, "error": "usage"}


async def in_turn(cli: CommandLine, commands: list[list[str]]) -> list[Ran]:
    """Run many, two at a time."""
    two = asyncio.Semaphore(2)

    async def one(arguments: list[str]) -> Ran:
        async with two:
            return await cli.batch(*arguments)

    return await asyncio.gather(*(one(arguments) for arguments in commands))
