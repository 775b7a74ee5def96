"""`create_config`, and the one validation that file, environment and builder share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from os import PathLike
from typing import Any, Required, TypedDict, Unpack

from s3gc_core import config_codecs as codecs
from s3gc_core import config_rules as rules
from s3gc_core.config import (
    IMAGES_SENTENCE,
    PRICES,
    ApiConfig,
    Config,
    DatabaseConfig,
    Encryption,
    GuardLimits,
    Images,
    Mode,
    PrefixBudget,
    ReplicaConfig,
)
from s3gc_core.config_api import read_api
from s3gc_core.config_caution import apply_caution
from s3gc_core.config_replica import read_replica
from s3gc_core.config_rules import Findings, Rule, Where
from s3gc_core.config_sources import read_databases, read_sources
from s3gc_core.errors import ConfigurationError
from s3gc_core.redaction import shown

# The largest whole number that SQLite holds.
_LARGEST = (1 << 63) - 1

SCALARS: dict[str, Rule[object]] = {
    "bucket": rules.bucket_name,
    "region": rules.region,
    "endpoint_url": rules.endpoint_url,
    "request_payer": rules.request_payer,
    "expected_bucket_owner": rules.account,
    "checksums": rules.checksums,
    "mode": rules.mode,
    "caution": rules.caution,
    "retention_days": rules.whole_number(1, 3650, rules.RETENTION_FLOOR),
    "vault_path": rules.vault_path,
    "schedule_cron": rules.schedule,
    "schedule_jitter_seconds": rules.whole_number(0, 43_200),
    "drill_cron": rules.optional_schedule,
    "drill_sample": rules.whole_number(1, 100_000),
    "compression_level": rules.whole_number(1, 22),
    "compression_floor": rules.whole_number(1, 22),
    "jpegxl": rules.flag,
    "images": rules.images,
    "images_acknowledged": rules.images_acknowledged,
    "encryption": rules.encryption,
    "encryption_identity_file": rules.absolute_file,
    "max_concurrency": rules.whole_number(1, 256),
    "max_requests_per_second": rules.whole_number(0, 1_000_000, "0 sets no limit"),
    "max_bandwidth_mb_per_second": rules.whole_number(0, 1_000_000, "0 sets no limit"),
    "plan_lifetime_hours": rules.whole_number(1, 720),
    "vault_horizon_days": rules.whole_number(1, 36500),
    "database_restore_days": rules.whole_number(0, 36500),
    "audit_anchor_file": rules.absolute_file,
    "anchor_key_file": rules.absolute_file,
    "drill_prefix": rules.scratch_prefix,
    "heal": rules.heal,
    "require_second_person": rules.flag,
    "deduplicate": rules.flag,
    "unsafe_store": rules.unsafe_store,
    "database_search": rules.database_search,
    "database_search_max_bytes": rules.whole_number(1, _LARGEST),
    "max_database_mb_per_second": rules.whole_number(0, 1_000_000, "0 sets no limit"),
}
LISTS: dict[str, Rule[str]] = {
    "exclude_prefixes": rules.prefix,
    "exclude_patterns": rules.pattern,
    "cdn_bases": rules.web_url,
    "url_patterns": codecs.url_pattern,
    "encryption_recipients": rules.recipient,
    "anchor_public_keys": rules.anchor_key,
    "database_search_skip": rules.skipped_table,
}
GUARDS: dict[str, Rule[object]] = {
    "max_objects": rules.whole_number(1, _LARGEST),
    "max_bytes": rules.whole_number(1, _LARGEST),
    "max_share": rules.share,
    "max_objects_per_day": rules.whole_number(0, _LARGEST),
    "max_bytes_per_day": rules.whole_number(0, _LARGEST),
    "source_shrunk_share": rules.share,
    "reverse_match_share": rules.share,
    "reverse_match_drop": rules.share,
    "listing_shrunk_share": rules.share,
}
# Nothing at all may go under a prefix where it is excluded: no budget says so.
_SOME = rules.whole_number(1, _LARGEST, "exclude_prefixes keeps all that is under a prefix")
PREFIX_BUDGET: dict[str, Rule[object]] = {
    "max_objects": _SOME,
    "max_bytes": _SOME,
    "max_share": rules.share,
    "max_objects_per_day": _SOME,
    "max_bytes_per_day": _SOME,
}
FILE_NAMES = frozenset(
    {*SCALARS, *LISTS, "guards", "replica", "api", "database", "tables", "prices", "keys"}
)
CREATE_NAMES = FILE_NAMES | {"databases", "cdc_backend", "cdc_over", "cdc_connection_url"}
DEFAULTS: dict[str, object] = {
    item.name: item.default for of in (ApiConfig, Config, GuardLimits) for item in fields(of)
}
_ELSEWHERE = {
    **{name: f"it belongs under [guards]: guards.{name}" for name in GUARDS},
    **dict.fromkeys(("url", "cdc_connection_url"), "it belongs under [database]: database.url"),
    "cdc": "it belongs under [database]: database.cdc",
    "cdc_backend": "it belongs under [database]: database.cdc_backend",
    "cdc_over": "it belongs under [database]: database.cdc_over",
}


class Settings(TypedDict, total=False):
    """What `create_config` takes. Everything but `bucket` has the default of `Config`.

    `tables` maps a table to its columns: `{"users": ["avatar"], "posts": [{"column": "body",
    "codec": "text"}], "files": {"template": "files/{id}"}}`. `database` and `databases` take URLs,
    mappings (`url`, `name`, `cdc`, `cdc_backend`, `cdc_over`) or `DatabaseConfig`; without them
    `cdc_connection_url` is the database.
    """

    bucket: Required[str]
    region: str
    endpoint_url: str
    request_payer: str
    expected_bucket_owner: str
    checksums: str
    mode: Mode | str
    caution: str
    retention_days: int
    exclude_prefixes: Sequence[str]
    exclude_patterns: Sequence[str]
    cdn_bases: Sequence[str]
    url_patterns: Sequence[str]
    vault_path: str | PathLike[str]
    schedule_cron: str
    schedule_jitter_seconds: int
    drill_cron: str
    drill_sample: int
    tables: Mapping[str, object]
    database: str | Mapping[str, object] | DatabaseConfig | None
    databases: Sequence[str | Mapping[str, object] | DatabaseConfig] | None
    cdc_backend: str | None
    cdc_over: str | None
    cdc_connection_url: str | None
    compression_level: int
    deduplicate: bool
    compression_floor: int
    jpegxl: bool
    images: str
    images_acknowledged: str
    encryption: str
    encryption_recipients: Sequence[str]
    encryption_identity_file: str
    max_concurrency: int
    max_requests_per_second: int
    max_bandwidth_mb_per_second: int
    plan_lifetime_hours: int
    vault_horizon_days: int
    database_restore_days: int
    audit_anchor_file: str
    anchor_key_file: str
    anchor_public_keys: Sequence[str]
    drill_prefix: str
    heal: str
    require_second_person: bool
    unsafe_store: str
    database_search: str
    database_search_max_bytes: int
    database_search_skip: Sequence[str]
    max_database_mb_per_second: int
    guards: GuardLimits | Mapping[str, object]
    replica: ReplicaConfig | Mapping[str, object] | None
    api: ApiConfig | Mapping[str, object]
    prices: Mapping[str, float]
    keys: Mapping[str, str]


def create_config(**settings: Unpack[Settings]) -> Config:
    """A valid configuration from keyword arguments (see `Settings`).

    Raises one `ConfigurationError` that lists all unknown names and bad values.
    """
    findings = Findings(lambda where, _: dotted(where))
    return validated(settings, findings, CREATE_NAMES, "configuration")


def dotted(where: Where) -> str:
    """A place for people: `tables.users[0].codec`."""
    label = ""
    for part in where:
        if isinstance(part, int):
            label += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w.\-]+", part) else shown(part)
            label += f".{name}" if label else name
    return label


def validated(
    settings: Mapping[str, object], findings: Findings, names: Iterable[str], origin: str
) -> Config:
    """The configuration, or one `ConfigurationError` with everything in `findings` and found here.

    `names` are the settings this origin may hold.
    """
    known = frozenset(names)
    for name in settings:
        if name in known:
            continue
        if name in _ELSEWHERE:
            findings.add((name,), None, _ELSEWHERE[name], said="an unknown name")
        else:
            findings.unknown((str(name),), known)
    settings = {name: value for name, value in settings.items() if name in known}
    values: dict[str, Any] = {}
    for name, rule in SCALARS.items():
        if name in settings or name == "bucket":
            values[name] = findings.take((name,), rule, settings.get(name), None)
    apply_caution(values, findings)
    _check_floor(values, findings)
    _check_acknowledged(values, findings)
    for name, each in LISTS.items():
        if name in settings:
            values[name] = _list(name, each, settings[name], findings)
    _check_encryption(values, findings)
    if "guards" in settings:
        values["guards"] = _guards(settings["guards"], findings)
    if "replica" in settings:
        where = values["bucket"], values.get("endpoint_url")
        values["replica"] = read_replica(settings["replica"], *where, findings)
    if "api" in settings:
        values["api"] = read_api(settings["api"], findings)
    if "prices" in settings:
        values["prices"] = _prices(settings["prices"], findings)
    if "keys" in settings:
        values["keys"] = _keys(settings["keys"], findings, ("keys",))
    databases, database_names = read_databases(settings, findings)
    sources = read_sources(settings.get("tables", {}), database_names, findings)
    if findings.problems:
        raise ConfigurationError(findings.problems, origin=origin)
    return Config(**values, databases=databases, sources=sources)


def _check_floor(values: Mapping[str, Any], findings: Findings) -> None:
    """A floor that is over the level would make backups stronger than the level allows."""
    level, floor = (
        values.get("compression_level", DEFAULTS["compression_level"]),
        values.get("compression_floor"),
    )
    if isinstance(level, int) and isinstance(floor, int) and floor > level:
        allowed = f"1 to compression_level ({level}), which makes it fixed"
        findings.add(("compression_floor",), floor, allowed)


def _check_acknowledged(values: Mapping[str, Any], findings: Findings) -> None:
    """Nobody gets lossy backups by one word, nor by a line copied without what it means."""
    lossy = values.get("images") is Images.COMPACT
    if lossy and values.get("images_acknowledged") != IMAGES_SENTENCE:
        needed = f'"exact"; or also images_acknowledged = "{IMAGES_SENTENCE}"'
        findings.add(("images",), str(Images.COMPACT), needed)


def _check_encryption(values: Mapping[str, Any], findings: Findings) -> None:
    """Nobody could open what is encrypted for nobody; and recipients are named to be used."""
    recipients = values.get("encryption_recipients", ())
    encrypted = values.get("encryption") is Encryption.AGE
    if encrypted and not recipients:
        allowed = "at least one age public key, as encryption is on"
        findings.add(("encryption_recipients",), None, allowed, said="nothing")
    elif any(recipients) and "encryption" not in values:
        allowed = '"age", or "none" where these are for later'
        findings.add(("encryption",), None, allowed, said="nothing")


def _list(name: str, rule: Rule[str], value: object, findings: Findings) -> tuple[str, ...]:
    # A text is a sequence too: its letters would become prefixes.
    if not isinstance(value, (list, tuple)):
        findings.add((name,), value, "a list of texts")
        return ()
    return tuple(
        findings.take((name, number), rule, element, "") for number, element in enumerate(value)
    )


def _guards(value: object, findings: Findings) -> GuardLimits:
    if isinstance(value, GuardLimits):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if not isinstance(value, Mapping):
        findings.add(("guards",), value, f"a table with {', '.join(GUARDS)}")
        return GuardLimits()
    limits: dict[str, Any] = {}
    for name, limit in value.items():
        if name in GUARDS:
            limits[name] = findings.take(("guards", name), GUARDS[name], limit, None)
        elif name == "prefixes":
            limits[name] = _prefix_budgets(limit, findings)
        else:
            findings.unknown(("guards", str(name)), {*GUARDS, "prefixes"})
    return GuardLimits(**limits)


def _prefix_budgets(value: object, findings: Findings) -> dict[str, PrefixBudget]:
    where: Where = ("guards", "prefixes")
    if not isinstance(value, Mapping):
        findings.add(where, value, 'a table for each prefix: [guards.prefixes."avatars/"]')
        return {}
    budgets: dict[str, PrefixBudget] = {}
    for written, limits in value.items():
        place: Where = (*where, str(written))
        prefix = findings.take(place, rules.budget_prefix, written, "")
        budgets[prefix] = _prefix_budget(limits, findings, place)
    return budgets


def _prefix_budget(value: object, findings: Findings, where: Where) -> PrefixBudget:
    if isinstance(value, PrefixBudget):
        said = {field.name: getattr(value, field.name) for field in fields(value)}
        value = {name: limit for name, limit in said.items() if limit is not None}
    if not isinstance(value, Mapping) or not value:
        findings.add(where, value, f"a table with some of {', '.join(PREFIX_BUDGET)}")
        return PrefixBudget()
    limits: dict[str, Any] = {}
    for name, limit in value.items():
        place: Where = (*where, str(name))
        if name in PREFIX_BUDGET:
            limits[name] = findings.take(place, PREFIX_BUDGET[name], limit, None)
        else:
            findings.unknown(place, PREFIX_BUDGET)
    return PrefixBudget(**limits)


def _prices(value: object, findings: Findings) -> dict[str, float]:
    if not isinstance(value, Mapping):
        findings.add(("prices",), value, f"a table with {', '.join(PRICES)}")
        return {}
    prices: dict[str, float] = {}
    for name, price in value.items():
        if name in PRICES:
            prices[name] = findings.take(("prices", name), rules.price, price, 0.0)
        else:
            findings.unknown(("prices", str(name)), PRICES)
    return prices


def _keys(value: object, findings: Findings, where: Where) -> dict[str, str]:
    """Actions and their keys as they are written; the dashboard judges them."""
    if not isinstance(value, Mapping):
        findings.add(where, value, "a table: action = key")
        return {}
    keys: dict[str, str] = {}
    for name, key in value.items():
        place: Where = (*where, str(name))
        if isinstance(key, Mapping):
            # pane.log without quotes is a table within a table in TOML.
            keys |= {f"{name}.{inner}": k for inner, k in _keys(key, findings, place).items()}
        else:
            keys[str(name)] = findings.take(place, rules.text, key, "")
    return keys
