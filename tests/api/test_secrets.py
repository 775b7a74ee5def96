"""Inside of an application: whatever handlers that has, and whatever an error says."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from fastapi import FastAPI

from s3gc_core import log
from s3gc_core.config import ApiConfig, Config, DatabaseConfig, TokenConfig
from s3gc_core.config_secrets import secrets_of_config
from s3gc_core.errors import DatabaseUnreachable
from s3gc_core.integrations import setup_s3gc_plugin, shapes
from s3gc_core.integrations.problems import AsciiJson, Wrong, problem
from s3gc_core.log import EVENT
from tests.api.asking import ADMIN

WORD, FILED, PASSWORD = "a-word-of-the-api", "a-file-of-the-api", "p4ssw0rd-of-the-database"
ENVIRON = {"WORD": WORD, "S3GC_ADMIN_API_KEY": ADMIN, "UNRELATED": "nothing-to-hide"}


@pytest.fixture
def holding(tmp_path: Path) -> Config:
    """A configuration with a secret in each place."""
    file = tmp_path / "filed"
    file.write_text(f"{FILED}\n")
    api = ApiConfig(tokens=(TokenConfig("a", "WORD"), TokenConfig("b", file=str(file))))
    database = DatabaseConfig(f"postgresql://app:{PASSWORD}@127.0.0.1:1/x")
    return Config("photos", vault_path=tmp_path / "vault", databases=(database,), api=api)


def test_all_of_a_configuration_are_known(holding: Config, tmp_path: Path) -> None:
    assert set(secrets_of_config(holding, ENVIRON)) == {WORD, FILED, PASSWORD, ADMIN}
    (tmp_path / "filed").unlink()
    assert set(secrets_of_config(holding, {})) == {PASSWORD}


def test_the_applications_own_handlers_hear_none(
    holding: Config, caplog: pytest.LogCaptureFixture
) -> None:
    setup_s3gc_plugin(FastAPI(), holding, environ=ENVIRON)
    secrets = [WORD, FILED, PASSWORD, ADMIN]
    with caplog.at_level(logging.INFO, "s3gc"):
        log.warning("failed", what=" ".join(secrets), more={"in": [*secrets, 7]}, key="a/b.jpg")
    [record] = caplog.records
    assert (getattr(record, EVENT)["key"], getattr(record, EVENT)["more"]["in"][-1]) == (
        "a/b.jpg",
        7,
    )
    assert "a/b.jpg" in record.getMessage()
    assert not any(one in f"{record.getMessage()}{getattr(record, EVENT)}" for one in secrets)


def test_an_error_that_says_one_is_answered_without(holding: Config) -> None:
    setup_s3gc_plugin(FastAPI(), holding, environ=ENVIRON)
    secrets = [WORD, FILED, PASSWORD, ADMIN]
    wrong = [Wrong(where=one, why=one) for one in secrets]
    answer = problem(DatabaseUnreachable(f"no route with {secrets}"), wrong=wrong)
    assert b"no route with" in answer.body
    assert not any(one.encode() in answer.body for one in secrets)


def test_what_others_said_is_told_without_and_keys_as_they_are(holding: Config) -> None:
    setup_s3gc_plugin(FastAPI(), holding, environ=ENVIRON)
    said = f"refused for {PASSWORD}"
    stream = shapes.Stream(
        database="main",
        state="waiting",
        detail=said,
        true_at=None,
        seconds=None,
        transactions=None,
        bytes=None,
        max_bytes=1,
    )
    assert PASSWORD not in stream.detail
    assert stream.detail.startswith("refused for ")
    # By a key somebody goes on: an altered one would name another object, or none.
    keys = [f"exports/token={name}/x.txt" for name in ("a", "b")]
    assert json.loads(bytes(AsciiJson(keys).body)) == keys
