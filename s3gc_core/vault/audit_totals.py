"""Sums over the whole audit log, carried on from where they were last computed.

What they say is in the log, so they are true across restarts; what is kept of them may be lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

import msgspec

from s3gc_core.vault.audit_reading import hash_at, head
from s3gc_core.vault.chain import GENESIS, Row, entry_of
from s3gc_core.vault.records import OperationFinished, OperationStarted, RestoreOutcome

# What sums of another version did not count is counted from the beginning.
VERSION = 1
# The argument of a restore that nobody asked for: a row referred to the object again.
HEALING_ARGUMENT = "healing"
_HEALING = "restore that heals"
# Records looked at in one transaction.
STEP = 20_000
_BODY = "CAST(body AS TEXT)"
_RANGE = "seq > ? AND seq <= ?"
# The plus sign keeps SQLite from the index of kinds, which would look up each row by itself.
_COUNTED = f"""
SELECT kind, CASE WHEN kind IN ('result', 'restored') THEN json_extract({_BODY}, '$.outcome') END,
count(*) FROM audit WHERE {_RANGE} GROUP BY 1, 2
"""
_BACKUPS = f"""
SELECT count(*), coalesce(sum(raw), 0), coalesce(sum(stored * (reused IS NULL)), 0) FROM (
    SELECT json_extract({_BODY}, '$.backup.raw_size') AS raw,
    json_extract({_BODY}, '$.backup.stored_size') AS stored,
    json_extract({_BODY}, '$.backup.reused') AS reused
    FROM audit WHERE {_RANGE} AND +kind = 'intent'
)
"""
_OPERATIONS = f"""
SELECT seq, v, at, operation_id, kind, key, body, prev, hash FROM audit
WHERE {_RANGE} AND +kind IN ('operation-started', 'operation-finished') ORDER BY seq
"""


class End(msgspec.Struct, frozen=True):
    """How an operation ended, at `at` (UTC). `why`: its error, or the guards that blocked it."""

    what: str
    at: datetime
    outcome: str
    why: str = ""


class Held(msgspec.Struct, frozen=True):
    """What the vault holds. Sizes in bytes; bytes that several backups share count once in
    `stored_bytes`; `dead_bytes` are those of purged backups in packs that live on.
    """

    backups: int = 0
    raw_bytes: int = 0
    stored_bytes: int = 0
    dead_bytes: int = 0


class Totals(msgspec.Struct, frozen=True):
    """Sums over the records up to `seq`, whose hash (hex) is `hash`.

    `records` counts them by kind, `results` and `restores` by their outcome, `operations` by what
    they did and their outcome. `backed_up_bytes` are those of all objects ever backed up.
    `successes` and `ends` are the last ones of each kind of operation; `error` is how a scan or an
    execution went wrong, until a later one is done. `begun` are operations without an end, by id.
    `held` is None since a purge: what was purged may share its bytes with what was not, which the
    log alone does not tell. `blocked` counts operations by what blocked them, a guard or another
    refusal, and `healing` the objects of restores that nobody asked for, by outcome.
    """

    seq: int = 0
    hash: str = GENESIS.hex()
    records: Mapping[str, int] = {}
    results: Mapping[str, int] = {}
    restores: Mapping[str, int] = {}
    operations: Mapping[str, Mapping[str, int]] = {}
    backed_up_bytes: int = 0
    begun: Mapping[str, str] = {}
    successes: Mapping[str, datetime] = {}
    ends: Mapping[str, End] = {}
    error: End | None = None
    held: Held | None = Held()
    blocked: Mapping[str, int] = {}
    healing: Mapping[str, int] = {}
    version: int = 0


# A run of the collector is a scan, and the execution that may follow it.
RUNS = ("scan", "execute")
_BAD = frozenset({"failed", "blocked", "partial", "interrupted"})


def carried_on(connection: sqlite3.Connection, totals: Totals) -> Totals:
    """The sums with the next records, `STEP` at most; from the beginning where they are not this
    log's. Raises `AuditBroken`.
    """
    if totals.seq and hash_at(connection, totals.seq) != bytes.fromhex(totals.hash):
        totals = Totals()
    if totals.version != VERSION:
        totals = Totals(version=VERSION)
    last, _ = head(connection)
    bounds = totals.seq, min(last, totals.seq + STEP)
    if bounds[0] == bounds[1]:
        return totals
    records, results, restores = dict(totals.records), dict(totals.results), dict(totals.restores)
    for kind, outcome, count in connection.execute(_COUNTED, bounds):
        _add(records, kind, count)
        if outcome is not None:
            _add(results if kind == "result" else restores, outcome, count)
    [(backups, raw, stored)] = connection.execute(_BACKUPS, bounds)
    held = totals.held
    if records.get("purged", 0) != totals.records.get("purged", 0):
        held = None
    elif held is not None:
        held = msgspec.structs.replace(
            held,
            backups=held.backups + backups,
            raw_bytes=held.raw_bytes + raw,
            stored_bytes=held.stored_bytes + stored,
        )
    totals = msgspec.structs.replace(
        totals,
        seq=bounds[1],
        hash=(hash_at(connection, bounds[1]) or GENESIS).hex(),
        records=records,
        results=results,
        restores=restores,
        backed_up_bytes=totals.backed_up_bytes + raw,
        held=held,
    )
    for row in map(Row._make, connection.execute(_OPERATIONS, bounds)):
        totals = _with_operation(totals, row)
    return totals


def _with_operation(totals: Totals, row: Row) -> Totals:
    entry = entry_of(row)
    record, begun = entry.record, dict(totals.begun)
    if isinstance(record, OperationStarted):
        heals = record.what == "restore" and HEALING_ARGUMENT in record.arguments
        begun[entry.operation_id] = _HEALING if heals else record.what
    if not isinstance(record, OperationFinished) or entry.operation_id not in begun:
        return msgspec.structs.replace(totals, begun=begun)
    what, healing = begun.pop(entry.operation_id), dict(totals.healing)
    if what == _HEALING:
        what = "restore"
        for outcome in RestoreOutcome:
            if record.counts.get(outcome, 0):
                _add(healing, outcome.value, record.counts[outcome])
    blocked = dict(totals.blocked)
    # A guard's label may name its subject, of which there may be many.
    for guard in {label.partition(":")[0] for label in record.blocked}:
        _add(blocked, guard, 1)
    counts = dict(totals.operations.get(what, {}))
    _add(counts, record.outcome, 1)
    end = End(what, entry.at, record.outcome, record.error or ", ".join(record.blocked))
    is_good, error = record.outcome == "done", totals.error
    if what in RUNS and (is_good or record.outcome in _BAD):
        error = None if is_good else end
    return msgspec.structs.replace(
        totals,
        begun=begun,
        operations={**totals.operations, what: counts},
        ends={**totals.ends, what: end},
        successes={**totals.successes, what: entry.at} if is_good else totals.successes,
        error=error,
        blocked=blocked,
        healing=healing,
    )


def _add(counts: dict[str, int], name: str, count: int) -> None:
    counts[name] = counts.get(name, 0) + count
