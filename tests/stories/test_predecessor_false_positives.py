"""Every way in which a predecessor deleted referenced objects (or kept orphans for ever), replayed.

One test for each row of the predecessors' table of false positives. Right is: nothing that a row
refers to goes, and what nothing refers to does go.
"""

from __future__ import annotations

import unicodedata

import pytest

from s3gc_core.errors import DatabaseUnreachable, GuardBlocked, NothingTracked, SourceMissing
from tests.servers.app_database import AppDatabase
from tests.servers.mariadb import MariadbServer
from tests.servers.process import free_port
from tests.stories.staging import picture, rows, upload
from tests.world import World

ORPHANS = {"nobody/refers-to.this", "nobody/refers-to.that"}


async def only_orphans_go(
    world: World, referenced: set[str], tables: dict[str, object], orphans: set[str] = ORPHANS
) -> None:
    """Upload everything, collect: exactly the orphans go, and the rest is untouched."""
    await upload(world, referenced | orphans)
    before = await picture(world)
    assert set(before) == referenced | orphans
    world.track(tables)
    world.days(30)
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == dict.fromkeys(orphans, "deleted")
    assert await picture(world) == {key: before[key] for key in referenced}


# The registry or the database is not what it seems


async def test_tables_but_no_database_url(sqlite_world: World) -> None:
    world = sqlite_world
    keys = [f"p/{n}.jpg" for n in range(10)]
    await upload(world, keys)
    await rows(world, "files", keys)
    world.track({"files": ["k"]}, database=None)
    world.days(30)
    with pytest.raises(NothingTracked, match="no database is configured"):
        await world.scan()
    assert await world.keys() == set(keys)


async def test_no_tables_but_a_database(sqlite_world: World) -> None:
    world = sqlite_world
    keys = [f"p/{n}.jpg" for n in range(10)]
    await upload(world, keys)
    await rows(world, "files", keys)
    world.track({})
    world.days(30)
    with pytest.raises(NothingTracked, match="no table is configured"):
        await world.scan()
    assert await world.keys() == set(keys)


async def blocked_by(world: World) -> list[str]:
    summary = await world.scan()
    assert summary.plan_id is None
    return [trip.label for trip in summary.blocked]


async def test_a_table_that_was_emptied(sqlite_world: World) -> None:
    world = sqlite_world
    keys = {f"p/{n}.jpg" for n in range(300)}
    await upload(world, keys)
    await rows(world, "files", keys)
    world.track({"files": ["k"]})
    world.days(30)
    assert await blocked_by(world) == []
    await world.app.execute("DELETE FROM files")
    assert await blocked_by(world) == ["no-references", "source-empty:main:files.k"]
    # Nor does the alarm wear off when it is ignored for longer than the retention.
    world.days(30)
    assert await blocked_by(world) == ["no-references", "source-empty:main:files.k"]
    async with world.collector() as collector:
        assert await collector.plans() == []
    assert await world.keys() == keys


async def test_an_empty_replica(sqlite_world: World) -> None:
    world = sqlite_world
    keys = {f"p/{n}.jpg" for n in range(10)}
    await upload(world, keys)
    await rows(world, "files", [])
    world.track({"files": ["k"]})
    world.days(30)
    assert await blocked_by(world) == ["no-references", "source-empty:main:files.k"]
    assert await world.keys() == keys


async def test_a_replica_that_is_behind(sqlite_world: World) -> None:
    world = sqlite_world
    keys = [f"p/{n}.jpg" for n in range(10)]
    await upload(world, keys)
    await rows(world, "files", keys)
    world.track({"files": ["k"]})
    world.days(30)
    assert await blocked_by(world) == []
    # It knows less than half of what was known before.
    await world.app.execute("DELETE FROM files WHERE id > 4")
    assert await blocked_by(world) == ["source-shrunk:main:files.k"]
    # It lacks two rows only: what was in use a moment ago has its retention time.
    for number, key in enumerate(keys[4:8], start=5):
        await world.app.execute("INSERT INTO files VALUES (?, ?)", number, key)
    assert await blocked_by(world) == []
    assert await world.verdicts() == {"p/8.jpg": "keep", "p/9.jpg": "keep"}
    assert await world.keys() == set(keys)


async def test_another_database(mariadb_world: World, mariadb: MariadbServer) -> None:
    world = mariadb_world
    keys = {f"p/{n}.jpg" for n in range(10)}
    await upload(world, keys)
    await rows(world, "files", keys)
    world.track({"files": ["k"]})
    world.days(30)
    assert await blocked_by(world) == []
    # The staging database: the same tables, and other rows in them.
    staging = AppDatabase(await mariadb.create_database())
    await rows(World(world.config, staging), "files", ["p/0.jpg", "p/1.jpg"])
    await staging.close()
    world.track({"files": ["k"]}, database=staging.url)
    with pytest.raises(GuardBlocked) as refused:
        await world.scan()
    assert refused.value.guards == ("identity:main",)
    assert await world.keys() == keys


async def test_the_mysql_backend_asks_the_configured_server(
    mariadb_world: World, mariadb: MariadbServer
) -> None:
    world = mariadb_world
    await rows(world, "files", ["p/used.jpg"])
    await only_orphans_go(world, {"p/used.jpg"}, {"files": ["k"]})
    async with world.collector() as collector:
        why = await collector.why("p/used.jpg")
    assert {reference.table for reference in why.references} == {"files"}


async def test_a_mysql_url_that_leads_nowhere(mariadb_world: World) -> None:
    world = mariadb_world
    await upload(world, {"p/used.jpg"})
    world.track({"files": ["k"]}, database=f"mysql://root@127.0.0.1:{free_port()}/test")
    world.days(30)
    with pytest.raises(DatabaseUnreachable):
        await world.scan()
    assert await world.keys() == {"p/used.jpg"}


# The same key, written otherwise


async def test_url_column_with_percent_encoded_keys(sqlite_world: World) -> None:
    world = sqlite_world
    base = f"https://{world.config.bucket}.s3.amazonaws.com"
    await rows(
        world,
        "files",
        [f"{base}/my%20photo.jpg", f"{base}/m%C3%BCnchen/%F0%9F%98%80.jpg", f"{base}/a+b+c.jpg"],
    )
    referenced = {"my photo.jpg", "münchen/😀.jpg", "a b c.jpg"}
    await only_orphans_go(world, referenced, {"files": [{"column": "k", "codec": "url"}]})


async def test_json_text_with_escapes(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(
        world,
        "posts",
        [r'{"image": "uploads\/2026\/a.jpg"}', r'["uploads/\u00fcber/\ud83d\ude00.jpg"]'],
    )
    await only_orphans_go(world, {"uploads/2026/a.jpg", "uploads/über/😀.jpg"}, {"posts": ["k"]})


async def test_key_with_a_backslash(aws_world: World) -> None:
    await rows(aws_world, "files", ["docs\\mine.doc"])
    orphans = {"docs\\theirs.doc", "docs\\\\mine.doc.bak"}
    await only_orphans_go(aws_world, {"docs\\mine.doc"}, {"files": ["k"]}, orphans)


async def test_composed_column_and_decomposed_key(world: World) -> None:
    composed, decomposed = (unicodedata.normalize(form, "é/ü.jpg") for form in ("NFC", "NFD"))
    assert composed != decomposed
    await rows(world, "files", [composed])
    await only_orphans_go(world, {decomposed}, {"files": ["k"]})


async def test_column_with_the_base_name_only(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(world, "files", ["Beach-0815.jpg", "other.jpg"])
    orphan, referenced = "users/7/lost.jpg", "users/7/Beach-0815.jpg"
    await upload(world, {referenced, orphan, "other.jpg"})
    before = await picture(world)
    world.track({"files": ["k"]})
    world.days(30)
    executed = await world.collect()
    judged = await world.judged()
    assert {key: of.verdict.value for key, of in judged.items()} == {
        orphan: "orphan",
        referenced: "held",
    }
    # Not silent: the row is named, and what is odd about it.
    assert judged[referenced].reason == (
        "main:files.k row 1 (Beach-0815.jpg) differs from it only in spelling or in what stands"
        " before it"
    )
    assert await world.outcomes(executed.operation_id) == {orphan: "deleted"}
    assert await picture(world) == {key: before[key] for key in (referenced, "other.jpg")}


async def test_urls_and_odd_keys_that_substring_search_found(aws_world: World) -> None:
    bucket = aws_world.config.bucket
    long_300, long_1000 = "l/" + "x" * 294 + ".dat", "m/" + "é" * 497 + ".dat"
    assert (len(long_300), len(long_1000.encode())) == (300, 1000)
    values = {
        "u/virtual.jpg": f"https://{bucket}.s3.amazonaws.com/u/virtual.jpg?x=y",
        "u/regional.jpg": f"https://{bucket}.s3.eu-central-1.amazonaws.com/u/regional.jpg",
        "u/path.jpg": f"https://s3.amazonaws.com/{bucket}/u/path.jpg",
        "u/regional-path.jpg": f"https://s3.eu-west-1.amazonaws.com/{bucket}/u/regional-path.jpg",
        "u/endpoint.jpg": f"{aws_world.config.endpoint_url}/{bucket}/u/endpoint.jpg",
        "u/cdn.jpg": "https://cdn.example.org/u/cdn.jpg",
        "u/s3.jpg": f"s3://{bucket}/u/s3.jpg",
        "u/slash.jpg": "/u/slash.jpg",
        "u/with space.jpg": "u/with space.jpg",
        "u/日本語.jpg": "u/日本語.jpg",
        "u/new\nline.jpg": "u/new\nline.jpg",
        "u/quo'te\".jpg": "u/quo'te\".jpg",
        "u/array-1.jpg": '["u/array-1.jpg", "u/array-2.jpg"]',
        "u/array-2.jpg": '["u/array-1.jpg", "u/array-2.jpg"]',
        long_300: long_300,
        long_1000: long_1000,
    }
    await rows(aws_world, "files", values.values())
    orphans = {f"{key}.orphan"[-1000:] for key in values if key != long_1000} | {"n" + long_300}
    await only_orphans_go(aws_world, set(values), {"files": ["k"]}, orphans)


async def test_a_url_of_another_bucket_protects_nothing_here(sqlite_world: World) -> None:
    # The predecessor kept these for ever.
    await rows(sqlite_world, "files", ["s3://other-bucket/k.jpg", "p/used.jpg"])
    await only_orphans_go(sqlite_world, {"p/used.jpg"}, {"files": ["k"]}, {"k.jpg"})


# Tables of all kinds


async def test_table_without_primary_key(world: World) -> None:
    await world.app.execute("CREATE TABLE files (k VARCHAR(200))")
    await world.app.execute("INSERT INTO files VALUES ('p/a.jpg'), ('p/a.jpg'), ('p/b.jpg')")
    await only_orphans_go(world, {"p/a.jpg", "p/b.jpg"}, {"files": ["k"]})


async def test_table_in_a_schema(postgres_world: World) -> None:
    world = postgres_world
    await world.app.execute("CREATE SCHEMA media")
    await rows(world, "media.files", ["p/in-media.jpg"])
    await rows(world, "public.files", ["p/in-public.jpg"])
    world.track({"media.files": ["k"]})
    async with world.collector() as collector:
        await collector.clear_columns("public.files.k", reason="left over from a test")
    await only_orphans_go(
        world, {"p/in-media.jpg"}, {"media.files": ["k"]}, {*ORPHANS, "p/in-public.jpg"}
    )


async def test_columns_of_other_types_and_mixed_case_names(postgres_world: World) -> None:
    world = postgres_world
    await world.app.execute(
        'CREATE TABLE "UserFiles" (id INTEGER PRIMARY KEY, "Doc" jsonb, j json, list text[],'
        " raw bytea)"
    )
    await world.app.execute(
        """INSERT INTO "UserFiles" VALUES (1, '{"a": {"b": ["p/jsonb.jpg"]}}',"""
        r""" '{"path": "p\/json \u00fc.jpg"}', ARRAY['p/one.jpg', 'p/two, three.jpg', NULL],"""
        " 'p/bytea.jpg'::bytea)"
    )
    await only_orphans_go(
        world,
        {"p/jsonb.jpg", "p/json ü.jpg", "p/one.jpg", "p/two, three.jpg", "p/bytea.jpg"},
        {"UserFiles": ["Doc", "j", "list", "raw"]},
    )


async def test_missing_column(sqlite_world: World) -> None:
    world = sqlite_world
    await rows(world, "files", ["p/used.jpg"])
    keys = {"p/used.jpg", *ORPHANS}
    await upload(world, keys)
    world.track({"files": ["k", "avatar"]})
    world.days(30)
    with pytest.raises(SourceMissing, match="no column 'avatar'"):
        await world.scan()
    assert await world.keys() == keys
    # Corrected, it goes on at once.
    world.track({"files": ["k"]})
    assert (await world.collect()).counts == {"deleted": 2}
    assert await world.keys() == {"p/used.jpg"}


# Orphans that were kept for ever


async def test_orphans_that_substring_search_kept_for_ever(sqlite_world: World) -> None:
    world = sqlite_world
    referenced = {"x/ab.dat", "kX1.dat", "100 and more.dat", "banana"}
    await rows(world, "files", referenced)
    # Parts of referenced values, and keys that LIKE takes for patterns of referenced values.
    orphans = {"b.dat", "a", "k_1.dat", "100%.dat"}
    await only_orphans_go(world, referenced, {"files": ["k"]}, orphans)


async def test_the_registry_does_not_drift(sqlite_world: World) -> None:
    world = sqlite_world
    key = "p/once-used.jpg"
    await upload(world, {key, "p/used.jpg"})
    before = await picture(world)
    await rows(world, "files", ["p/used.jpg", key])
    world.track({"files": ["k"]}, mode="dry_run")

    async def edges() -> list[tuple[str, int | str]]:
        async with world.collector() as collector:
            return [(edge.source, edge.row) for edge in await collector.registry.edges_of(key)]

    # A row is one reference, however often it is seen, by scans or by a registry built anew.
    for _ in range(3):
        assert await blocked_by(world) == []
    async with world.collector() as collector:
        await collector.rebuild_registry()
    assert await edges() == [("main:files.k", 2)]
    # No row is no reference, and stays none.
    await world.app.execute("DELETE FROM files WHERE id = 2")
    await world.scan()
    assert await edges() == []
    world.days(8)
    world.track({"files": ["k"]})
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == {key: "deleted"}
    assert await picture(world) == {"p/used.jpg": before["p/used.jpg"]}
