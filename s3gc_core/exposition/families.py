"""The metrics of a collector by Prometheus' conventions: base units, counters end in `_total`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from s3gc_core.actions.measuring import Metrics
from s3gc_core.actions.streams import STATES, StreamStatus
from s3gc_core.exposition.text import Family, Sample


def families(metrics: Metrics) -> list[Family]:
    """Everything that is told of a collector; what is not known has no sample."""
    return [
        *_ever(metrics),
        *_operations(metrics),
        *_last_scan(metrics),
        *_now(metrics),
        *_healing(metrics),
        *_grants(metrics),
        *_streams(metrics.streams),
        *_vault(metrics),
        *_proofs(metrics),
        *_replica(metrics),
    ]


def labels(metrics: Metrics) -> dict[str, str]:
    """What tells one collector from the others on a machine."""
    return {"bucket": metrics.bucket, "vault": metrics.vault_path}


def _ever(metrics: Metrics) -> Iterator[Family]:
    totals = metrics.totals
    yield _counter("runs", "Cycles that ended: scans, whatever came of them.", metrics.total_runs)
    yield _counter("backed_up_objects", "Objects backed up.", metrics.total_backed_up)
    yield _counter(
        "backed_up_bytes", "Bytes of all objects backed up, as they were.", totals.backed_up_bytes
    )
    yield _counter("deleted_objects", "Objects deleted.", metrics.total_deleted)
    yield _counter("restored_objects", "Objects written back.", metrics.total_restored)
    yield _counters(
        "execution_results", "Objects of executions by what became of them.", totals.results
    )
    yield _counters("restore_results", "Objects of restores by outcome.", totals.restores)
    yield _counter(
        "repaired_backups",
        "Damaged backups made whole from the replica.",
        totals.records.get("repaired", 0),
    )
    yield _gauge("audit_records", "Records of the audit log, which only grows.", totals.seq)


def _operations(metrics: Metrics) -> Iterator[Family]:
    totals = metrics.totals
    yield Family(
        "s3gc_operations_total",
        "counter",
        "Operations that ended, by what they did and how.",
        tuple(
            Sample(count, {"kind": what, "outcome": outcome})
            for what, outcomes in sorted(totals.operations.items())
            for outcome, count in sorted(outcomes.items())
        ),
    )
    yield Family(
        "s3gc_blocked_total",
        "counter",
        "Operations that were blocked, by the guard or refusal that did.",
        tuple(Sample(n, {"guard": guard}) for guard, n in sorted(totals.blocked.items())),
    )
    yield _times(
        "last_success_timestamp_seconds",
        "When an operation of this kind last ended with outcome done.",
        totals.successes,
    )
    ends = {what: end.at for what, end in totals.ends.items()}
    yield _times("last_end_timestamp_seconds", "When an operation of this kind last ended.", ends)
    yield _time("last_run_timestamp_seconds", "When the last run ended.", metrics.last_run_at)
    yield _gauge(
        "last_run_failed",
        "1 where the last scan or execution was blocked, failed or ended in part.",
        metrics.last_error is not None,
    )


def _last_scan(metrics: Metrics) -> Iterator[Family]:
    scan = metrics.last_scan
    if scan is None:
        return
    yield _time("scan_timestamp_seconds", "When the last scan ended.", scan.finished_at)
    for name, told, value in (
        ("listed", "Objects the last scan listed.", scan.listed),
        ("referenced", "Listed objects that a row refers to.", scan.referenced),
        ("candidate", "Listed objects that no tracked row refers to.", scan.candidates),
        ("orphan", "Candidates that all four layers let go.", scan.orphans),
        ("held", "Candidates about which there is a doubt.", scan.held),
        ("kept", "Candidates that a layer keeps.", scan.kept),
    ):
        yield _gauge(f"scan_{name}_objects", told, value)
    yield _gauge("scan_orphan_bytes", "Size of the orphans of the last scan.", scan.bytes)
    yield _gauge("scan_blocked", "Guards that blocked the last scan.", len(scan.blocked))
    guards = Counter(trip.guard for trip in scan.blocked)
    yield Family(
        "s3gc_scan_blocked_reasons",
        "gauge",
        "What blocked the last scan, by guard.",
        tuple(Sample(count, {"guard": guard}) for guard, count in sorted(guards.items())),
    )
    yield _gauge(
        "scan_uncovered_columns",
        "Untracked columns in which the last scan saw keys of the bucket.",
        len(scan.open_columns),
    )


def _now(metrics: Metrics) -> Iterator[Family]:
    yield Family(
        "s3gc_mode_info", "gauge", "The configured mode.", (Sample(1, {"mode": metrics.mode}),)
    )
    yield _gauge(
        "operation_running", "1 while an operation holds the vault.", metrics.running is not None
    )
    yield _gauge("served", "1 while `s3gc serve` serves the vault.", metrics.is_served)
    yield Family(
        "s3gc_plans",
        "gauge",
        "Plans that can still be executed, by state.",
        tuple(
            Sample(metrics.plans.get(state, 0), {"state": state})
            for state in ("proposed", "approved", "executing")
        ),
    )
    if metrics.open_steps is not None:
        yield _gauge(
            "open_steps",
            "Steps that an operation left open when it died; the next one recovers.",
            metrics.open_steps,
        )
    yield _time(
        "registry_true_timestamp_seconds",
        "The moment for which the registry of references is true.",
        metrics.registry_true_at,
    )


def _healing(metrics: Metrics) -> Iterator[Family]:
    yield Family(
        "s3gc_heal_info",
        "gauge",
        "What is done where a row refers to a deleted key again.",
        (Sample(1, {"policy": metrics.heal}),),
    )
    yield _gauge(
        "returned_references",
        "Deleted keys that a row refers to again, not known to be healed.",
        metrics.returned,
    )
    yield _gauge(
        "returned_alarms", "Of those, the ones for which an alarm was raised.", metrics.alarmed
    )
    yield _time(
        "returned_since_timestamp_seconds",
        "Since when the first of them waits.",
        metrics.returned_since,
    )
    yield _counters(
        "healing_results",
        "Objects restored because a row referred to them again, by outcome.",
        metrics.totals.healing,
    )


def _grants(metrics: Metrics) -> Iterator[Family]:
    yield _gauge(
        "grants", "Grants for unattended runs, not expired nor revoked.", len(metrics.grants)
    )
    for name, told, values in (
        (
            "expiry_timestamp_seconds",
            "When this grant ends.",
            [grant.expires_at.timestamp() for grant in metrics.grants],
        ),
        (
            "limit_objects",
            "Objects that it lets be deleted, in all.",
            [grant.max_objects for grant in metrics.grants],
        ),
        (
            "limit_bytes",
            "Bytes that it lets be deleted, in all.",
            [grant.max_bytes for grant in metrics.grants],
        ),
    ):
        yield Family(
            f"s3gc_grant_{name}",
            "gauge",
            told,
            tuple(
                Sample(value, {"grant": grant.grant_id})
                for grant, value in zip(metrics.grants, values, strict=True)
            ),
        )


def _streams(streams: list[StreamStatus]) -> Iterator[Family]:
    yield Family(
        "s3gc_stream_state",
        "gauge",
        "1 for the state that the change stream of this database is in.",
        tuple(
            Sample(stream.state == state, {"database": stream.database, "state": state})
            for stream in streams
            for state in STATES
        ),
    )
    for name, told, values in (
        ("lag_seconds", "Age of what the registry knows.", [s.seconds for s in streams]),
        ("lag_bytes", "Bytes of its log that the server keeps for us.", [s.bytes for s in streams]),
        (
            "lag_transactions",
            "Transactions begun since the last one applied.",
            [s.transactions for s in streams],
        ),
        ("limit_bytes", "Bytes that the server may keep for us.", [s.max_bytes for s in streams]),
    ):
        yield Family(
            f"s3gc_stream_{name}",
            "gauge",
            told,
            tuple(
                Sample(value, {"database": stream.database})
                for stream, value in zip(streams, values, strict=True)
                if value is not None
            ),
        )


def _vault(metrics: Metrics) -> Iterator[Family]:
    held = metrics.held
    yield _gauge("vault_backups", "Backups in the vault.", held.backups)
    yield _gauge("vault_bytes", "Bytes that backups take in the vault.", metrics.vault_size_bytes)
    yield _gauge("vault_object_bytes", "Bytes of the objects backed up there.", held.raw_bytes)
    yield _gauge(
        "vault_dead_bytes", "Bytes of purged backups in packs that live on.", held.dead_bytes
    )
    yield _gauge("vault_free_bytes", "Bytes free on the vault's disk.", metrics.free_bytes)
    if metrics.avg_compression_ratio is not None:
        yield _gauge(
            "vault_compression_ratio", "Raw to stored bytes.", metrics.avg_compression_ratio
        )


def _proofs(metrics: Metrics) -> Iterator[Family]:
    drill, verified = metrics.drill, metrics.verified
    if drill is not None:
        yield _time("drill_timestamp_seconds", "When restores were last tried.", metrics.drilled_at)
        yield _gauge("drill_checked_objects", "Objects the last drill restored.", drill.checked)
        yield _gauge(
            "drill_differing_objects",
            "Objects that the last drill did not get back as they were.",
            drill.differing,
        )
    if verified is not None:
        yield _time(
            "verify_timestamp_seconds", "When backups were last read back.", metrics.verified_at
        )
        yield _gauge("verify_checked_backups", "Backups then read.", verified.checked)
        yield _gauge("verify_damaged_backups", "Backups then found damaged.", verified.damaged)


def _replica(metrics: Metrics) -> Iterator[Family]:
    lag = metrics.replica
    if lag is None:
        return
    yield _gauge("replica_lag_records", "Audit records that were not shipped.", lag.records)
    yield _gauge("replica_lag_bytes", "Stored bytes that were not shipped.", lag.bytes)
    yield _gauge("replica_lag_seconds", "How long the oldest of them waits.", lag.seconds)
    yield _gauge("replica_failing", "1 where the last shipment failed.", bool(lag.problem))


def _gauge(name: str, told: str, value: float) -> Family:
    return Family(f"s3gc_{name}", "gauge", told, (Sample(value),))


def _counter(name: str, told: str, value: float) -> Family:
    return Family(f"s3gc_{name}_total", "counter", told, (Sample(value),))


def _counters(name: str, told: str, counts: Mapping[str, int]) -> Family:
    samples = (Sample(count, {"outcome": of}) for of, count in sorted(counts.items()))
    return Family(f"s3gc_{name}_total", "counter", told, tuple(samples))


def _time(name: str, told: str, at: datetime | None) -> Family:
    return Family(f"s3gc_{name}", "gauge", told, () if at is None else (Sample(at.timestamp()),))


def _times(name: str, told: str, times: Mapping[str, datetime]) -> Family:
    samples = (Sample(at.timestamp(), {"kind": kind}) for kind, at in sorted(times.items()))
    return Family(f"s3gc_{name}", "gauge", told, tuple(samples))
