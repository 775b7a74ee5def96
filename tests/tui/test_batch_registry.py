"""`s3gc registry` as a process: what it prints, how it ends, what it leaves alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from s3gc_core.references import key_hash
from tests.tui.command_line import only
from tests.tui.small_world import SmallWorld

SOURCE = "main:users.avatar"


def hash_of(key: str) -> str:
    return f"{key_hash(key) & (1 << 64) - 1:016x}"


async def drift(small: SmallWorld) -> None:
    """One reference more and one less than the last scan saw."""
    await small.world.scan()
    await small.world.app.execute("DELETE FROM users WHERE id = 1")
    await small.world.app.execute("INSERT INTO users VALUES (7, 'new/7.jpg')")


def registry(small: SmallWorld) -> Path:
    return small.world.config.vault_path / "registry.db"


def contents(small: SmallWorld) -> tuple[bytes, bytes]:
    """The very bytes of the file and of its log: nothing at all may be written."""
    log = registry(small).with_name("registry.db-wal")
    return registry(small).read_bytes(), log.read_bytes() if log.exists() else b""


async def test_verify_tells_every_difference_and_exits_4(small: SmallWorld) -> None:
    await drift(small)
    before = contents(small)
    ran = await small.cli.batch("registry", "verify")
    assert (ran.code, ran.summary["outcome"]) == (4, "partial")
    assert (ran.summary["missing"], ran.summary["surplus"]) == (1, 1)
    assert ran.records[:-1] == [
        {
            "type": "missing",
            "source": SOURCE,
            "row": 7,
            "hash": hash_of("new/7.jpg"),
            "key": "new/7.jpg",
        },
        {
            "type": "surplus",
            "source": SOURCE,
            "row": 1,
            "hash": hash_of("used/1.jpg"),
            "key": None,
        },
    ]
    assert contents(small) == before
    told = await small.cli("registry", "verify")
    assert told.code == 4
    assert "missing  main:users.avatar row 7: new/7.jpg" in told.text


async def test_verify_of_an_exact_registry(small: SmallWorld) -> None:
    await small.world.scan()
    ran = await small.cli.batch("registry", "verify")
    assert (ran.code, len(ran.records)) == (0, 1)
    assert (ran.summary["outcome"], ran.summary["missing"], ran.summary["surplus"]) == (
        "done",
        0,
        0,
    )


async def test_a_dry_run_of_a_rebuild_writes_nothing_at_all(small: SmallWorld) -> None:
    await drift(small)
    before, operations = contents(small), await small.cli.batch("operations")
    ran = await small.cli.batch("registry", "rebuild", "--dry-run", S3GC_READ_ONLY="1")
    assert (ran.code, ran.summary["operation_id"], ran.summary["dry_run"]) == (0, None, True)
    changed = {"type": "changed", "source": SOURCE, "missing": 1, "surplus": 1}
    assert ran.records[:-1] == [changed]
    assert contents(small) == before
    assert (await small.cli.batch("operations")).records == operations.records


async def test_a_rebuild_mends_what_verify_found(small: SmallWorld) -> None:
    await drift(small)
    with closing(sqlite3.connect(registry(small))) as file:
        file.execute("UPDATE edge SET h = 42 WHERE row = 2")
        file.commit()
    ran = await small.cli.batch("registry", "rebuild")
    assert ran.code == 0
    assert only(ran.records, type="changed") == {
        "type": "changed",
        "source": SOURCE,
        "missing": 2,
        "surplus": 2,
    }
    assert (ran.summary["missing"], ran.summary["surplus"]) == (2, 2)
    assert (await small.cli.batch("registry", "verify")).code == 0
    again = await small.cli.batch("registry", "rebuild")
    assert (again.of("changed"), again.summary["missing"]) == ([], 0)


async def test_a_session_that_may_only_read_does_not_rebuild(small: SmallWorld) -> None:
    await drift(small)
    before = contents(small)
    ran = await small.cli.batch("registry", "rebuild", S3GC_READ_ONLY="1")
    assert (ran.code, ran.summary["error"]) == (3, "read-only-session")
    assert contents(small) == before


async def test_stats(small: SmallWorld) -> None:
    await small.world.app.execute("INSERT INTO users VALUES (3, NULL)")
    await small.world.scan()
    ran = await small.cli.batch("registry", "stats")
    [source] = ran.of("source")
    counts = {name: source[name] for name in ("name", "rows", "keyed", "keys")}
    assert counts == {"name": SOURCE, "rows": 3, "keyed": 2, "keys": 2}
    assert source["first_read"] == source["last_read"] == ran.summary["valid_at"]
    assert (ran.summary["keys"], ran.summary["bytes"]) == (2, registry(small).stat().st_size)


async def test_a_database_that_is_not_the_vaults_own_is_not_compared(small: SmallWorld) -> None:
    """All of the registry would look wrong, and it is the database that is."""
    await small.world.scan()
    other = small.cli.folder / "other.db"
    with closing(sqlite3.connect(other)) as file:
        file.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, avatar TEXT)")
    small.world.track({"users": ["avatar"]}, database=f"sqlite:///{other}")
    small.write_config()
    for command in (["verify"], ["rebuild"], ["rebuild", "--dry-run"]):
        ran = await small.cli.batch("registry", *command)
        assert (ran.code, ran.summary["outcome"]) == (3, "blocked"), command
