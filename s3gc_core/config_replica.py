"""What may stand under [replica]: the bucket that holds a second vault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from s3gc_core import config_rules as rules
from s3gc_core.config import ReplicaConfig
from s3gc_core.config_rules import Findings, Rule, Unusable, Where

_WHERE: Where = ("replica",)


def variable(value: object) -> str:
    """The name of an environment variable; empty for none."""
    if isinstance(value, str) and re.fullmatch(r"([A-Za-z_]\w*)?", value, re.ASCII):
        return value
    raise Unusable("the name of an environment variable, which holds the secret")


def folder(value: object) -> str:
    """A folder of the bucket; empty for all of it."""
    return "" if value == "" else rules.scratch_prefix(value)


def profile(value: object) -> str:
    """A profile of the AWS configuration; empty for none."""
    return "" if value == "" else rules.text(value)


REPLICA: dict[str, Rule[Any]] = {
    "bucket": rules.bucket_name,
    "region": rules.region,
    "endpoint_url": rules.endpoint_url,
    "prefix": folder,
    "expected_bucket_owner": rules.account,
    "profile": profile,
    "access_key_env": variable,
    "secret_key_env": variable,
    "durability": rules.durability,
}


def read_replica(
    value: object, bucket: object, endpoint_url: object, findings: Findings
) -> ReplicaConfig | None:
    """The replica as it was written; `bucket` and `endpoint_url` are those of the source.

    A replica in the bucket that is kept clean would be judged, and deleted, with all the rest.
    """
    if value is None:
        return None
    if isinstance(value, ReplicaConfig):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if not isinstance(value, Mapping):
        findings.add(_WHERE, value, f"a table with {', '.join(REPLICA)}")
        return None
    values: dict[str, Any] = {
        "bucket": findings.take((*_WHERE, "bucket"), rules.bucket_name, value.get("bucket"), "")
    }
    for name, written in value.items():
        if name not in REPLICA:
            findings.unknown((*_WHERE, str(name)), REPLICA)
        elif name != "bucket":
            values[name] = findings.take((*_WHERE, name), REPLICA[name], written, "")
    replica = ReplicaConfig(**values)
    if replica.bucket == bucket and _store(replica.endpoint_url) == _store(endpoint_url):
        allowed = "a bucket other than the one that is kept clean"
        findings.add((*_WHERE, "bucket"), replica.bucket, allowed)
    if bool(replica.access_key_env) != bool(replica.secret_key_env):
        allowed = "both access_key_env and secret_key_env, or neither"
        findings.add(_WHERE, None, allowed, said="only one of the two")
    elif replica.access_key_env and replica.profile:
        allowed = "either profile, or access_key_env and secret_key_env"
        findings.add((*_WHERE, "profile"), replica.profile, allowed)
    return replica


def _store(endpoint_url: object) -> str:
    return str(endpoint_url or "").rstrip("/").lower()
