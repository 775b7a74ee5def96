"""What a server must have, and a table must be, to be followed by the binary log."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_core.databases.following import Obstacle, Watched
from s3gc_core.databases.mysql_connection import Connection


async def obstacles(
    connection: Connection, name: str, watched: Sequence[Watched]
) -> list[Obstacle]:
    """Everything in the way. Raises the driver's errors."""
    return []
