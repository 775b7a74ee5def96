"""Real applications: discovery finds each column that holds keys, no other, and a scan with what
it suggests finds exactly the files that no row stands for.

Payload and MediaWiki take longer to install: `python -m tests.applications` has them too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from s3gc_core.config import Config
from tests.applications import Application
from tests.applications.discovering import Discovered, discovered, wrong
from tests.servers.app_database import AppDatabase
from tests.world import World

Discover = Callable[[Application], AbstractAsyncContextManager[Discovered]]


@pytest.fixture
def discover(bucket_config: Config) -> Discover:
    """Discovery in a bucket of its own."""

    @asynccontextmanager
    async def run(application: Application) -> AsyncIterator[Discovered]:
        database = AppDatabase(application.database_url)
        try:
            yield await discovered(application, World(bucket_config, database))
        finally:
            await database.close()

    return run


async def test_wagtail(wagtail: Application, discover: Discover) -> None:
    async with discover(wagtail) as found:
        assert found.columns == wagtail.holds.keys()
        assert found.of("orphan") == wagtail.unreferenced
        assert found.in_use == wagtail.files.keys() - wagtail.unreferenced
        # Wagtail stores keys, and writes URLs with its media folder before them.
        how = {f.id.column: (str(f.codec), f.patterns) for f in found.findings}
        assert how["file"] == ("key", ())
        assert how["redirect_link"] == ("url", ("/media/{key}",))
        assert how["intro"] == ("text", ("/media/{key}",))
        assert wrong(wagtail, found) == []


async def test_wordpress(wordpress: Application, discover: Discover) -> None:
    async with discover(wordpress) as found:
        assert found.columns == wordpress.holds.keys()
        assert found.of("orphan") == wordpress.unreferenced
        # The sizes of a picture are base names in a serialised list: near misses, and held.
        only_named = {key for key in wordpress.files if found.verdicts.get(key) == "held"}
        assert all(key.rpartition("/")[2].count("-") for key in only_named)
        assert found.in_use == wordpress.files.keys() - wordpress.unreferenced - only_named
        assert wrong(wordpress, found) == []
