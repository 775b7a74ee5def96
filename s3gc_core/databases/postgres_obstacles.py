"""What keeps a PostgreSQL database, or one of its tables, from being followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg

from s3gc_core.database_url import DatabaseUrl
from s3gc_core.databases.following import Obstacle, Watched
from s3gc_core.databases.postgres import PostgresDatabase

if TYPE_CHECKING:
    # asyncpg's classes are generic in its stubs only.
    Connection = asyncpg.Connection[asyncpg.Record]


async def obstacles(
    database: PostgresDatabase, url: DatabaseUrl, mark: str, watched: Sequence[Watched]
) -> list[Obstacle]:
    """Everything that is in the way. Changes nothing."""
    return []
