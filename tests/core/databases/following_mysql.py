"""Short ways for these tests to follow a MariaDB database."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_core.databases import (
    Beat,
    Change,
    ChangeStream,
    Commit,
    DatabaseUrl,
    RowChange,
    Start,
    Watched,
)
from s3gc_core.databases.mysql_following import MysqlFollowing
from tests.servers.app_database import AppDatabase

PATIENCE_SECONDS = 30.0


class Followed:
    """A database of the application, and the way to follow it."""

    def __init__(self, url: str, name: str = "registry_1") -> None:
        self.app = AppDatabase(url)
        self.url = DatabaseUrl.parse(url)
        self.schema = self.url.database
        self.following = MysqlFollowing(self.url, "main", name)

    def watched(self, table: str, *columns: str) -> Watched:
        return Watched(f"{self.schema}.{table}", columns)

    async def run(self, *statements: str) -> None:
        """One after another, in the application's session."""
        for statement in statements:
            await self.app.execute(statement)

    async def told(self, start: Start, *watched: Watched) -> list[Change]:
        """What has come since `start`, without commits and beats."""
        token = (await self.following.beat()).token
        async with self.following.stream(start, watched) as stream:
            return plain(await until(stream, token))


async def until(stream: ChangeStream, token: str) -> list[Change]:
    """Everything up to the commit of the beat with that token, and what came with it."""
    found: list[Change] = []
    while not any(is_beat(change, token) for change in found):
        more = await stream.read(PATIENCE_SECONDS)
        assert more, "the stream tells nothing"
        found += more
    while is_beat(found[-1], token):
        found += await stream.read(PATIENCE_SECONDS)
    return found


def is_beat(change: Change, token: str) -> bool:
    return isinstance(change, Beat) and change.token == token


def plain(changes: Sequence[Change]) -> list[Change]:
    """Without commits and beats."""
    return [change for change in changes if not isinstance(change, Commit | Beat)]


def row_changes(changes: Sequence[Change]) -> list[RowChange]:
    return [change for change in changes if isinstance(change, RowChange)]
