"""Ids of operations, plans and jobs: ULIDs, so that they sort by the time they were made."""

from __future__ import annotations


def new_id() -> str:
    """A new ULID: 26 characters, in the order of time (github.com/ulid/spec)."""
    # Imported with the first id: the library reads its own metadata, and whoever only looks
    # (the dashboard's first paint) need not wait for that.
    from ulid import ULID

    return str(ULID())


def made_at(of_id: str) -> float:
    """When an id was made, in seconds since 1970."""
    from ulid import ULID

    return ULID.from_str(of_id).timestamp
