"""What may become of a followed table without the stream telling of a single row."""

from __future__ import annotations

import pytest

from s3gc_core.errors import SourceMissing
from s3gc_core.references import Registry
from tests.follow.comparing import come_to_now
from tests.follow.shop import ROWS, TABLES, Shop


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE photos ADD COLUMN more varchar(100) DEFAULT 'photo-1.jpg'",),
        # Another column is called so now: its values are what counts.
        (
            "ALTER TABLE photos RENAME COLUMN path TO aside",
            "ALTER TABLE photos RENAME COLUMN other TO path",
        ),
        # It is what it was, and was written under another name meanwhile.
        (
            "ALTER TABLE photos RENAME COLUMN path TO aside",
            "UPDATE photos SET aside = 'photo-12.jpg' WHERE id = 11",
            "ALTER TABLE photos RENAME COLUMN aside TO path",
        ),
        # Another table is called so now.
        (
            "CREATE TABLE photos_new (id int PRIMARY KEY, path varchar(100), other varchar(100))",
            "INSERT INTO photos_new SELECT id, other, path FROM photos",
            "ALTER TABLE photos RENAME TO photos_old",
            "ALTER TABLE photos_new RENAME TO photos",
        ),
        ("ALTER TABLE photos DROP COLUMN other",),
    ],
    ids=["added", "renamed", "renamed-back", "replaced", "dropped-column"],
)
async def test_a_definition_that_changed(shop: Shop, statements: tuple[str, ...]) -> None:
    # That keys are in columns and tables nobody tracks is what this is about.
    shop.accept_coverage(
        *("photos.other", "photos.more", "photos.aside", "photos_old.path", "photos_old.other")
    )
    await shop.app.execute("UPDATE photos SET other = path WHERE id > 1")
    await shop.app.execute("UPDATE photos SET other = 'next.jpg' WHERE id = 1")
    before = set((await shop.rows()).values())
    await shop.scan_is_exact()
    for statement in statements:
        await shop.app.execute(statement)
    await shop.scan_is_exact(*sorted(before - set((await shop.rows()).values())))


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE photos ALTER path TYPE text USING replace(path, 'photo-1.', 'next.')",),
        (
            "ALTER TABLE photos REPLICA IDENTITY NOTHING",
            "INSERT INTO photos (id, path) VALUES (100, 'next.jpg')",
        ),
        ("ALTER TABLE photos SET UNLOGGED", "UPDATE photos SET path = 'next.jpg' WHERE id = 1"),
        ("VACUUM FULL photos", "UPDATE photos SET path = 'next.jpg' WHERE id = 1"),
    ],
    ids=["using", "no-identity", "unlogged", "vacuumed"],
)
async def test_a_table_of_postgresql_that_changed(
    postgres_shop: Shop, statements: tuple[str, ...]
) -> None:
    shop = postgres_shop
    before = set((await shop.rows()).values())
    await shop.scan_is_exact()
    for statement in statements:
        if "UNLOGGED" in statement:
            # A published table cannot become so.
            await shop.forget()
        await shop.app.execute(statement)
    await shop.scan_is_exact(*sorted(before - set((await shop.rows()).values())))


async def test_a_partition_that_joins_with_its_rows(postgres_shop: Shop) -> None:
    shop = postgres_shop
    shop.accept_coverage("photos_more.path")
    columns = "id int PRIMARY KEY, path varchar(100), other varchar(100)"
    for statement in (
        "ALTER TABLE photos RENAME TO photos_first",
        f"CREATE TABLE photos ({columns}) PARTITION BY RANGE (id)",
        "ALTER TABLE photos ATTACH PARTITION photos_first FOR VALUES FROM (0) TO (100)",
    ):
        await shop.app.execute(statement)
    await shop.scan_is_exact()
    await shop.app.execute("CREATE TABLE photos_more (LIKE photos INCLUDING ALL)")
    await shop.app.execute("INSERT INTO photos_more VALUES (100, 'next.jpg', NULL)")
    await shop.scan_is_exact()
    await shop.app.execute(
        "ALTER TABLE photos ATTACH PARTITION photos_more FOR VALUES FROM (100) TO (200)"
    )
    await shop.scan_is_exact()
    assert "next.jpg" not in await shop.world.verdicts()
    await shop.app.execute("ALTER TABLE photos DETACH PARTITION photos_more")
    await shop.scan_is_exact("next.jpg")


async def test_a_truncated_table(shop: Shop) -> None:
    shop.track({"photos": [{"column": "path", "may_be_empty": True}], "pages": ["cover"]})
    await shop.app.execute("CREATE TABLE pages (id int PRIMARY KEY, cover varchar(100))")
    await shop.app.execute("INSERT INTO pages VALUES (1, 'photo-1.jpg')")
    await shop.scan_is_exact(used=frozenset({"photo-1.jpg"}))
    await shop.app.execute("TRUNCATE TABLE photos")
    gone = [f"photo-{n}.jpg" for n in range(2, ROWS + 1)]
    await shop.scan_is_exact(*gone, used=frozenset({"photo-1.jpg"}))
    await shop.app.execute("INSERT INTO photos (id, path) VALUES (7, 'photo-2.jpg')")
    await shop.scan_is_exact(*gone[1:], used=frozenset({"photo-1.jpg"}))


async def test_a_source_that_joins_is_read_alone(shop: Shop) -> None:
    await shop.app.execute("CREATE TABLE pages (id int PRIMARY KEY, cover varchar(100))")
    await shop.app.executemany(
        "INSERT INTO pages VALUES (?, ?)", [(1, "next.jpg"), (2, None), (3, "photo-1.jpg")]
    )
    shop.accept_coverage("pages.cover")
    await shop.scan_is_exact()
    shop.track(TABLES | {"pages": ["cover"]})
    read: list[int] = []
    registry = await Registry.open(shop.world.config.vault_path)
    try:
        await come_to_now(registry, shop.world.config, follow=True, rows_read=read.append)
    finally:
        await registry.close()
    assert sum(read) == 3
    await shop.scan_is_exact(used=frozenset({"next.jpg"}))


async def test_a_table_that_was_dropped(shop: Shop) -> None:
    await shop.app.execute("CREATE TABLE pages (id int PRIMARY KEY, cover varchar(100))")
    await shop.app.execute("INSERT INTO pages VALUES (1, 'next.jpg')")
    shop.track(TABLES | {"pages": ["cover"]})
    await shop.scan_is_exact(used=frozenset({"next.jpg"}))
    await shop.app.execute("DROP TABLE pages")
    with pytest.raises(SourceMissing):
        await shop.world.scan()
    shop.track(TABLES)
    await shop.scan_is_exact("next.jpg")


async def test_a_table_that_cannot_be_followed_is_read_as_a_whole(shop: Shop) -> None:
    await shop.app.execute("CREATE TABLE keyless (cover varchar(100))")
    await shop.app.execute("INSERT INTO keyless VALUES ('next.jpg')")
    shop.track(TABLES | {"keyless": ["cover"]})
    await shop.scan_is_exact(used=frozenset({"next.jpg"}))
    await shop.app.execute("UPDATE keyless SET cover = 'orphan-1.jpg'")
    await shop.app.execute("UPDATE photos SET path = 'orphan-2.jpg' WHERE id = 1")
    await shop.scan_is_exact("next.jpg", "photo-1.jpg", used=frozenset({"orphan-1.jpg"}))
