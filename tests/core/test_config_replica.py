"""Settings of the replica."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from s3gc_core import CONFIG_TEMPLATE, create_config, create_config_from_env, load_config
from s3gc_core.config import Config, Durability, ReplicaConfig
from s3gc_core.config_replica import REPLICA
from s3gc_core.errors import ConfigurationError


def replica(**settings: Any) -> ReplicaConfig | None:
    return create_config(bucket="photos", replica={"bucket": "vault", **settings}).replica


def wrong(replica: object, **settings: Any) -> set[str]:
    with pytest.raises(ConfigurationError) as caught:
        create_config(**{"bucket": "photos", "replica": replica, **settings})
    return {problem.setting for problem in caught.value.problems}


def test_as_it_was_written() -> None:
    assert create_config(bucket="photos").replica is None
    assert replica() == ReplicaConfig("vault")
    assert replica(
        region="eu-west-1",
        endpoint_url="https://other.example",
        prefix="photos/",
        expected_bucket_owner="0" * 12,
        access_key_env="REPLICA_KEY",
        secret_key_env="REPLICA_SECRET",
        durability="replica",
    ) == ReplicaConfig(
        "vault",
        "eu-west-1",
        "https://other.example",
        "photos/",
        "0" * 12,
        access_key_env="REPLICA_KEY",
        secret_key_env="REPLICA_SECRET",
        durability=Durability.REPLICA,
    )
    assert replica(profile="second") == ReplicaConfig("vault", profile="second")
    again = create_config(bucket="photos", replica=ReplicaConfig("vault", prefix="a/"))
    assert again.replica == ReplicaConfig("vault", prefix="a/")


def test_never_the_bucket_that_is_kept_clean() -> None:
    assert wrong({"bucket": "photos"}) == {"replica.bucket"}
    # A prefix of it is in it all the same.
    assert wrong({"bucket": "photos", "prefix": "vault/"}) == {"replica.bucket"}
    here = "http://127.0.0.1:8333"
    in_it = {"bucket": "photos", "endpoint_url": here + "/"}
    assert wrong(in_it, endpoint_url=here) == {"replica.bucket"}
    # Of the same name, in another store.
    assert create_config(bucket="photos", replica=in_it).replica is not None


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ({"bucket": ""}, "replica.bucket"),
        ({"bucket": "vault", "bukket": "x"}, "replica.bukket"),
        ({"bucket": "vault", "prefix": "/a/"}, "replica.prefix"),
        ({"bucket": "vault", "prefix": "a"}, "replica.prefix"),
        ({"bucket": "vault", "durability": "both"}, "replica.durability"),
        ({"bucket": "vault", "access_key_env": "A"}, "replica"),
        ({"bucket": "vault", "secret_key_env": "A"}, "replica"),
        ({"bucket": "vault", "access_key_env": "A-B", "secret_key_env": "A"},
         "replica.access_key_env"),
        ({"bucket": "vault", "access_key_env": "A", "secret_key_env": "B", "profile": "p"},
         "replica.profile"),
        ("vault", "replica"),
    ],
)  # fmt: skip
def test_what_it_may_not_be(settings: object, setting: str) -> None:
    assert setting in wrong(settings)
    assert "replica.bucket" in wrong({})


def test_the_example_of_the_template_is_whole_and_valid(tmp_path: Path) -> None:
    text = CONFIG_TEMPLATE.replace('bucket = ""', 'bucket = "photos"', 1)
    _, start, tail = text.partition("# [replica]")
    example = (start + tail).partition("\n\n")[0]
    path = tmp_path / "s3gc.toml"
    path.write_text('bucket = "photos"\n' + example.replace("# ", "", 1).replace("\n# ", "\n"))
    config = load_config(path, {})
    assert config.replica == ReplicaConfig("photos-vault")
    assert {field.name for field in fields(ReplicaConfig)} == set(REPLICA)
    assert all(f"\n# {name} = " in text for name in REPLICA)


def test_it_can_be_shown() -> None:
    shown = create_config(bucket="photos", replica={"bucket": "vault"}).redacted()["replica"]
    assert isinstance(shown, dict)
    assert shown["durability"] == "local"
    assert Config("photos").redacted()["replica"] is None


def test_from_the_environment_alone_and_over_a_file(tmp_path: Path) -> None:
    environ = {"S3_BUCKET": "photos", "S3GC_REPLICA_BUCKET": "vault", "S3GC_REPLICA_PREFIX": "a/"}
    assert create_config_from_env(environ=environ).replica == ReplicaConfig("vault", prefix="a/")
    file = tmp_path / "s3gc.toml"
    file.write_text('bucket = "photos"\n[replica]\nbucket = "vault"\nprefix = "a/"\n')
    over = load_config(file, {"S3GC_REPLICA_PREFIX": "b/", "S3GC_REPLICA_DURABILITY": "replica"})
    assert over.replica == ReplicaConfig("vault", prefix="b/", durability=Durability.REPLICA)
    alone = {"S3_BUCKET": "photos", "S3GC_REPLICA_PREFIX": "a", "S3GC_REPLICA_PLACE": "x"}
    with pytest.raises(ConfigurationError) as caught:
        create_config_from_env(environ=alone)
    problems = {problem.setting for problem in caught.value.problems}
    assert problems == {"replica.bucket", "S3GC_REPLICA_PREFIX", "S3GC_REPLICA_PLACE"}
