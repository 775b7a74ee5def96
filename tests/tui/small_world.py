"""The world the command line is tried on: two used, three forgotten and one protected object."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from s3gc_core.bucket import ObjectHeaders
from tests.tui.command_line import CommandLine, toml
from tests.world import World

USED = {"used/1.jpg": b"one", "used/2.jpg": b"two"}
FORGOTTEN = {"gone/a.txt": b"a" * 10, "gone/b.txt": b"b" * 200, "left/c.txt": b"c" * 3000}
PROTECTED = {"backups/d.txt": b"d"}
HEADERS = ObjectHeaders(content_type="text/plain", metadata={"from": "a test"})
# Longer than the retention time, shorter than anything else that ages.
LATER = 10.0
TABLES = {"users": ["avatar"]}


async def furnish(world: World, **settings: Any) -> None:
    """Make the table, its rows and the objects; `settings` go into the configuration."""
    await world.app.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, avatar TEXT)")
    await world.app.executemany("INSERT INTO users VALUES (?, ?)", list(enumerate(USED, start=1)))
    world.track(TABLES, exclude_prefixes=["backups/"], **settings)
    async with world.bucket() as bucket:
        for key, body in {**USED, **FORGOTTEN, **PROTECTED}.items():
            await bucket.put(key, pieces(body), len(body), HEADERS)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body as the bucket takes it."""
    yield body


@dataclass(frozen=True, slots=True)
class SmallWorld:
    """The world and the command line beside it."""

    world: World
    cli: CommandLine

    def write_config(self, **fields: Any) -> None:
        """Write the world's configuration, changed by `fields`, where the command line finds it."""
        if fields:
            self.world.change(**fields)
        self.cli.config.write_text(toml(self.world.config))

    async def planned(self) -> str:
        """Scan when the forgotten objects are old enough; returns the plan's id."""
        self.world.days(LATER)
        summary = await self.world.scan()
        assert summary.blocked == []
        assert summary.plan_id is not None
        return summary.plan_id

    async def approved(self, *keys: str) -> str:
        """Scan and approve the plan, or these keys of it; returns the approved plan's id."""
        plan_id = await self.planned()
        async with self.world.collector() as collector:
            plan = await collector.approve(plan_id, reason="a test", keys=keys)
        return plan.plan_id

    async def collected(self) -> str:
        """Scan, approve and execute; returns the execution's operation id."""
        return (await self.world.execute(await self.planned())).operation_id
