"""What a plan is bound to: which changes are drift, and which can only keep more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

from s3gc_core.config import (
    Config,
    DatabaseConfig,
    DatabaseSearch,
    Encryption,
    GuardLimits,
    Images,
    SourceConfig,
)
from s3gc_core.errors import PlanDrifted
from s3gc_core.judgement import Conditions, Identity, check_not_drifted, conditions_of, drifted
from s3gc_core.references import Clearance, ColumnId
from tests.core.judgement.evidence import NOW

AVATAR = SourceConfig("users", ("avatar",))
COVER = SourceConfig("users", ("cover",))
THEN = Config(
    "photos",
    retention_days=7,
    exclude_prefixes=("backups/",),
    exclude_patterns=("*.keep",),
    cdn_bases=("https://cdn.example/",),
    url_patterns=("/media/{key}",),
    databases=(DatabaseConfig("sqlite:///app.db"),),
    sources=(AVATAR,),
    database_search=DatabaseSearch.TRACKED,
    database_search_skip=("logs", "events"),
)
HERE = Identity("b1", {"main": "d1"})


LOG, OLD = ColumnId("main", "logs", "line"), ColumnId("main", "users", "old")
CLEARED = {LOG: Clearance("text", "somebody", NOW, "a log")}


def change(
    present: Identity = HERE,
    cleared: Mapping[ColumnId, Clearance] = MappingProxyType(CLEARED),
    **settings: Any,
) -> list[str]:
    """What a change of settings, or of what is there, makes drift."""
    now = conditions_of(replace(THEN, **settings), present, cleared)
    return drifted(conditions_of(THEN, HERE, CLEARED), now)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"retention_days": 6}, "retention_days"),
        ({"exclude_prefixes": ()}, "exclude_prefixes"),
        ({"exclude_prefixes": ("backups/2026/",)}, "exclude_prefixes"),
        ({"exclude_patterns": ("*.kept",)}, "exclude_patterns"),
        ({"cdn_bases": ()}, "cdn_bases"),
        # A longer base reads another key out of the same URL.
        ({"cdn_bases": ("https://cdn.example/", "https://cdn.example/a/")}, "cdn_bases"),
        ({"url_patterns": ("/media/{key}", "/{key}")}, "url_patterns"),
        ({"sources": ()}, "tables"),
        ({"sources": (COVER,)}, "tables"),
        ({"sources": (SourceConfig("users", ("avatar",), where="id > 5"),)}, "tables"),
        ({"sources": (SourceConfig("users", ("avatar",), database="other"),)}, "tables"),
        ({"guards": GuardLimits(max_objects=5)}, "guards"),
        ({"guards": GuardLimits(max_share=0.9)}, "guards"),
        ({"database_search": DatabaseSearch.EVERYTHING}, "database_search"),
        ({"database_search_skip": ("logs",)}, "database_search_skip"),
        ({"cleared": {}}, "clearances"),
        ({"cleared": {OLD: CLEARED[LOG]}}, "clearances"),
        ({"cleared": {LOG: Clearance("jsonb", "somebody", NOW, "a log")}}, "clearances"),
        ({"drill_prefix": "scratch/"}, "drill_prefix"),
        ({"images": Images.COMPACT}, "images"),
        ({"encryption": Encryption.AGE}, "encryption"),
        ({"encryption_recipients": ("age1a",)}, "encryption_recipients"),
        ({"present": Identity("b2", {"main": "d1"})}, "bucket"),
        ({"present": Identity("b1", {"main": "d2"})}, "database"),
        ({"present": Identity("b1", {})}, "database"),
    ],
)
def test_drift_is_named(settings: dict[str, Any], name: str) -> None:
    assert change(**settings) == [name]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"retention_days": 8},
        {"exclude_prefixes": ("tmp/", "backups/")},
        {"exclude_patterns": ("*.keep", "*.txt")},
        {"sources": (COVER, AVATAR)},
        {"present": Identity("b1", {"main": "d1", "second": "d2"})},
        {"database_search_skip": ("logs", "events", "more")},
        # It was searched when the plan was made; and who said so decides nothing.
        {"cleared": {**CLEARED, OLD: CLEARED[LOG]}},
        {"cleared": {LOG: Clearance("text", "somebody else", NOW, "a log, once more")}},
        # What does not decide about objects.
        {"compression_level": 1, "max_concurrency": 1, "schedule_cron": "03:00"},
    ],
)
def test_what_can_only_keep_more_is_no_drift(settings: dict[str, Any]) -> None:
    assert change(**settings) == []


def test_what_was_approved_as_lossy_may_be_stored_exactly() -> None:
    then = conditions_of(replace(THEN, images=Images.COMPACT), HERE, CLEARED)
    assert drifted(then, conditions_of(THEN, HERE, CLEARED)) == []
    assert drifted(then, then) == []


def test_everything_that_drifted_is_told_at_once() -> None:
    then = conditions_of(THEN, HERE, CLEARED)
    now = msgspec.structs.replace(then, retention_days=1, sources=())
    check_not_drifted("P1", then, then)
    with pytest.raises(PlanDrifted, match="retention_days, tables") as refused:
        check_not_drifted("P1", then, now)
    assert refused.value.exit_code == 3


def test_every_setting_decides_or_is_known_not_to() -> None:
    """A new setting has to be put on one side or the other."""
    # The bucket is asked who it is, and clearances are in the audit log.
    decide = set(Conditions.__struct_fields__) - {"bucket", "clearances"}
    idle = {
        "bucket", "region", "endpoint_url", "mode", "caution", "vault_path", "schedule_cron",
        "schedule_jitter_seconds", "drill_cron", "drill_sample",
        "compression_floor", "jpegxl", "images_acknowledged",
        "deduplicate", "compression_level", "max_concurrency", "max_requests_per_second",
        "max_bandwidth_mb_per_second", "plan_lifetime_hours", "vault_horizon_days",
        "heal", "keys", "audit_anchor_file", "require_second_person", "prices",
        "encryption_identity_file", "anchor_key_file", "anchor_public_keys",
        "unsafe_store", "database_restore_days",
        "database_search_max_bytes", "max_database_mb_per_second",
        "request_payer", "expected_bucket_owner", "checksums", "replica", "api",
    }  # fmt: skip
    assert {field.name for field in fields(Config)} == decide | idle
