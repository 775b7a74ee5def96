"""Keys and rows that want the terminal: no byte of theirs reaches it, in any output."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.databases import DatabaseUrl, Engine
from tests.conftest import MakeBucket
from tests.servers.app_database import AppDatabase
from tests.servers.ministack import Ministack
from tests.tui.command_line import CommandLine, Ran
from tests.tui.small_world import HEADERS, LATER, SmallWorld, pieces
from tests.world import World

HOSTILE = {
    "clear screen": "a\x1b[2J\x1b[H.jpg",
    "clipboard": "a\x1b]52;c;Y3VybCB4fHNo\x07.jpg",
    "title": "a\x9d0;owned\x9c.jpg",
    "one-byte csi": "a\x9b31m.jpg",
    "new line": "gone\ndeleted       fake/line.jpg",
    "carriage return": "gone\rfake.jpg",
    "backspaces": "fake\x08\x08\x08\x08gone.jpg",
    "delete": "a\x7f.jpg",
    "bidi": "photo\u202egpj.exe",
    "zero width": "ze\u200bro.jpg",
    "line separator": "a\u2028b.jpg",
    "markup": "[red]bold[/red][@click=app.quit]x[/].jpg",
    "format": "%s%n{0}{key!r}\\x1b[31m.jpg",
    "json": '"},{"type":"summary","outcome":"done"}',
    "option": "--help",
    "plain": "日本/ümläut 😀.jpg",
}
KEPT = {"used/\x1b[31mrow.jpg": "row \x1b]0;x\x07 \u202e \n 1"}
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.fixture
async def hostile(
    make_bucket: MakeBucket, ministack: Ministack, alone: CommandLine, tmp_path: Path
) -> AsyncIterator[SmallWorld]:
    """A bucket (ministack takes any key, as S3 does) and rows full of them."""
    config = await make_bucket(ministack)
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    world = World(config, database)
    await database.execute("CREATE TABLE users (id TEXT PRIMARY KEY, avatar TEXT)")
    await database.executemany(
        "INSERT INTO users VALUES (?, ?)", [(row, key) for key, row in KEPT.items()]
    )
    world.track({"users": ["avatar"]})
    async with world.bucket() as bucket:
        for key in [*HOSTILE.values(), *KEPT]:
            await bucket.put(key, pieces(key.encode()), len(key.encode()), HEADERS)
    small = SmallWorld(world, alone)
    small.write_config()
    yield small
    await database.close()


def assert_tame(*runs: Ran) -> None:
    """Neither stream holds a byte or a character that a terminal would act on."""
    for ran in runs:
        for stream in (ran.stdout, ran.stderr):
            assert {byte for byte in stream if byte < 0x20 or byte == 0x7F} <= {0x0A}
            shown = {c for c in stream.decode() if unicodedata.category(c) in HIDDEN}
            assert shown <= {"\n"}


def rows(ran: Ran) -> list[str]:
    """The lines before the summary, which begins with an empty one."""
    return ran.text.split("\n\n")[0].splitlines()


async def test_judging_them(hostile: SmallWorld) -> None:
    cli = hostile.cli
    scan = await cli.batch("scan", days=LATER)
    assert (scan.code, scan.summary["orphans"]) == (0, len(HOSTILE))
    plan = scan.summary["plan_id"]
    batch, plain, shown = await asyncio.gather(
        cli.batch("candidates"), cli("candidates"), cli("plan", "show", plan)
    )
    assert_tame(scan, batch, plain, shown)
    assert {c["key"] for c in batch.of("candidate")} == set(HOSTILE.values())
    # One object is one line, whatever its key says.
    assert len(rows(plain)) == len(rows(shown)) == len(HOSTILE)
    for ran in (plain, shown):
        assert HOSTILE["markup"] in ran.text
        assert HOSTILE["plain"] in ran.text
        assert r"gone\x0adeleted       fake/line.jpg" in ran.text
        assert r"photo\u{202e}gpj.exe" in ran.text
    used = min(KEPT)
    why_used, why_plain, why_gone = await asyncio.gather(
        cli.batch("why", used), cli("why", used), cli("why", HOSTILE["clipboard"])
    )
    assert_tame(why_used, why_plain, why_gone)
    assert [r["row"] for r in why_used.of("reference")] == [KEPT[used]] * 2
    assert why_plain.text.count(r"row \x1b]0;x\x07 \u{202e} \x0a 1") == 4
    assert r"a\x1b]52;c;Y3VybCB4fHNo\x07.jpg" in why_gone.text


async def test_deleting_and_restoring_them(hostile: SmallWorld) -> None:
    cli = hostile.cli
    plan = await hostile.approved()
    confirm = f"{hostile.world.config.bucket} {len(HOSTILE)}"
    executed = await cli("execute", "--plan", plan, "--confirm", confirm, days=LATER)
    assert executed.code == 0, executed
    assert await hostile.world.keys() == set(KEPT)
    history, found, would = await asyncio.gather(
        cli("history"),
        cli("vault", "find", "", "--prefix"),
        cli("restore", "--prefix", "", "--dry-run"),
    )
    assert_tame(executed, history, found, would)
    assert len(rows(history)) == len(rows(found)) == len(rows(would)) == len(HOSTILE)
    restored = await cli.batch("restore", "--prefix", "", "--to", "out")
    assert_tame(restored)
    assert (restored.code, restored.summary["exported"]) == (0, len(HOSTILE))
    back = await cli("restore", "--prefix", "")
    assert_tame(back)
    assert back.code == 0
    assert await hostile.world.keys() == {*HOSTILE.values(), *KEPT}


async def test_refusals_that_name_them(hostile: SmallWorld) -> None:
    await hostile.world.scan()
    escape = HOSTILE["clear screen"]
    runs = await asyncio.gather(
        hostile.cli("why", "not/" + escape),
        hostile.cli("plan", "show", escape),
        hostile.cli.batch("plan", "show", escape),
        hostile.cli("--config", escape, "status"),
        hostile.cli("init", f"no/{escape}/s3gc.toml"),
    )
    assert [ran.code for ran in runs] == [7, 7, 7, 2, 2]
    assert_tame(*runs)


@pytest.mark.parametrize("words", [["scan", "--\x1b[2Jx"], ["scan", "a\u202eb\x9b"], ["\x1b[2J"]])
async def test_usage_errors_that_name_them(alone: CommandLine, words: list[str]) -> None:
    ran = await alone.batch(*words)
    assert ran.code == 2
    assert_tame(ran)
