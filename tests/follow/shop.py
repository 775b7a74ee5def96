"""A small shop whose photos are followed: what is used, what is not, and whether all know it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from s3gc_core.actions.following import FollowEvent
from s3gc_core.database_url import DatabaseUrl, Engine
from s3gc_core.judgement import ScanSummary
from s3gc_core.references import Registry
from tests.follow.application import without_jit
from tests.follow.comparing import drift
from tests.servers.app_database import AppDatabase
from tests.world import World

ROWS = 12
# Nobody has used these before a test does.
NEVER_USED = frozenset({"orphan-1.jpg", "orphan-2.jpg", "next.jpg"})
TABLES: dict[str, object] = {"photos": ["path"]}
_CREATE = "CREATE TABLE photos (id int PRIMARY KEY, path varchar(100), other varchar(100))"


@dataclass(slots=True)
class Shop:
    """A bucket and a table `photos` of `ROWS` rows, old enough. Made by `open_shop`."""

    world: World
    accepted: tuple[str, ...] = ()

    @property
    def app(self) -> AppDatabase:
        """Its database."""
        return self.world.app

    def track(self, tables: dict[str, object]) -> None:
        """Follow these tables, and no others."""
        # What is not tracked is not looked into: following is what these tests are about.
        database = {"url": self.app.url, "cdc": True}
        self.world.track(tables, database=database, database_search="tracked")

    def accept_coverage(self, *columns: str) -> None:
        """Columns (`table.column`) that may hold keys and are not tracked."""
        parsed = DatabaseUrl.parse(self.app.url)
        schema = "public." if self.app.engine is Engine.POSTGRESQL else f"{parsed.database}."
        self.accepted = tuple(f"coverage:main:{schema}{column}" for column in columns)

    async def put(self, *keys: str) -> None:
        """More objects."""
        for key in keys:
            await self.world.put(key)

    async def rows(self) -> dict[int, str]:
        """What the photos refer to, as the database says."""
        found = await self.app.execute("SELECT id, path FROM photos WHERE path IS NOT NULL")
        return dict(found)

    async def edges(self) -> set[tuple[str, object, str]]:
        """What the registry says of every key of the bucket."""
        registry = await Registry.open(self.world.config.vault_path)
        try:
            return {
                (edge.source, edge.row, key)
                for key in await self.world.keys()
                for edge in await registry.edges_of(key)
            }
        finally:
            await registry.close()

    async def scan_is_exact(self, *released: str, used: frozenset[str] = frozenset()) -> None:
        """A scan tells exactly what nobody ever used, and keeps what was `released` for now.

        `used` are keys that other tables hold.
        """
        summary = await self.world.scan(self.accepted)
        labels = [trip.label for trip in summary.blocked]
        assert labels == [], labels
        rows = await self.rows()
        held = {*rows.values(), *used}
        never = NEVER_USED - held - {*released}
        assert await self.world.keys() - held == never | set(released)
        expected = dict.fromkeys(never, "orphan") | dict.fromkeys(released, "keep")
        verdicts = await self.world.verdicts()
        assert verdicts == expected, set(verdicts.items()) ^ set(expected.items())
        of_photos = {edge for edge in await self.edges() if edge[0] == "main:photos.path"}
        wanted: set[tuple[str, object, str]] = {
            ("main:photos.path", row, key) for row, key in rows.items()
        }
        assert of_photos == wanted, of_photos ^ wanted
        await self.registry_is_exact()

    async def registry_is_exact(self) -> None:
        """No edge too many, and none too few."""
        registry = await Registry.open(self.world.config.vault_path)
        try:
            assert await drift(registry, self.world.config) == []
        finally:
            await registry.close()

    async def scan_is_blocked(self) -> ScanSummary:
        """A scan that must not judge: the stream is lost. Nothing may go by it."""
        summary = await self.world.scan()
        assert [trip.label for trip in summary.blocked] == ["stream-lost:main"]
        assert summary.plan_id is None
        assert "orphan" not in (await self.world.verdicts()).values()
        return summary

    async def reload(self) -> None:
        """`s3gc follow --reload`, until it follows."""
        follows = asyncio.Event()

        def told(event: FollowEvent) -> None:
            if event.event == "following":
                follows.set()

        async with self.world.collector() as collector:
            following = asyncio.create_task(collector.follow(told, reload=True))
            waiting = asyncio.create_task(follows.wait())
            await asyncio.wait([following, waiting], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            following.cancel()
            [ended] = await asyncio.gather(following, return_exceptions=True)
        assert follows.is_set(), ended

    async def forget(self) -> None:
        """`s3gc follow --stop --drop-slot`."""
        async with self.world.collector() as collector:
            assert await collector.stop_following(drop_slot=True) == ["main"]

    async def stream_name(self) -> str:
        """What the stream is called."""
        registry = await Registry.open(self.world.config.vault_path)
        try:
            return (await registry.streams())["main"].name
        finally:
            await registry.close()


async def open_shop(world: World) -> Shop:
    """Every photo's object is there, and three that nobody uses."""
    shop = Shop(world)
    await without_jit(shop.app)
    await shop.app.execute(_CREATE)
    await shop.app.executemany(
        "INSERT INTO photos (id, path, other) VALUES (?, ?, ?)",
        [(n, f"photo-{n}.jpg", None) for n in range(1, ROWS + 1)],
    )
    await shop.put(*(f"photo-{n}.jpg" for n in range(1, ROWS + 1)), *NEVER_USED)
    world.days(30)
    shop.track(TABLES)
    return shop
