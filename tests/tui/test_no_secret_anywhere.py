"""Secrets planted in all that can hold one; then nothing that s3gc leaves behind has any of them.

`EVERY_COMMAND=1` runs all of the commands; the gate some of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from s3gc_core.config import Config
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer
from tests.tui.command_line import CommandLine, Ran
from tests.tui.small_world import LATER, SmallWorld, furnish
from tests.world import World

PASSWORD = "Hunter9/p@ss:w?rd"
# What of it no output may have, in whichever way it is written.
CORE = "Hunter9"
QUERY = "QueryHunter7"
TOKEN = "TokenHunter8"
SOME = (("--log-level", "debug", "doctor"), ("vault", "export", "out"))
OTHERS = (
    ("status",),
    ("doctor", "--print-policy"),
    ("serve", "--print-unit"),
    ("discover",),
    ("scan",),
    ("candidates",),
    ("why", "gone/a.txt"),
    ("plan", "list"),
    ("grant", "list"),
    ("restore", "--key", "gone/a.txt", "--dry-run"),
    ("drill",),
    ("vault", "stats"),
    ("vault", "verify"),
    ("vault", "find", "gone/a.txt"),
    ("vault", "audit", "verify"),
    ("history",),
    ("operations",),
    ("registry", "stats"),
    ("registry", "verify"),
    ("references", "coverage"),
    ("references", "dangling"),
    ("report",),
    ("metrics",),
    ("follow", "--print-unit"),
    ("serve", "--print-compose"),
    ("serve", "--print-containerfile"),
    ("run",),
)
EVERY = bool(os.environ.get("EVERY_COMMAND"))
# Raises a driver's exception where nobody expects one, as a crash would.
CRASH = """
import sys
from s3gc_core.actions import standing
import asyncpg, os
async def status(parts):
    url = parts.config.databases[0].url
    raise asyncpg.exceptions.InterfaceError(
        f"cannot use {url}: {os.environ['AWS_SECRET_ACCESS_KEY']}, {os.environ['TOKEN_HERE']}"
    )
standing.status = status
from s3gc_tui.__main__ import main
sys.exit(main())
"""


@pytest.fixture
async def planted(
    bucket_config: Config, postgres: PostgresServer, alone: CommandLine
) -> AsyncIterator[SmallWorld]:
    """A small world whose database is reached with planted secrets."""
    plain = AppDatabase(await postgres.create_database())
    role = f"planted_{os.getpid()}"
    doubled = PASSWORD.replace("'", "''")
    await plain.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{doubled}'")
    place = plain.url.rpartition("@")[2]
    url = f"postgresql://{role}:{quote(PASSWORD, safe='')}@{place}?application_name={QUERY}"
    world = World(bucket_config, AppDatabase(url))
    await furnish(world)
    small = SmallWorld(world, alone)
    small.write_config()
    alone.environment |= {"TOKEN_HERE": TOKEN, "S3GC_ADMIN_API_KEY": TOKEN}
    yield small
    await world.app.close()
    await plain.execute(f"DROP OWNED BY {role} CASCADE")
    await plain.close()


def secrets() -> list[str]:
    return [CORE, QUERY, TOKEN, os.environ["AWS_SECRET_ACCESS_KEY"]]


def assert_silent(ran: Ran, *arguments: str) -> None:
    for secret in secrets():
        assert secret.encode() not in ran.stdout + ran.stderr, (arguments, ran)


def left_behind(small: SmallWorld) -> list[str]:
    """Files with a secret in them, but for what the operator wrote."""
    vault, folder = Path(small.world.config.vault_path), small.cli.folder
    files = [p for root in (vault, folder) for p in root.rglob("*") if p.is_file()]
    assert {"audit.db", "catalogue.db", "registry.db", "state.json"} <= {p.name for p in files}
    return [
        f"{path.name}: {secret}"
        for path in files
        if path != small.cli.config
        for secret in secrets()
        if secret.encode() in path.read_bytes()
    ]


async def test_no_secret_anywhere(planted: SmallWorld) -> None:
    cli, world = planted.cli, planted.world
    await planted.collected()
    commands = [*SOME, *OTHERS] if EVERY else list(SOME)
    for start in range(0, len(commands), 2):
        pair = commands[start : start + 2]
        ends = await asyncio.gather(*(cli.batch(*command, days=None) for command in pair))
        for command, ran in zip(pair, ends, strict=True):
            assert_silent(ran, *command)
            assert b"error" not in ran.stdout.splitlines()[-1] or EVERY, ran
    crash = await (await cli.start_python("-c", CRASH, "--batch", "status")).communicate()
    [report] = cli.crash_reports()
    assert "cannot use postgresql://" in report.read_text()
    assert_silent(Ran(1, *crash), "status")
    url = world.app.url
    wrongs = [url.replace("Hunter9", "Hunter9x"), url.replace("127.0.0.1", "127.0.0.9")]
    for wrong in wrongs if EVERY else wrongs[:1]:
        world.change(databases=(type(world.config.databases[0])(wrong),))
        planted.write_config()
        failed = await cli.batch("--log-level", "debug", "scan", days=LATER)
        assert failed.code == 6, failed
        assert_silent(failed, "scan")
    planted.write_config(endpoint_url=f"http://key:{CORE}@127.0.0.1:1")
    refused = await cli("status")
    assert (refused.code, "endpoint_url" in refused.complaints) == (2, True)
    assert_silent(refused, "status")
    assert left_behind(planted) == []
