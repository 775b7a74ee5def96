"""The builder makes what `create_config` makes, from drafts that never change."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from functools import partial
from pathlib import Path

import pytest

from s3gc_core import create_config
from s3gc_core.builder import (
    ConfigDraft,
    Step,
    audit_only_mode,
    build_config,
    create_empty_config,
    dry_run_mode,
    enable_cdc,
    enable_vault,
    exclude_patterns,
    exclude_prefixes,
    execute_mode,
    pipe,
    retention_days,
    scan_table,
    schedule_daily,
    with_bucket,
    with_database,
    with_endpoint,
    with_region,
)
from s3gc_core.config import CdcOver, Config, DatabaseConfig, Mode
from s3gc_core.errors import ConfigurationError

URL = "postgresql://app:hunter2@db.example/app"


def bucket() -> ConfigDraft:
    return with_bucket(create_empty_config(), "photos")


def test_all_steps() -> None:
    built = build_config(
        pipe(
            create_empty_config(),
            partial(with_bucket, bucket="photos"),
            partial(with_region, region="eu-west-1"),
            partial(with_endpoint, endpoint_url="http://127.0.0.1:8333"),
            partial(scan_table, table="users", columns=["avatar"]),
            lambda draft: scan_table(draft, "users", "cover"),
            lambda draft: scan_table(draft, "posts", [{"column": "body", "codec": "text"}]),
            partial(exclude_prefixes, prefixes=["backups/", "static/"]),
            partial(exclude_prefixes, prefixes="tmp/"),
            partial(exclude_patterns, patterns=["*.keep"]),
            partial(retention_days, days=30),
            partial(enable_vault, path=Path("/srv/vault")),
            partial(enable_cdc, backend="postgresql", url=URL),
            partial(schedule_daily, time="04:15"),
            execute_mode,
        )
    )
    assert built == create_config(
        bucket="photos",
        region="eu-west-1",
        endpoint_url="http://127.0.0.1:8333",
        tables={"users": ["avatar", "cover"], "posts": [{"column": "body", "codec": "text"}]},
        exclude_prefixes=["backups/", "static/", "tmp/"],
        exclude_patterns=["*.keep"],
        retention_days=30,
        vault_path="/srv/vault",
        cdc_backend="postgresql",
        cdc_connection_url=URL,
        schedule_cron="04:15",
        mode="execute",
    )
    assert built.databases == (DatabaseConfig(URL, "main", True, "postgresql"),)


def test_a_stream_over_sql() -> None:
    built = build_config(enable_cdc(bucket(), "postgresql", URL, over="sql"))
    assert built.databases == (DatabaseConfig(URL, "main", True, "postgresql", CdcOver.SQL),)


def test_only_the_bucket_is_required() -> None:
    assert build_config(bucket()) == Config("photos")
    assert build_config(schedule_daily(bucket())) == Config("photos")


@pytest.mark.parametrize(
    ("step", "mode"),
    [
        (dry_run_mode, Mode.DRY_RUN),
        (audit_only_mode, Mode.AUDIT_ONLY),
        (execute_mode, Mode.EXECUTE),
    ],
)
def test_modes(step: Step, mode: Mode) -> None:
    assert build_config(step(bucket())).mode is mode
    assert build_config(step(execute_mode(bucket()))).mode is mode


def test_several_databases() -> None:
    draft = with_database(with_database(bucket(), URL), "sqlite:////a.db", "lite", cdc=True)
    assert build_config(draft).databases == (
        DatabaseConfig(URL),
        DatabaseConfig("sqlite:////a.db", "lite", True, "sqlite"),
    )


def test_a_draft_never_changes() -> None:
    draft = scan_table(bucket(), "users", ["avatar"])
    before = dict(draft.settings)
    scan_table(draft, "users", ["cover"])
    exclude_prefixes(draft, ["a/"])
    execute_mode(draft)
    assert draft.settings == before
    with pytest.raises(TypeError):
        draft.settings["mode"] = "execute"  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        draft.settings = {}  # type: ignore[misc]
    assert pipe(draft) is draft


def test_a_draft_shows_no_password() -> None:
    assert "hunter2" not in repr(enable_cdc(with_database(bucket(), URL), "postgresql", URL))


def test_everything_wrong_is_reported_at_the_end() -> None:
    draft = pipe(
        with_bucket(create_empty_config(), "Photos"),
        partial(retention_days, days=0),
        partial(scan_table, table="users", columns=[]),
        partial(exclude_prefixes, prefixes=""),
        partial(enable_cdc, backend="oracle", url=URL),
    )
    with pytest.raises(ConfigurationError) as caught:
        build_config(draft)
    assert {problem.setting for problem in caught.value.problems} == {
        "bucket",
        "retention_days",
        "tables.users",
        "exclude_prefixes[0]",
        "cdc_backend",
    }
