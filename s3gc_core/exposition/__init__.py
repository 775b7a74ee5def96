"""What a collector tells Prometheus: metric families, their text, and sample alerts on them."""

from s3gc_core.exposition.alerts import ALERTS, SCRAPE_CONFIG, Alert, alert_rules
from s3gc_core.exposition.families import families, labels
from s3gc_core.exposition.text import MEDIA_TYPE, Family, Sample, exposition, write_textfile

__all__ = [
    "ALERTS",
    "MEDIA_TYPE",
    "SCRAPE_CONFIG",
    "Alert",
    "Family",
    "Sample",
    "alert_rules",
    "exposition",
    "families",
    "labels",
    "write_textfile",
]
