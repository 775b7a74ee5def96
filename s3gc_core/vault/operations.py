"""What the records of operations say, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from s3gc_core.bucket.objects import DeleteModes
from s3gc_core.vault.records import (
    Entry,
    OperationFinished,
    OperationStarted,
    Record,
    StoreProbed,
)

R = TypeVar("R", bound=Record)

# The kinds that `operations_of` looks at.
OPERATION_KINDS = ("operation-started", "operation-finished", "store-probed")


@dataclass(frozen=True, slots=True)
class LastRecord(Generic[R]):
    """The last record of a kind, with its time (UTC) and operation."""

    at: datetime
    operation_id: str
    record: R


@dataclass(frozen=True, slots=True)
class Operation:
    """A recorded operation. Times are UTC; `finished` is None where it runs, or ended unheard.

    `deletes`: how an execution deletes; None where it came to none, or is older than that record.
    """

    operation_id: str
    started_at: datetime
    started: OperationStarted
    finished_at: datetime | None = None
    finished: OperationFinished | None = None
    deletes: DeleteModes | None = None


def operations_of(entries: Iterable[Entry]) -> list[Operation]:
    """Operations in the order they started; the last record of an end is the one that counts."""
    operations: dict[str, Operation] = {}
    for entry in entries:
        record, known = entry.record, operations.get(entry.operation_id)
        if isinstance(record, OperationStarted):
            operations[entry.operation_id] = Operation(entry.operation_id, entry.at, record)
        elif isinstance(record, OperationFinished) and known is not None:
            operations[entry.operation_id] = replace(known, finished_at=entry.at, finished=record)
        elif isinstance(record, StoreProbed) and known is not None:
            operations[entry.operation_id] = replace(known, deletes=record.deletes)
    return list(operations.values())
