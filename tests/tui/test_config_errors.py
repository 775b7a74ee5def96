"""Configuration errors on the command line: everything at once, and no secret anywhere."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from tests.servers.process import free_port
from tests.tui.command_line import CommandLine, Ran

SECRET = "Hunter2-swordfish"
URL = f"postgresql://app:{SECRET}@127.0.0.1:{{port}}/app"

WRONG = f"""
bucket = "Not A Bucket"
retention_days = 0
mode = "delete_everything"
colour = "red"
database_url = "postgresql://app:{SECRET}@db.example/app"
exclude_prefixes = ["/"]
[database]
url = "oracle://app:{SECRET}@db.example/app"
password = "{SECRET}"
[guards]
max_share = 7
[tables]
users = [{{ colum = "avatar" }}]
"""
NAMED = {"bucket", "retention_days", "mode", "colour", "database_url", "max_share", "colum"}


def assert_silent(cli: CommandLine, *runs: Ran) -> None:
    """No output and no crash report holds the secret."""
    for ran in runs:
        assert SECRET.encode() not in ran.stdout + ran.stderr
    for report in cli.crash_reports():
        assert SECRET not in report.read_text()


async def test_every_problem_is_told_at_once(alone: CommandLine) -> None:
    alone.config.write_text(WRONG)
    batch, by_hand = await asyncio.gather(alone.batch("scan"), alone("scan"))
    assert (batch.code, by_hand.code) == (2, 2)
    assert batch.summary["error"] == "configuration-error"
    for said in (batch.summary["what"], batch.complaints, by_hand.complaints):
        assert [name for name in NAMED if name not in said] == []
    # A person reads one problem a line, with its place in the file.
    problems = [line for line in by_hand.complaints.splitlines() if line.startswith("  - ")]
    assert len(problems) >= len(NAMED)
    assert [p for p in problems if "retention_days (line 3)" in p] != []
    assert_silent(alone, batch, by_hand)
    assert alone.crash_reports() == []


async def test_a_file_that_is_not_toml_does_not_show_its_lines(alone: CommandLine) -> None:
    alone.config.write_text(f'bucket = "photos"\n[database]\nurl = "x:{SECRET}@h\n')
    ran = await alone.batch("scan")
    assert (ran.code, ran.summary["error"]) == (2, "configuration-error")
    assert "line 3" in ran.complaints
    assert_silent(alone, ran)


async def test_a_wrong_value_in_the_environment_is_named(alone: CommandLine) -> None:
    alone.config.write_text('bucket = "photos"\n')
    ran = await alone.batch(
        "scan", S3GC_RETENTION_DAYS="soon", DATABASE_URL=f"oracle://app:{SECRET}@db.example/app"
    )
    assert ran.code == 2
    assert "S3GC_RETENTION_DAYS" in ran.complaints
    assert "DATABASE_URL" in ran.complaints
    assert_silent(alone, ran)


async def test_the_password_of_a_database_that_does_not_answer(alone: CommandLine) -> None:
    alone.config.write_text(
        f'bucket = "photos"\nendpoint_url = "http://127.0.0.1:{free_port()}"\n[database]\n'
        f'url = "{URL.format(port=free_port())}"\n[tables]\nusers = ["avatar"]\n'
    )
    alone.environment |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET}
    why = await alone.batch("why", "k")
    assert (why.code, why.summary["error"]) == (6, "database-unreachable")
    doctor = await alone.batch("doctor")
    assert doctor.code == 6
    assert_silent(alone, why, doctor)
    # The vault keeps records of its own: none of them knows the password either.
    for file in (alone.folder / "s3gc_vault").rglob("*"):
        assert SECRET.encode() not in (file.read_bytes() if file.is_file() else b"")


async def test_the_password_in_the_report_of_a_crash(alone: CommandLine) -> None:
    alone.config.write_text(
        f'bucket = "photos"\n[database]\nurl = "{URL.format(port=free_port())}"\n'
        '[tables]\nusers = ["avatar"]\n'
    )
    assert (await alone.batch("status")).code == 0
    with closing(sqlite3.connect(alone.folder / "s3gc_vault" / "catalogue.db")) as catalogue:
        catalogue.execute(
            "INSERT INTO scan (scan_id, began_at, summary) VALUES ('ID', '2026-11-21', x'7b')"
        )
        catalogue.commit()
    ran = await alone.batch("status")
    assert (ran.code, len(alone.crash_reports())) == (1, 1)
    assert_silent(alone, ran)


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", f"--database-url=postgresql://app:{SECRET}@db.example/app"],
        ["scan", "--database-url", f"postgresql://app:{SECRET}@db.example/app"],
        [f"postgresql://app:{SECRET}@db.example/app"],
        ["restore", "--key", "k", "--as-of", f"postgresql://app:{SECRET}@db.example/app"],
        ["--config", f"postgresql://app:{SECRET}@db.example/app", "scan"],
        ["--profile", f"postgresql://app:{SECRET}@db.example/app", "scan"],
    ],
    ids=["option", "two words", "command", "value", "config", "profile"],
)
async def test_a_secret_in_a_wrong_place_of_the_command_line(
    alone: CommandLine, arguments: list[str]
) -> None:
    """Standard error ends in logs that more people read than know the password."""
    ran = await alone.batch(*arguments)
    assert ran.code == 2
    assert_silent(alone, ran)
