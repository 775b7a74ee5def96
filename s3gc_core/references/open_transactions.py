"""What is written and not yet committed: references that no reading sees, whatever it reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from s3gc_core.databases import Database
from s3gc_core.parallel import in_parallel


async def open_since(databases: Sequence[Database]) -> datetime | None:
    """When the oldest transaction began that is open now in any of the databases (UTC).

    To be asked before they are read: what is open then was open now, or is younger. Raises
    `DatabaseUnreachable`.
    """
    found = await in_parallel(database.oldest_transaction() for database in databases)
    return min((since for since in found if since is not None), default=None)
