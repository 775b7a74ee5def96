"""What a change stream tells, in the order in which the database committed it.

Names of tables are the canonical ones of `TableShape`; identities and values of rows are those that
`Snapshot.rows` gives for the same row.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import msgspec

from s3gc_core.databases.protocol import RowId, Value


class Untold(Enum):
    """Stands where the stream does not tell a value, which is not the same as NULL.

    `UNCHANGED`: it is what it was before, such as a TOAST value that an update left alone, or a
    column left out of a MINIMAL row image. `UNTOLD`: it may be anything, such as of a type whose
    text in the stream is not that of a read.
    """

    UNCHANGED = "unchanged"
    UNTOLD = "untold"


UNCHANGED = Untold.UNCHANGED
UNTOLD = Untold.UNTOLD


class RowChange(msgspec.Struct, frozen=True, gc=False):
    """One row inserted (`before` is None), updated, moved to another identity, or deleted.

    `before` is the identity under which the row is no more what it was, `after` the one under which
    it now is (None: deleted); both are the same for an ordinary update. `values` are those of
    `Watched.columns`, in that order; empty for a deletion.
    """

    table: str
    before: RowId | None
    after: RowId | None
    values: tuple[Value | Untold, ...]


class TableEmptied(msgspec.Struct, frozen=True, gc=False):
    """All rows of the table went at once."""

    table: str


class TableAltered(msgspec.Struct, frozen=True, gc=False):
    """What the stream says of the table (None: of any table) can no longer stand for its rows.

    It has to be read as a whole again. `why` is for people.
    """

    table: str | None
    why: str


class Beat(msgspec.Struct, frozen=True, gc=False):
    """One change of our own row in `s3gc.heartbeat`: number, token, and the token before it.

    `anchor` is the position from which a stream begins with this very beat.
    """

    counter: int
    token: str
    previous: str
    anchor: str = ""


class Commit(msgspec.Struct, frozen=True, gc=False):
    """The end of a transaction. `position` compares as text: later ones are greater.

    `at` is when the database committed it (UTC, by the database's clock); `transaction` is the
    server's own name for it, by which it can tell how many came since (empty: it has none).
    """

    position: str
    at: datetime
    transaction: str = ""


Change = RowChange | TableEmptied | TableAltered | Beat | Commit
