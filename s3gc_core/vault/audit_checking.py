"""Checks of the whole audit log against itself, its anchors and its index of open steps."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

from s3gc_core.errors import AuditBroken
from s3gc_core.vault import audit_reading as reading
from s3gc_core.vault.anchors import Anchor
from s3gc_core.vault.audit_schema import ENDS
from s3gc_core.vault.chain import ChainCheck, Row

# Rows checked at a time, between which others may write.
_PAGE = 5_000


def check_extends(connection: sqlite3.Connection, anchors: Sequence[Anchor]) -> None:
    """The log must hold what its highest anchor saw. Raises `AuditBroken`."""
    top = max((anchor.seq for anchor in anchors), default=0)
    for anchor in anchors:
        if anchor.seq == top:
            _compare(anchor.seq, {anchor.hash}, reading.hash_at(connection, anchor.seq))


class LogCheck:
    """Walks the whole log, one page a call of `page`, in bounded memory."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        self._chain = ChainCheck()
        self._anchored: defaultdict[int, set[str]] = defaultdict(set)
        for anchor in anchors:
            self._anchored[anchor.seq].add(anchor.hash)
        self._open: dict[tuple[str, str, str], set[int]] = {}

    @property
    def checked(self) -> int:
        """How many records were found good."""
        return self._chain.seq

    def page(self, connection: sqlite3.Connection) -> bool:
        """Check the next page; whether that was the last. Raises `AuditBroken`."""
        rows = reading.rows_after(connection, self._chain.seq, _PAGE)
        self._chain.follow(rows)
        for row in rows:
            if row.seq in self._anchored:
                _compare(row.seq, self._anchored.pop(row.seq), row.hash)
            self._note_step(row)
        if len(rows) == _PAGE:
            return False
        for seq in sorted(self._anchored):
            _compare(seq, self._anchored[seq], None)
        # In the same transaction as the last rows, so that both are of one moment.
        self._compare_open_steps(reading.all_open_steps(connection))
        return True

    def _note_step(self, row: Row) -> None:
        if row.key is None:
            return
        if row.kind in ENDS:
            self._open.pop((ENDS[row.kind], row.operation_id, row.key), None)
        elif row.kind in ENDS.values():
            self._open.setdefault((row.kind, row.operation_id, row.key), set()).add(row.seq)

    def _compare_open_steps(self, indexed: dict[int, tuple[str, str, str]]) -> None:
        recorded = {seq: step for step, seqs in self._open.items() for seq in seqs}
        different = sorted(
            seq for seq in recorded.keys() | indexed.keys() if recorded.get(seq) != indexed.get(seq)
        )
        if different:
            raise AuditBroken(f"the index of open steps is wrong about audit record {different[0]}")


def _compare(seq: int, anchored: set[str], found: bytes | None) -> None:
    if found is None:
        raise AuditBroken(f"audit record {seq} is missing, but an anchor saw it")
    if anchored != {found.hex()}:
        raise AuditBroken(f"audit record {seq} is not the one that an anchor saw")
