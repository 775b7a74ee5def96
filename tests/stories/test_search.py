"""A column that nobody listed holds keys in a few of its rows: the scan finds and keeps them."""

from __future__ import annotations

from dataclasses import replace

from s3gc_core.databases import DatabaseUrl, Engine
from s3gc_core.judgement import ScanSummary
from tests.stories.staging import upload
from tests.world import World

ROWS = 3_000
# What the letters say: the text, and where the key stands in it.
LETTERS = {
    1_500: "please see rare/only-once.jpg.",
    1_501: '{"url": "https://h/r/einkauf%20%C3%BCber.jpg"}',
    1_502: '{"file": "mail\\/attachment-7.pdf"}',
    1_503: "the number 1771 and invoice 70",
    1_504: "see backup-documents/archive-12.tar",
}
IN_BYTES = b"\x01\xff\x00bytes/report-2024.bin\x00\xfe"
KEPT = {
    "rare/only-once.jpg": ("letters.body row 1500", "please see rare/only-once.jpg."),
    "r/einkauf über.jpg": ("letters.body row 1501", "r/einkauf%20%C3%BCber.jpg"),
    "mail/attachment-7.pdf": ("letters.body row 1502", "mail\\/attachment-7.pdf"),
    "bytes/report-2024.bin": ("attic.data row 3", "bytes/report-2024.bin"),
}
# A long key inside of a longer word is no chance, a short one is.
HELD = {"documents/archive-12": ("letters.body row 1504", "backup-documents/archive-12.tar")}
GONE = {"77", "orphan/really-gone.jpg"}


async def furnished(world: World, **settings: object) -> None:
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR(200))")
    await world.app.execute("INSERT INTO files VALUES (1, 'used.jpg')")
    await world.app.execute("CREATE TABLE letters (id INTEGER PRIMARY KEY, body VARCHAR(200))")
    await world.app.executemany(
        "INSERT INTO letters VALUES (?, ?)",
        [(n, LETTERS.get(n, f"hello {'x' * (n % 7)}")) for n in range(1, ROWS + 1)],
    )
    blob = "BYTEA" if world.app.url.startswith("postgres") else "BLOB"
    await world.app.execute(f"CREATE TABLE attic (id INTEGER PRIMARY KEY, data {blob})")
    await world.app.executemany("INSERT INTO attic VALUES (?, ?)", [(3, IN_BYTES)])
    await upload(world, {"used.jpg", *KEPT, *HELD, *GONE})
    world.track({"files": ["path"]}, **settings)
    world.days(8)


async def scanned(world: World) -> ScanSummary:
    """A scan for which somebody accepts what sampling finds (guard `coverage`)."""
    labels = [trip.label for trip in (await world.scan()).blocked if trip.guard == "coverage"]
    return await world.scan(labels)


async def test_forgotten_columns_keep_their_objects(world: World) -> None:
    await furnished(world)
    summary = await scanned(world)
    assert summary.blocked == []
    judged = await world.judged()
    assert {key: one.verdict.value for key, one in judged.items()} == {
        **dict.fromkeys(KEPT, "keep"),
        **dict.fromkeys(HELD, "held"),
        **dict.fromkeys(GONE, "orphan"),
    }
    for key, (place, text) in (KEPT | HELD).items():
        reason = judged[key].layers.database.reason
        assert place in reason
        assert text in reason
    told = judged["77"].layers.database.reason
    assert "and every text column of every table was searched" in told
    assert "letters.body row 1503 (the number 1771 and invoice 70)" in told
    # Asked about one object, s3gc still knows.
    async with world.collector() as collector:
        answer = await collector.why("rare/only-once.jpg")
    assert answer.judged is not None
    assert answer.judged.verdict.value == "keep"
    assert summary.plan_id is not None
    executed = await world.execute(summary.plan_id)
    assert await world.outcomes(executed.operation_id) == dict.fromkeys(GONE, "deleted")
    assert await world.keys() == {"used.jpg", *KEPT, *HELD}


async def test_only_tracked_columns_are_asked_where_somebody_says_so(sqlite_world: World) -> None:
    """The negative control: without the search, all of these would go."""
    await furnished(sqlite_world, database_search="tracked")
    summary = await scanned(sqlite_world)
    assert summary.blocked == []
    assert await sqlite_world.verdicts() == dict.fromkeys([*KEPT, *HELD, *GONE], "orphan")
    [reason] = {one.layers.database.reason for one in (await sqlite_world.judged()).values()}
    assert reason == "every tracked column was asked, in every spelling"


async def test_tables_that_are_skipped_are_named(sqlite_world: World) -> None:
    await furnished(sqlite_world, database_search_skip=["main:letters"])
    assert (await scanned(sqlite_world)).blocked == []
    assert await sqlite_world.verdicts() == {
        **dict.fromkeys([*KEPT, *HELD, *GONE], "orphan"),
        "bytes/report-2024.bin": "keep",
    }
    reason = (await sqlite_world.judged())["77"].layers.database.reason
    assert reason.endswith("every table was searched but main:main.letters")


async def test_a_database_too_large_blocks(sqlite_world: World) -> None:
    await furnished(sqlite_world, database_search_max_bytes=10_000)
    summary = await scanned(sqlite_world)
    assert [trip.label for trip in summary.blocked] == ["database-search-size"]
    assert summary.plan_id is None


async def test_a_column_that_cannot_be_read_blocks(postgres_world: World) -> None:
    """The other columns of its table are searched all the same; a person may accept it."""
    world = postgres_world
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
    await world.app.execute("INSERT INTO files VALUES (1, 'a/used.jpg')")
    await world.app.execute("CREATE TABLE odd (id INTEGER PRIMARY KEY, b BYTEA[], note TEXT)")
    await world.app.execute("INSERT INTO odd VALUES (1, NULL, 'see a/noted.jpg')")
    await upload(world, {"a/used.jpg", "a/noted.jpg", "a/gone.jpg"})
    world.track({"files": ["path"]})
    world.days(8)
    blocked = [t.label for t in (await world.scan()).blocked if t.guard != "coverage"]
    assert blocked == ["unsearched:main:public.odd.b"]
    assert (await world.scan()).not_searched == ["main:public.odd.b"]
    assert await world.verdicts() == {"a/noted.jpg": "keep", "a/gone.jpg": "orphan"}
    accepted = [*blocked, "coverage:main:public.odd.note"]
    assert (await world.scan(accepted)).blocked == []
    reason = (await world.judged())["a/gone.jpg"].layers.database.reason
    assert reason.endswith("every table was searched but main:public.odd.b")


async def test_a_table_that_may_not_be_read_blocks(world: World) -> None:
    """Where the server tells this user that it is there at all."""
    app = world.app
    await app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR(99))")
    await app.execute("INSERT INTO files VALUES (1, 'a/used.jpg')")
    await app.execute("CREATE TABLE closed (id INTEGER PRIMARY KEY, note VARCHAR(99))")
    await app.execute("INSERT INTO closed VALUES (1, 'see a/noted.jpg')")
    await upload(world, {"a/used.jpg", "a/noted.jpg"})
    url = DatabaseUrl.parse(app.url)
    if url.engine is Engine.SQLITE:
        return  # it knows no rights
    user = f"reads_{url.database}"
    is_postgres = url.engine is Engine.POSTGRESQL
    create = (
        f"CREATE ROLE {user} LOGIN PASSWORD 'pw'"
        if is_postgres
        else f"CREATE USER {user} IDENTIFIED BY 'pw'"
    )
    await app.execute(create)
    try:
        await app.execute(f"GRANT SELECT ON files TO {user}")
        await app.execute(f"GRANT INSERT ON closed TO {user}")
        limited = replace(url, user=user, password="pw").render()
        world.track({"files": ["path"]}, database=limited)
        world.days(8)
        summary = await world.scan()
        [column] = summary.not_searched
        assert column.endswith("closed.note")
        assert [t.label for t in summary.blocked if t.guard != "coverage"] == [
            f"unsearched:{column}"
        ]
        assert summary.plan_id is None
    finally:
        if is_postgres:
            await app.execute(f"DROP OWNED BY {user}")
        await app.execute(f"DROP USER {user}")


async def test_rows_that_do_not_count_keep_nothing(sqlite_world: World) -> None:
    """What a person said about a column holds for the search as well."""
    world = sqlite_world
    await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT, gone INT)")
    await world.app.executemany(
        "INSERT INTO files VALUES (?, ?, ?)", [(1, "a/used.jpg", 0), (2, "a/removed.jpg", 1)]
    )
    await world.app.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, line TEXT)")
    await world.app.execute("INSERT INTO log VALUES (1, 'uploaded a/logged.jpg')")
    await upload(world, {"a/used.jpg", "a/removed.jpg", "a/logged.jpg"})
    world.track({"files": [{"column": "path", "where": "gone = 0"}]})
    world.days(8)
    await scanned(world)
    assert await world.verdicts() == {"a/removed.jpg": "orphan", "a/logged.jpg": "keep"}
    async with world.collector() as collector:
        await collector.clear_columns("log.line", reason="what was uploaded, once")
    assert (await world.scan()).blocked == []
    assert await world.verdicts() == {"a/removed.jpg": "orphan", "a/logged.jpg": "orphan"}


async def test_a_name_to_skip_that_no_table_has_is_told(sqlite_world: World) -> None:
    skip = ["lettres", "main:attic"]
    await furnished(sqlite_world, database_search_skip=skip)
    summary = await scanned(sqlite_world)
    assert summary.unmatched_skips == ["lettres"]
    assert summary.not_searched == summary.search_skipped == ["main:main.attic"]
