"""Sample alerts, as a file of rules for Prometheus: what an operator would want to be woken for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule. `lasts` is for how long it must hold, in Prometheus' words; `severity` is a label."""

    name: str
    expression: str
    lasts: str
    severity: str
    told: str


ALERTS = (
    Alert(
        "S3gcReferenceReturned",
        "s3gc_returned_references > 0",
        "1m",
        "critical",
        "A row refers to an object that was deleted. Restore it: `s3gc restore --key KEY`.",
    ),
    Alert(
        "S3gcHealingFails",
        "s3gc_returned_since_timestamp_seconds < time() - 600"
        ' and ignoring(policy) s3gc_heal_info{policy="restore"} == 1',
        "1m",
        "critical",
        "What a row refers to again does not come back by itself. See the follower's log.",
    ),
    Alert(
        "S3gcBackupDamaged",
        "s3gc_verify_damaged_backups > 0 or s3gc_drill_differing_objects > 0",
        "1m",
        "critical",
        "Backups are not what was recorded. See `s3gc vault verify --repair`.",
    ),
    Alert(
        "S3gcStreamLost",
        's3gc_stream_state{state="lost"} == 1',
        "1m",
        "warning",
        "The change stream of a database is gone; scans are blocked. See `s3gc status`.",
    ),
    Alert(
        "S3gcStreamKeepsTooMuch",
        "s3gc_stream_lag_bytes > s3gc_stream_limit_bytes / 2",
        "10m",
        "warning",
        "The database's server keeps much of its log for s3gc: is it followed?",
    ),
    Alert(
        "S3gcRunFailed",
        "s3gc_last_run_failed == 1",
        "15m",
        "warning",
        "The last scan or execution was blocked, failed or ended in part. See `s3gc operations`.",
    ),
    Alert(
        "S3gcRunsMissing",
        's3gc_last_success_timestamp_seconds{kind="scan"} < time() - 2 * 86400',
        "1h",
        "warning",
        "No scan has succeeded for two days.",
    ),
    Alert(
        "S3gcStepsOpen",
        "s3gc_open_steps > 0",
        "1h",
        "warning",
        "An operation died. Any next operation, such as `s3gc scan`, recovers what it left.",
    ),
    Alert(
        "S3gcVaultDiskFull",
        "s3gc_vault_free_bytes < 2 * s3gc_scan_orphan_bytes or s3gc_vault_free_bytes < 1073741824",
        "10m",
        "warning",
        "The vault's disk may be too small for the next execution.",
    ),
    Alert(
        "S3gcDrillMissing",
        "s3gc_drill_timestamp_seconds < time() - 31 * 86400",
        "1h",
        "info",
        "No restore was tried for a month: `s3gc drill`.",
    ),
    Alert(
        "S3gcGrantEnds",
        "s3gc_grant_expiry_timestamp_seconds - time() < 3 * 86400",
        "1h",
        "info",
        "Unattended runs will delete nothing under this grant soon: `s3gc grant list`.",
    ),
    Alert(
        "S3gcReplicaBehind",
        "s3gc_replica_lag_seconds > 3600 or s3gc_replica_failing == 1",
        "15m",
        "warning",
        "What the replica lacks would be lost with the vault's disk. See `s3gc status`.",
    ),
)


# For prometheus.yml. The token stays in a file of its own, which only Prometheus reads.
SCRAPE_CONFIG = """\
scrape_configs:
  - job_name: s3gc
    metrics_path: /admin/s3gc/metrics      # of several profiles: /admin/s3gc/NAME/metrics
    authorization:
      type: Bearer
      credentials_file: /run/secrets/s3gc-monitoring
    static_configs:
      - targets: ["127.0.0.1:8473"]
"""


def alert_rules(alerts: Iterable[Alert] = ALERTS) -> str:
    """The rules as YAML; scalars are written as JSON strings, which are YAML's too. A remark at
    the head tells how what they ask gets to Prometheus.
    """
    lines = [
        "# What these rules ask is written by `s3gc metrics --textfile PATH` for node_exporter,",
        "# or scraped from the admin API with a read token, by this in prometheus.yml:",
        *(f"#   {line}" for line in SCRAPE_CONFIG.splitlines()),
        "groups:",
        "  - name: s3gc",
        "    rules:",
    ]
    for alert in alerts:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {_quoted(alert.expression)}",
            f"        for: {alert.lasts}",
            "        labels:",
            f"          severity: {alert.severity}",
            "        annotations:",
            f"          summary: {_quoted(alert.told)}",
            '          description: "bucket {{ $labels.bucket }}, vault {{ $labels.vault }}"',
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
