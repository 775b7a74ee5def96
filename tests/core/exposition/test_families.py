"""Everything that can be told of a collector, and that the sample alerts ask for nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from s3gc_core.actions.measuring import Metrics
from s3gc_core.actions.streams import STATES, StreamStatus
from s3gc_core.exposition import (
    ALERTS,
    SCRAPE_CONFIG,
    alert_rules,
    exposition,
    families,
    labels,
)
from s3gc_core.judgement import Grant, ScanSummary, Tripped
from s3gc_core.replica import ReplicaLag
from s3gc_core.vault import Drilled, End, Held, Totals, Verified

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FAILED = End("scan", NOON, "blocked", "budget")
EVERYTHING = Metrics(
    bucket="photos",
    vault_path="/vault",
    mode="execute",
    total_runs=5,
    last_run_at=NOON,
    total_deleted=40,
    total_backed_up=44,
    total_restored=3,
    vault_size_bytes=900,
    avg_compression_ratio=2.5,
    last_error="scan blocked: budget",
    totals=Totals(
        seq=99,
        results={"deleted": 40, "changed": 4},
        restores={"restored": 3},
        operations={"scan": {"done": 4, "blocked": 1}},
        successes={"scan": NOON - timedelta(hours=1)},
        ends={"scan": FAILED},
        error=FAILED,
        blocked={"budget": 1},
        healing={"restored": 2, "failed": 1},
    ),
    held=Held(44, 2000, 800, 100),
    free_bytes=1 << 40,
    last_scan=ScanSummary(
        "S", None, 10, 4, 6, 3, 2, 1, 70, {}, [Tripped("budget", "too much", "look")], NOON
    ),
    plans={"approved": 1},
    running=None,
    open_steps=2,
    returned=2,
    alarmed=1,
    returned_since=NOON,
    heal="restore",
    grants=[Grant("G", "me", "r", ("p/",), 5, 900, NOON, NOON + timedelta(days=2))],
    registry_true_at=NOON,
    streams=[
        StreamStatus("db1", "lost", "gone"),
        StreamStatus("db2", "waiting", "", NOON, NOON, 60.5, 7, 4096, 1 << 30),
    ],
    drill=Drilled(20, 1, 19, 1, 2.0, "/tmp/x"),  # noqa: S108 - nothing is written there
    drilled_at=NOON,
    verified=Verified(44, 1),
    verified_at=NOON,
    replica=ReplicaLag("other", "async", 90, 9, 512, 30.5, "no network"),
    is_served=True,
    asked_at=NOON,
)


def told(metrics: Metrics) -> dict[str, dict[str, float]]:
    """Metric -> its own labels' values, joined -> value."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(exposition(families(metrics), labels(metrics))):
        for sample in family.samples:
            assert (sample.labels.pop("bucket"), sample.labels.pop("vault")) == ("photos", "/vault")
            found.setdefault(sample.name, {})[" ".join(sample.labels.values())] = sample.value
    return found


def test_everything_is_told() -> None:
    noon = NOON.timestamp()
    assert told(EVERYTHING) == {
        "s3gc_runs_total": {"": 5},
        "s3gc_backed_up_objects_total": {"": 44},
        "s3gc_backed_up_bytes_total": {"": 0},
        "s3gc_deleted_objects_total": {"": 40},
        "s3gc_restored_objects_total": {"": 3},
        "s3gc_execution_results_total": {"deleted": 40, "changed": 4},
        "s3gc_restore_results_total": {"restored": 3},
        "s3gc_repaired_backups_total": {"": 0},
        "s3gc_audit_records": {"": 99},
        "s3gc_operations_total": {"scan done": 4, "scan blocked": 1},
        "s3gc_blocked_total": {"budget": 1},
        "s3gc_last_success_timestamp_seconds": {"scan": noon - 3600},
        "s3gc_last_end_timestamp_seconds": {"scan": noon},
        "s3gc_last_run_timestamp_seconds": {"": noon},
        "s3gc_last_run_failed": {"": 1},
        "s3gc_scan_timestamp_seconds": {"": noon},
        "s3gc_scan_listed_objects": {"": 10},
        "s3gc_scan_referenced_objects": {"": 4},
        "s3gc_scan_candidate_objects": {"": 6},
        "s3gc_scan_orphan_objects": {"": 3},
        "s3gc_scan_held_objects": {"": 2},
        "s3gc_scan_kept_objects": {"": 1},
        "s3gc_scan_orphan_bytes": {"": 70},
        "s3gc_scan_blocked": {"": 1},
        "s3gc_scan_blocked_reasons": {"budget": 1},
        "s3gc_scan_uncovered_columns": {"": 0},
        "s3gc_mode_info": {"execute": 1},
        "s3gc_operation_running": {"": 0},
        "s3gc_served": {"": 1},
        "s3gc_plans": {"proposed": 0, "approved": 1, "executing": 0},
        "s3gc_open_steps": {"": 2},
        "s3gc_heal_info": {"restore": 1},
        "s3gc_returned_references": {"": 2},
        "s3gc_returned_alarms": {"": 1},
        "s3gc_returned_since_timestamp_seconds": {"": noon},
        "s3gc_healing_results_total": {"restored": 2, "failed": 1},
        "s3gc_grants": {"": 1},
        "s3gc_grant_expiry_timestamp_seconds": {"G": noon + 2 * 86400},
        "s3gc_grant_limit_objects": {"G": 5},
        "s3gc_grant_limit_bytes": {"G": 900},
        "s3gc_registry_true_timestamp_seconds": {"": noon},
        "s3gc_stream_state": {
            **{f"db1 {state}": float(state == "lost") for state in STATES},
            **{f"db2 {state}": float(state == "waiting") for state in STATES},
        },
        "s3gc_stream_lag_seconds": {"db2": 60.5},
        "s3gc_stream_lag_bytes": {"db2": 4096},
        "s3gc_stream_lag_transactions": {"db2": 7},
        "s3gc_stream_limit_bytes": {"db1": StreamStatus("", "").max_bytes, "db2": 1 << 30},
        "s3gc_vault_backups": {"": 44},
        "s3gc_vault_bytes": {"": 900},
        "s3gc_vault_object_bytes": {"": 2000},
        "s3gc_vault_dead_bytes": {"": 100},
        "s3gc_vault_free_bytes": {"": 1 << 40},
        "s3gc_vault_compression_ratio": {"": 2.5},
        "s3gc_drill_timestamp_seconds": {"": noon},
        "s3gc_drill_checked_objects": {"": 19},
        "s3gc_drill_differing_objects": {"": 1},
        "s3gc_verify_timestamp_seconds": {"": noon},
        "s3gc_verify_checked_backups": {"": 44},
        "s3gc_verify_damaged_backups": {"": 1},
        "s3gc_replica_lag_records": {"": 9},
        "s3gc_replica_lag_bytes": {"": 512},
        "s3gc_replica_lag_seconds": {"": 30.5},
        "s3gc_replica_failing": {"": 1},
    }


def test_names_keep_to_the_conventions() -> None:
    for family in families(EVERYTHING):
        assert re.fullmatch(r"s3gc(_[a-z]+)+", family.name)
        assert (family.kind == "counter") is family.name.endswith("_total")
        assert family.help.endswith(".")


def test_alerts_ask_for_metrics_that_are_told() -> None:
    known = set(told(EVERYTHING))
    for alert in ALERTS:
        used = set(re.findall(r"\bs3gc_\w+", alert.expression))
        assert used
        assert used <= known, alert.name


def test_the_rules_are_yaml_for_prometheus() -> None:
    [group] = yaml.safe_load(alert_rules())["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    assert [rule["expr"] for rule in group["rules"]] == [alert.expression for alert in ALERTS]
    assert all({"for", "labels", "annotations"} < rule.keys() for rule in group["rules"])


def test_how_it_gets_to_prometheus_is_told_with_the_rules() -> None:
    [job] = yaml.safe_load(SCRAPE_CONFIG)["scrape_configs"]
    assert (job["metrics_path"], job["authorization"]["type"]) == ("/admin/s3gc/metrics", "Bearer")
    told = [line.removeprefix("#   ") for line in alert_rules().splitlines()]
    assert "\n".join(told).count(SCRAPE_CONFIG) == 1
    readme = Path(__file__).parents[3] / "README.md"
    assert SCRAPE_CONFIG in readme.read_text(encoding="utf-8")
