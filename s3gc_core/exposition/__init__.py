"""What a collector tells Prometheus: metric families, their text, and sample alerts on them."""

from s3gc_core.exposition.alerts import ALERTS, Alert, alert_rules
from s3gc_core.exposition.families import families, labels
from s3gc_core.exposition.text import Family, Sample, exposition, write_textfile

__all__ = [
    "ALERTS",
    "Alert",
    "Family",
    "Sample",
    "alert_rules",
    "exposition",
    "families",
    "labels",
    "write_textfile",
]
