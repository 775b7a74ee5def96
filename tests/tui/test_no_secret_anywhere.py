"""Secrets planted in all that can hold one; then nothing that s3gc leaves behind has any of them.

`EVERY_COMMAND=1` runs all of the commands; the gate some of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from s3gc_core.config import ApiConfig, Config, TokenConfig
from tests.servers.app_database import AppDatabase
from tests.servers.postgres import PostgresServer
from tests.servers.process import free_port
from tests.tui.command_line import CommandLine, Ran
from tests.tui.small_world import LATER, SmallWorld, furnish
from tests.world import World

PASSWORD = "Hunter9/p@ss:w?rd"
# What of it no output may have, in whichever way it is written.
CORE = "Hunter9"
QUERY = "QueryHunter7"
TOKEN = "TokenHunter8"
# Tokens of the admin API: in a variable whose name tells nothing, and in a file.
WORD, FILED = "WordHunter6-of-the-api", "FileHunter5-of-the-api"
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
        f" {os.environ['WORD_HERE']} {open(parts.config.api.tokens[1].file).read()}"
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
    filed = alone.folder / "filed"
    filed.write_text(f"{FILED}\n")
    tokens = (TokenConfig("words", "WORD_HERE"), TokenConfig("files", file=str(filed), write=True))
    small.write_config(api=ApiConfig(port=free_port(), tokens=tokens))
    alone.environment |= {
        "TOKEN_HERE": TOKEN,
        "S3GC_ADMIN_API_KEY": TOKEN,
        "WORD_HERE": WORD,
        "S3GC_API_PORT": str(world.config.api.port),
    }
    yield small
    await world.app.close()
    await plain.execute(f"DROP OWNED BY {role} CASCADE")
    await plain.close()


def secrets() -> list[str]:
    return [CORE, QUERY, TOKEN, WORD, FILED, os.environ["AWS_SECRET_ACCESS_KEY"]]


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
        if path not in (small.cli.config, small.cli.folder / "filed")
        for secret in secrets()
        if secret.encode() in path.read_bytes()
    ]


async def assert_api_silent(small: SmallWorld) -> None:
    """What the admin API answers to those who know a token and to those who do not, and its log."""
    url = f"http://127.0.0.1:{small.world.config.api.port}/admin/s3gc"
    process = await small.cli.start("--log-level", "debug", "serve")
    async with httpx.AsyncClient(timeout=30) as client, asyncio.timeout(60):
        while True:
            try:
                answers = [await client.get(f"{url}/health")]
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.1)
        for token, status in ((WORD, 200), (FILED, 200), (TOKEN, 200), (f"{WORD}x", 401)):
            mine = {"Authorization": f"Bearer {token}"}
            found = await client.get(f"{url}/config", headers=mine)
            assert found.status_code == status, found.text
            answers.append(found)
        mine = {"Authorization": f"Bearer {TOKEN}"}
        answers += [
            await client.get(f"{url}/{path}", headers=mine)
            for path in ("status", "metrics", "operations", f"config?{WORD}={FILED}", f"{WORD}/x")
        ]
        answers.append(await client.post(f"{url}/drill", headers=mine, json={FILED: WORD}))
    process.terminate()
    assert [one.status_code for one in answers[-6:]] == [200, 200, 200, 422, 404, 422]
    told = "".join(f"{one.headers}{one.text}" for one in answers)
    assert_silent(Ran(0, told.encode(), b""), "answers")
    assert_silent(Ran(0, *await process.communicate()), "serve")


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
    await assert_api_silent(planted)
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
