"""Where the long runs happen: a server, a parent of children, and grounds on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from s3gc_core.config import Config
from s3gc_tui.demo.seaweed import SeaweedServer
from tests.faults.children import Nursery, running_nursery
from tests.faults.conftest import furnished
from tests.faults.ground import Ground
from tests.servers.seaweed import running_seaweed


@dataclass(frozen=True, slots=True)
class Place:
    """A server with any number of grounds."""

    server: SeaweedServer
    nursery: Nursery

    async def ground(self, folder: Path, vault: Path) -> AbstractAsyncContextManager[Ground]:
        """A new ground: its bucket (with the folder's name), its database, an empty vault."""
        name = f"faults-{folder.name}"
        await self.server.create_bucket(name)
        vault.mkdir(parents=True, mode=0o700)
        config = Config(bucket=name, endpoint_url=self.server.endpoint, vault_path=vault)
        return furnished(config, self.server, self.nursery, folder)


@asynccontextmanager
async def running_place(folder: Path) -> AsyncIterator[Place]:
    """Start both, with the credentials of the server in the environment."""
    for part in ("server", "children"):
        (folder / part).mkdir()
    with pytest.MonkeyPatch.context() as environment:
        async with running_seaweed(folder / "server") as server:
            environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
            environment.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
            environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))
            environment.setenv("AWS_ACCESS_KEY_ID", server.access_key)
            environment.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
            async with running_nursery(folder / "children") as nursery:
                yield Place(server, nursery)
