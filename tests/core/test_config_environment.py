"""Settings from environment variables alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from s3gc_core import create_config_from_env
from s3gc_core.config import (
    IMAGES_SENTENCE,
    Caution,
    CdcOver,
    Config,
    DatabaseConfig,
    Encryption,
    GuardLimits,
    Heal,
    Images,
    Mode,
    ReplicaConfig,
    SourceConfig,
    UnsafeStore,
)
from s3gc_core.config_environment import VARIABLES
from s3gc_core.errors import ConfigurationError

BUCKET = {"S3_BUCKET": "photos"}


def wrong(environ: Mapping[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        create_config_from_env(environ=environ)
    return {problem.setting: problem.allowed for problem in caught.value.problems}


RECIPIENT = "age1" + "q" * 58


def test_every_setting_has_its_variable() -> None:
    assert VARIABLES == {
        "S3_BUCKET": ("bucket",),
        "AWS_REGION": ("region",),
        "S3GC_ENDPOINT_URL": ("endpoint_url",),
        "S3GC_REQUEST_PAYER": ("request_payer",),
        "S3GC_EXPECTED_BUCKET_OWNER": ("expected_bucket_owner",),
        "S3GC_CHECKSUMS": ("checksums",),
        "S3GC_MODE": ("mode",),
        "S3GC_PROFILE": ("caution",),
        "S3GC_RETENTION_DAYS": ("retention_days",),
        "S3GC_VAULT_PATH": ("vault_path",),
        "S3GC_SCHEDULE_CRON": ("schedule_cron",),
        "S3GC_SCHEDULE_JITTER_SECONDS": ("schedule_jitter_seconds",),
        "S3GC_DRILL_CRON": ("drill_cron",),
        "S3GC_DRILL_SAMPLE": ("drill_sample",),
        "S3GC_COMPRESSION_LEVEL": ("compression_level",),
        "S3GC_COMPRESSION_FLOOR": ("compression_floor",),
        "S3GC_JPEGXL": ("jpegxl",),
        "S3GC_IMAGES": ("images",),
        "S3GC_IMAGES_ACKNOWLEDGED": ("images_acknowledged",),
        "S3GC_ENCRYPTION": ("encryption",),
        "S3GC_ENCRYPTION_RECIPIENTS": ("encryption_recipients",),
        "S3GC_ENCRYPTION_IDENTITY_FILE": ("encryption_identity_file",),
        "S3GC_MAX_CONCURRENCY": ("max_concurrency",),
        "S3GC_MAX_REQUESTS_PER_SECOND": ("max_requests_per_second",),
        "S3GC_MAX_BANDWIDTH_MB_PER_SECOND": ("max_bandwidth_mb_per_second",),
        "S3GC_PLAN_LIFETIME_HOURS": ("plan_lifetime_hours",),
        "S3GC_VAULT_HORIZON_DAYS": ("vault_horizon_days",),
        "S3GC_DATABASE_RESTORE_DAYS": ("database_restore_days",),
        "S3GC_AUDIT_ANCHOR_FILE": ("audit_anchor_file",),
        "S3GC_ANCHOR_KEY_FILE": ("anchor_key_file",),
        "S3GC_ANCHOR_PUBLIC_KEYS": ("anchor_public_keys",),
        "S3GC_DRILL_PREFIX": ("drill_prefix",),
        "S3GC_HEAL": ("heal",),
        "S3GC_REQUIRE_SECOND_PERSON": ("require_second_person",),
        "S3GC_DEDUPLICATE": ("deduplicate",),
        "S3GC_UNSAFE_STORE": ("unsafe_store",),
        "S3GC_DATABASE_SEARCH": ("database_search",),
        "S3GC_DATABASE_SEARCH_MAX_BYTES": ("database_search_max_bytes",),
        "S3GC_DATABASE_SEARCH_SKIP": ("database_search_skip",),
        "S3GC_MAX_DATABASE_MB_PER_SECOND": ("max_database_mb_per_second",),
        "S3GC_EXCLUDE_PREFIXES": ("exclude_prefixes",),
        "S3GC_EXCLUDE_PATTERNS": ("exclude_patterns",),
        "S3GC_CDN_BASES": ("cdn_bases",),
        "S3GC_URL_PATTERNS": ("url_patterns",),
        "S3GC_API_HOST": ("api", "host"),
        "S3GC_API_PORT": ("api", "port"),
        "S3GC_REPLICA_BUCKET": ("replica", "bucket"),
        "S3GC_REPLICA_REGION": ("replica", "region"),
        "S3GC_REPLICA_ENDPOINT_URL": ("replica", "endpoint_url"),
        "S3GC_REPLICA_PREFIX": ("replica", "prefix"),
        "S3GC_REPLICA_EXPECTED_BUCKET_OWNER": ("replica", "expected_bucket_owner"),
        "S3GC_REPLICA_PROFILE": ("replica", "profile"),
        "S3GC_REPLICA_ACCESS_KEY_ENV": ("replica", "access_key_env"),
        "S3GC_REPLICA_SECRET_KEY_ENV": ("replica", "secret_key_env"),
        "S3GC_REPLICA_DURABILITY": ("replica", "durability"),
        "S3GC_CDC_BACKEND": ("cdc_backend",),
        "S3GC_CDC_OVER": ("cdc_over",),
        "S3GC_MAX_OBJECTS": ("guards", "max_objects"),
        "S3GC_MAX_BYTES": ("guards", "max_bytes"),
        "S3GC_MAX_SHARE": ("guards", "max_share"),
        "S3GC_MAX_OBJECTS_PER_DAY": ("guards", "max_objects_per_day"),
        "S3GC_MAX_BYTES_PER_DAY": ("guards", "max_bytes_per_day"),
        "S3GC_SOURCE_SHRUNK_SHARE": ("guards", "source_shrunk_share"),
        "S3GC_REVERSE_MATCH_SHARE": ("guards", "reverse_match_share"),
        "S3GC_REVERSE_MATCH_DROP": ("guards", "reverse_match_drop"),
        "S3GC_LISTING_SHRUNK_SHARE": ("guards", "listing_shrunk_share"),
    }
    of_replica = {where[-1] for where in VARIABLES.values() if where[0] == "replica"}
    assert of_replica == {field.name for field in fields(ReplicaConfig)}
    in_environment = {
        where[-1] for where in VARIABLES.values() if where[0] not in ("replica", "api")
    }
    of_config = {field.name for of in (Config, GuardLimits) for field in fields(of)}
    assert of_config - in_environment == {
        "databases",
        "sources",
        "guards",
        "prefixes",
        "prices",
        "replica",
        "api",
        "keys",
    }


def test_all_of_them() -> None:
    environ = {
        "S3_BUCKET": "photos",
        "AWS_REGION": "eu-west-1",
        "S3GC_ENDPOINT_URL": "http://127.0.0.1:8333",
        "S3GC_MODE": "execute",
        "S3GC_EXECUTE_MODE": "true",
        "S3GC_RETENTION_DAYS": "30",
        "S3GC_VAULT_PATH": "/srv/vault",
        "S3GC_SCHEDULE_CRON": "0 3 * * *",
        "S3GC_COMPRESSION_LEVEL": "3",
        "S3GC_COMPRESSION_FLOOR": "2",
        "S3GC_JPEGXL": "true",
        "S3GC_IMAGES": "compact",
        "S3GC_IMAGES_ACKNOWLEDGED": IMAGES_SENTENCE,
        "S3GC_ENCRYPTION": "age",
        "S3GC_ENCRYPTION_RECIPIENTS": f"{RECIPIENT},{RECIPIENT[:-1]}2",
        "S3GC_ENCRYPTION_IDENTITY_FILE": "/srv/identity",
        "S3GC_MAX_CONCURRENCY": "8",
        "S3GC_PLAN_LIFETIME_HOURS": "2",
        "S3GC_VAULT_HORIZON_DAYS": "10",
        "S3GC_DATABASE_RESTORE_DAYS": "9",
        "S3GC_HEAL": "restore",
        "S3GC_REQUIRE_SECOND_PERSON": "true",
        "S3GC_DEDUPLICATE": "false",
        "S3GC_UNSAFE_STORE": "head-compare-delete",
        "S3GC_EXCLUDE_PREFIXES": "backups/, static/",
        "S3GC_EXCLUDE_PATTERNS": "*.keep",
        "S3GC_CDN_BASES": "https://a.example/,https://b.example/",
        "S3GC_URL_PATTERNS": "/resize/{key},public://{key}",
        "S3GC_CDC_BACKEND": "mysql",
        "DATABASE_URL": "mysql://app:pw@db/shop",
        "S3GC_MAX_OBJECTS": "5",
        "S3GC_MAX_BYTES": "6",
        "S3GC_MAX_SHARE": "0.25",
        "S3GC_SOURCE_SHRUNK_SHARE": "1",
        "S3GC_LISTING_SHRUNK_SHARE": ".5",
        "S3GC_ADMIN_API_KEY": "reserved",
        "S3GC_PROFILE": "safe",
        "HOME": "/home/operator",
    }
    assert create_config_from_env(tables={"users": ["avatar"]}, environ=environ) == Config(
        bucket="photos",
        region="eu-west-1",
        endpoint_url="http://127.0.0.1:8333",
        mode=Mode.EXECUTE,
        caution=Caution.SAFE,
        retention_days=30,
        exclude_prefixes=("backups/", "static/"),
        exclude_patterns=("*.keep",),
        cdn_bases=("https://a.example/", "https://b.example/"),
        url_patterns=("/resize/{key}", "public://{key}"),
        vault_path=Path("/srv/vault"),
        schedule_cron="0 3 * * *",
        databases=(DatabaseConfig("mysql://app:pw@db/shop", "main", True, "mysql"),),
        sources=(SourceConfig("users", ("avatar",)),),
        compression_level=3,
        deduplicate=False,
        compression_floor=2,
        jpegxl=True,
        images=Images.COMPACT,
        images_acknowledged=IMAGES_SENTENCE,
        encryption=Encryption.AGE,
        encryption_recipients=(RECIPIENT, f"{RECIPIENT[:-1]}2"),
        encryption_identity_file="/srv/identity",
        max_concurrency=8,
        plan_lifetime_hours=2,
        vault_horizon_days=10,
        database_restore_days=9,
        heal=Heal.RESTORE,
        require_second_person=True,
        unsafe_store=UnsafeStore.HEAD_COMPARE,
        guards=GuardLimits(5, 6, 0.25, 1.0, 0.5),
    )


def test_only_the_bucket_is_required() -> None:
    assert create_config_from_env(environ=BUCKET) == Config("photos")
    assert set(wrong({})) == {"S3_BUCKET"}


def test_by_default_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "from-process")
    assert create_config_from_env().bucket == "from-process"


REPLICA = {"S3GC_REPLICA_BUCKET": "vault"}
MAY_BE_EMPTY = {
    f"S3GC_REPLICA_{name.upper()}"
    for name in ("endpoint_url", "prefix", "expected_bucket_owner", "profile")
} | {"S3GC_REPLICA_ACCESS_KEY_ENV", "S3GC_REPLICA_SECRET_KEY_ENV"}
# What is wrong everywhere else is a fine name for a folder, a file or a profile.
PATHS = {
    "S3GC_VAULT_PATH",
    "S3GC_AUDIT_ANCHOR_FILE",
    "S3GC_ANCHOR_KEY_FILE",
    "S3GC_ENCRYPTION_IDENTITY_FILE",
    "S3GC_REPLICA_PROFILE",
}


@pytest.mark.parametrize("variable", sorted(set(VARIABLES) - PATHS))
def test_a_bad_value_names_its_variable(variable: str) -> None:
    replica = REPLICA if variable.startswith("S3GC_REPLICA_") else {}
    found = wrong({**BUCKET, **replica, "DATABASE_URL": "mysql://db/x", variable: "/,*"})
    assert {setting.partition("[")[0] for setting in found} == {variable}


@pytest.mark.parametrize("variable", sorted({*VARIABLES, "DATABASE_URL", "S3GC_EXECUTE_MODE"}))
def test_an_empty_variable_is_not_dropped(variable: str) -> None:
    replica = REPLICA if variable.startswith("S3GC_REPLICA_") else {}
    environ = {**BUCKET, **replica, "DATABASE_URL": "mysql://db/x", variable: ""}
    if variable in MAY_BE_EMPTY:
        assert create_config_from_env(environ=environ).replica == ReplicaConfig("vault")
    elif variable in ("S3GC_ENDPOINT_URL", *(f"S3GC_{x}" for x in ("EXCLUDE_PREFIXES",))):
        assert create_config_from_env(environ=environ).exclude_prefixes == ()
    elif variable == "S3GC_AUDIT_ANCHOR_FILE":
        assert create_config_from_env(environ=environ).audit_anchor_file == ""
    elif variable == "S3GC_DRILL_CRON":
        assert create_config_from_env(environ=environ).drill_cron == ""
    elif variable == "S3GC_ENCRYPTION_IDENTITY_FILE":
        assert create_config_from_env(environ=environ).encryption_identity_file == ""
    elif variable == "S3GC_ANCHOR_KEY_FILE":
        assert create_config_from_env(environ=environ).anchor_key_file == ""
    elif variable == "S3GC_ANCHOR_PUBLIC_KEYS":
        assert create_config_from_env(environ=environ).anchor_public_keys == ()
    elif variable == "S3GC_ENCRYPTION_RECIPIENTS":
        assert create_config_from_env(environ=environ).encryption_recipients == ()
    elif variable == "S3GC_EXPECTED_BUCKET_OWNER":
        assert create_config_from_env(environ=environ).expected_bucket_owner == ""
    elif variable == "S3GC_IMAGES_ACKNOWLEDGED":
        assert create_config_from_env(environ=environ).images_acknowledged == ""
    elif variable == "S3GC_DATABASE_SEARCH_SKIP":
        assert create_config_from_env(environ=environ).database_search_skip == ()
    elif variable in ("S3GC_EXCLUDE_PATTERNS", "S3GC_CDN_BASES", "S3GC_URL_PATTERNS"):
        assert create_config_from_env(environ=environ).cdn_bases == ()
    else:
        assert set(wrong(environ)) == {variable}


def test_an_empty_entry_of_a_list_is_refused() -> None:
    # An empty prefix would exclude everything.
    assert set(wrong({**BUCKET, "S3GC_EXCLUDE_PREFIXES": "a/,"})) == {"S3GC_EXCLUDE_PREFIXES[1]"}


def test_numbers_are_numbers() -> None:
    for text in ("7.5", "seven", "0x7", "7_0", "nan", "9" * 5000, "true"):
        assert set(wrong({**BUCKET, "S3GC_RETENTION_DAYS": text})) == {"S3GC_RETENTION_DAYS"}
    for text in ("nan", "inf", "1e-1", "1.2.3", ".", "true"):
        assert set(wrong({**BUCKET, "S3GC_MAX_SHARE": text})) == {"S3GC_MAX_SHARE"}


def test_unknown_names_are_errors() -> None:
    found = wrong(
        {**BUCKET, "S3GC_RETENTION_DAY": "1", "S3GC_BUCKET": "x", "S3GC_": "", "s3gc_x": "fine"}
    )
    assert set(found) == {"S3GC_RETENTION_DAY", "S3GC_BUCKET", "S3GC_"}
    assert found["S3GC_RETENTION_DAY"] == 'did you mean "S3GC_RETENTION_DAYS"?'
    assert found["S3GC_BUCKET"] == 'did you mean "S3_BUCKET"?'


def test_everything_wrong_at_once() -> None:
    environ = {
        "S3_BUCKET": "X",
        "S3GC_NONE": "1",
        "S3GC_MODE": "x",
        "S3GC_EXECUTE_MODE": "yes",
        "S3GC_MAX_SHARE": "2",
        "DATABASE_URL": "redis://db",
    }
    assert set(wrong(environ)) == set(environ)


@pytest.mark.parametrize(
    ("mode", "execute", "expected"),
    [
        (None, "true", Mode.EXECUTE),
        (None, "TRUE", Mode.EXECUTE),
        (None, "false", Mode.DRY_RUN),
        ("execute", "true", Mode.EXECUTE),
        ("dry_run", "false", Mode.DRY_RUN),
        ("audit_only", "False", Mode.AUDIT_ONLY),
        ("dry_run", "true", None),
        ("audit_only", "true", None),
        ("execute", "false", None),
        (None, "1", None),
    ],
)
def test_execute_mode(mode: str | None, execute: str, expected: Mode | None) -> None:
    environ = {**BUCKET, "S3GC_EXECUTE_MODE": execute, **({"S3GC_MODE": mode} if mode else {})}
    if expected is None:
        assert set(wrong(environ)) == {"S3GC_EXECUTE_MODE"}
    else:
        assert create_config_from_env(environ=environ).mode is expected


def test_our_own_endpoint_wins_over_the_one_of_aws() -> None:
    aws = {**BUCKET, "AWS_ENDPOINT_URL": "http://aws:1"}
    assert create_config_from_env(environ=aws).endpoint_url == "http://aws:1"
    both = {**aws, "S3GC_ENDPOINT_URL": "http://own:2"}
    assert create_config_from_env(environ=both).endpoint_url == "http://own:2"
    assert set(wrong({**BUCKET, "AWS_ENDPOINT_URL": "x"})) == {"AWS_ENDPOINT_URL"}


def test_a_backend_needs_a_database() -> None:
    assert set(wrong({**BUCKET, "S3GC_CDC_BACKEND": "mysql"})) == {"S3GC_CDC_BACKEND"}


def test_a_stream_over_sql() -> None:
    url = "postgresql://db.example/app"
    over = {**BUCKET, "S3GC_CDC_OVER": "sql"}
    config = create_config_from_env(
        environ={**over, "DATABASE_URL": url, "S3GC_CDC_BACKEND": "postgresql"}
    )
    expected = (DatabaseConfig(url, "main", True, "postgresql", CdcOver.SQL),)
    assert config.databases == expected
    assert set(wrong(over)) == {"S3GC_CDC_OVER"}
    assert set(wrong({**over, "DATABASE_URL": url})) == {"S3GC_CDC_OVER"}
