"""Objects and evidence for the decisions: everything speaks for going, until a test says not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from s3gc_core.bucket import ListedObject
from s3gc_core.config import Config, SourceConfig
from s3gc_core.judgement import (
    Identity,
    Layers,
    LayerVerdict,
    Plan,
    PlanItem,
    Verdict,
    conditions_of,
)
from s3gc_core.judgement.layers import Evidence, Rules

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
CLEAR = Evidence(
    edges=(), released_at=None, near=(), registry_current=True, holders=(), database_asked=True
)
WEEK = Rules(timedelta(days=7), (), ())
CONDITIONS = conditions_of(
    Config("photos", sources=(SourceConfig("users", ("avatar",)),)),
    Identity("b1", {"main": "d1"}),
    {},
)
PASS = LayerVerdict(Verdict.PASS, "passes")


def listed(key: str = "a.jpg", **fields: Any) -> ListedObject:
    """An object that is old enough."""
    old = ListedObject(key, 10, '"e1"', NOW - timedelta(days=100))
    return msgspec.structs.replace(old, **fields)


def evidence(**fields: Any) -> Evidence:
    return msgspec.structs.replace(CLEAR, **fields)


def layers(**verdicts: LayerVerdict) -> Layers:
    """Four layers that pass, but for those given."""
    return msgspec.structs.replace(Layers(PASS, PASS, PASS, PASS), **verdicts)


def item(key: str = "a.jpg", **fields: Any) -> PlanItem:
    made = PlanItem(key, '"e1"', 10, NOW - timedelta(days=100), "STANDARD", layers())
    return msgspec.structs.replace(made, **fields)


def plan(**fields: Any) -> Plan:
    made = Plan(
        plan_id="P1",
        scan_id="S1",
        bucket="photos",
        listed_at=NOW - timedelta(minutes=2),
        created_at=NOW,
        expires_at=NOW + timedelta(hours=24),
        objects=2,
        bytes=20,
        sha256="h1",
        conditions=CONDITIONS,
    )
    return msgspec.structs.replace(made, **fields)
