"""`s3gc metrics`: text for Prometheus, a file for node_exporter, rules, and values for scripts."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from s3gc_core.exposition import alert_rules
from tests.tui.small_world import SmallWorld


async def test_the_command(small: SmallWorld, tmp_path: Path) -> None:
    cli = small.cli
    await small.collected()
    ran = await cli("metrics")
    assert ran.code == 0
    samples = {
        sample.name: sample
        for family in text_string_to_metric_families(ran.text)
        for sample in family.samples
    }
    assert samples["s3gc_deleted_objects_total"].value == 3
    assert samples["s3gc_vault_backups"].value == 3
    assert samples["s3gc_deleted_objects_total"].labels == {
        "bucket": small.world.config.bucket,
        "vault": str(small.world.config.vault_path),
    }
    file = tmp_path / "s3gc.prom"
    written = await cli.batch("metrics", "--textfile", str(file))
    assert (written.code, written.summary["total_deleted"]) == (0, 3)
    assert written.summary["last_error"] is None
    names = {line.split("{")[0] for line in file.read_text().splitlines()}
    assert names == {line.split("{")[0] for line in ran.text.splitlines()}
    rules = await cli("metrics", "--print-alerts")
    assert (rules.code, rules.text) == (0, alert_rules())
