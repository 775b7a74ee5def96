"""Under which conditions a plan was judged: with others, what was approved is not what is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TypeVar

import msgspec

from s3gc_core.config import DRILL_PREFIX, Config, DatabaseSearch, Images
from s3gc_core.errors import PlanDrifted
from s3gc_core.judgement.guards import Identity
from s3gc_core.references import Clearance, ColumnId

T = TypeVar("T")


class Conditions(msgspec.Struct, frozen=True):
    """What decides about objects besides the objects: settings, and which bucket and databases.

    `sources` and `guards` are JSON; `databases` maps a name to the server's identity; `clearances`
    are the columns, each with its type, that a person said to hold no keys: nobody looked there.
    """

    bucket: str
    databases: dict[str, str]
    retention_days: int
    exclude_prefixes: tuple[str, ...]
    exclude_patterns: tuple[str, ...]
    cdn_bases: tuple[str, ...]
    url_patterns: tuple[str, ...]
    sources: tuple[str, ...]
    guards: str
    database_search: str
    database_search_skip: tuple[str, ...]
    clearances: tuple[str, ...]
    drill_prefix: str = DRILL_PREFIX
    images: str = Images.EXACT.value
    encryption: str = "none"
    encryption_recipients: tuple[str, ...] = ()


def conditions_of(
    config: Config, present: Identity, cleared: Mapping[ColumnId, Clearance]
) -> Conditions:
    """The conditions as they are now."""
    return Conditions(
        bucket=present.bucket,
        databases=dict(sorted(present.databases.items())),
        retention_days=config.retention_days,
        exclude_prefixes=config.exclude_prefixes,
        exclude_patterns=config.exclude_patterns,
        cdn_bases=config.cdn_bases,
        url_patterns=config.url_patterns,
        sources=tuple(_json(asdict(source)) for source in config.sources),
        guards=_json(asdict(config.guards)),
        database_search=str(config.database_search),
        database_search_skip=config.database_search_skip,
        # Of another type it is another column, which nobody looked at.
        clearances=tuple(sorted(f"{id_} {said.type}" for id_, said in cleared.items())),
        drill_prefix=config.drill_prefix,
        images=config.images.value,
        encryption=str(config.encryption),
        encryption_recipients=tuple(sorted(config.encryption_recipients)),
    )


def drifted(then: Conditions, now: Conditions) -> list[str]:
    """Names of the conditions that changed, but for those that can only keep more.

    One URL base more may read another key out of a URL, so those have to be the same.
    """
    changed = {
        "bucket": now.bucket != then.bucket,
        "database": _lacks(now.databases.items(), then.databases.items()),
        "retention_days": now.retention_days < then.retention_days,
        "exclude_prefixes": _lacks(now.exclude_prefixes, then.exclude_prefixes),
        "exclude_patterns": _lacks(now.exclude_patterns, then.exclude_patterns),
        "cdn_bases": now.cdn_bases != then.cdn_bases,
        "url_patterns": now.url_patterns != then.url_patterns,
        "tables": _lacks(now.sources, then.sources),
        "guards": now.guards != then.guards,
        # Only the scan searches: what it left out must not be asked for now.
        "database_search": now.database_search == DatabaseSearch.EVERYTHING
        and then.database_search != DatabaseSearch.EVERYTHING,
        "database_search_skip": _lacks(now.database_search_skip, then.database_search_skip),
        # What was cleared since was searched when the plan was made.
        "clearances": _lacks(now.clearances, then.clearances),
        "drill_prefix": now.drill_prefix != then.drill_prefix,
        # Whoever approved it was not told that what comes back is worse.
        "images": now.images == Images.COMPACT and then.images != Images.COMPACT,
        # Who can bring objects back is a part of what was approved.
        "encryption": now.encryption != then.encryption,
        "encryption_recipients": now.encryption_recipients != then.encryption_recipients,
    }
    return [name for name, is_changed in changed.items() if is_changed]


def check_not_drifted(plan_id: str, then: Conditions, now: Conditions) -> None:
    """Raise `PlanDrifted` where what decides is not what it was when the plan was made."""
    if changed := drifted(then, now):
        raise PlanDrifted(f"since plan {plan_id} was made, these changed: {', '.join(changed)}")


def _lacks(now: Iterable[T], then: Iterable[T]) -> bool:
    return not set(then) <= set(now)


def _json(settings: dict[str, object]) -> str:
    return msgspec.json.encode(settings, order="sorted").decode()
