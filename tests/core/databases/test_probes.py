"""Asking for single values: which index serves, and what it gives."""

from __future__ import annotations

from s3gc_core.config import DatabaseConfig
from s3gc_core.database_url import Engine
from s3gc_core.databases import ProbeWay, TableRead, open_database
from tests.servers.app_database import AppDatabase

ROWS = 20_000
_NO_INDEX = ProbeWay(why_not="no index")


async def way(app: AppDatabase, column: str, *values: str, where: str | None = None) -> ProbeWay:
    """How these values would be asked for."""
    async with open_database(DatabaseConfig(app.url)).snapshot() as snapshot:
        assert snapshot.probes is not None
        return await snapshot.probes.way(TableRead("t", (column,), where), values)


async def found(
    app: AppDatabase, column: str, *values: str, where: str | None = None
) -> dict[object, object]:
    """What is there, by row."""
    async with open_database(DatabaseConfig(app.url)).snapshot() as snapshot:
        assert snapshot.probes is not None
        pages = snapshot.probes.rows(TableRead("t", (column,), where), values)
        return {row.id: row.values[0] async for page in pages for row in page}


async def filled(app: AppDatabase) -> None:
    """A table with indexes that serve, and others that do not."""
    is_postgres = app.engine is Engine.POSTGRESQL
    folding = "" if is_postgres else " COLLATE utf8mb4_unicode_ci"
    other = "char(100)" if is_postgres else "varchar(100) CHARACTER SET latin1"
    part = "part) WHERE id > 5" if is_postgres else "part(10))"
    series = "generate_series(1, ?::int) seq" if is_postgres else "seq_1_to_20000 WHERE seq <= ?"
    await app.execute(
        "CREATE TABLE t (id int PRIMARY KEY, good varchar(100) NOT NULL, bare varchar(100),"
        f" second varchar(100), part varchar(100), other {other}, folding varchar(100){folding})"
    )
    value = "concat('k/', seq)"
    await app.execute(
        f"INSERT INTO t SELECT seq, {', '.join([value] * 6)} FROM {series}",
        ROWS,
    )
    await app.execute("CREATE INDEX t_good ON t (good, second)")
    await app.execute("CREATE INDEX t_other ON t (other)")
    await app.execute(f"CREATE INDEX t_part ON t ({part}")
    await app.execute("CREATE INDEX t_folding ON t (folding)")
    await app.execute("ANALYZE t" if is_postgres else "ANALYZE TABLE t")


async def test_postgres(on_postgres: AppDatabase) -> None:
    await filled(on_postgres)
    await both(on_postgres)
    # A text holds no such character, so that no row has it.
    assert await found(on_postgres, "good", "k/7\0", "k/7", "\udcff") == {7: "k/7"}


async def test_mariadb(on_mariadb: AppDatabase) -> None:
    await filled(on_mariadb)
    await both(on_mariadb)
    # What the collation takes for the same comes too: whoever asks compares.
    await on_mariadb.execute("UPDATE t SET folding = 'K/7' WHERE id = 8")
    assert await way(on_mariadb, "folding", "k/7") == ProbeWay("t_folding")
    assert await found(on_mariadb, "folding", "k/7") == {7: "k/7", 8: "K/7"}


async def both(app: AppDatabase) -> None:
    """What the engines have in common."""
    values = [f"k/{n}" for n in range(15)]
    assert await way(app, "good", *values) == ProbeWay("t_good")
    assert await way(app, "bare", *values) == _NO_INDEX
    assert await way(app, "second", *values) == _NO_INDEX  # of an index's second column
    assert await way(app, "part", *values) == _NO_INDEX
    assert (await way(app, "other", *values)).why_not.startswith("no plain text column")
    # Servers estimate how many rows there are, not exactly.
    many = [f"k/{n}" for n in range(ROWS // 10)]
    assert (await way(app, "good", *many)).why_not == "quicker for so few rows"
    # In several statements, and with a condition that ends with a comment.
    asked = [f"k/{n}" for n in range(0, 2 * ROWS, 3)]
    where = "id > 19000 -- and no others"
    expected = {n: f"k/{n}" for n in range(19_001, ROWS + 1) if n % 3 == 0}
    assert await found(app, "good", *asked, where=where) == expected
    assert await found(app, "good", "it's", "\\", '"') == {}
    assert await found(app, "good") == {}
