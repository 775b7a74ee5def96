"""Gathers the evidence about candidates, page by page, and applies the layers to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from s3gc_core.bucket import ListedObject
from s3gc_core.config import Config
from s3gc_core.databases.protocol import RowId
from s3gc_core.judgement.layers import Evidence, Judged, Mentioned, Rules, judge_object
from s3gc_core.references import Edge, Found, Mention, MentionKind, Registry, key_hashes, near_forms
from s3gc_core.references.discovery import shown_value

# How many rows a reason quotes as evidence; the first is named, the others counted.
_ROWS_SHOWN = 10
_NO_UPLOADS: Mapping[int, datetime] = MappingProxyType({})
_NOBODY: Mapping[int, tuple[str, ...]] = MappingProxyType({})
_NOWHERE: Mapping[int, Mentioned] = MappingProxyType({})
_UNMENTIONED = Mentioned()


def rules_of(config: Config) -> Rules:
    """The settings by which objects are judged."""
    return Rules(
        timedelta(days=config.retention_days),
        config.exclude_prefixes,
        config.exclude_patterns,
        (config.drill_prefix,),
    )


def row_in_words(source: str, row: RowId, spelling: str = "") -> str:
    """How a reference is named everywhere: source and row, and how that row writes the key."""
    return f"{source} row {row}" + (f" ({shown_value(spelling)})" if spelling else "")


def holders_of(found: Sequence[Found], *, near: bool = False) -> dict[int, tuple[str, ...]]:
    """Rows found in the databases, in words, by the hash of the key they hold.

    With `near` those that hold it in another spelling only.
    """
    holders: dict[int, tuple[str, ...]] = {}
    for reference in found:
        if reference.near is not near:
            continue
        so_far = holders.get(reference.hash, ())
        if len(so_far) < _ROWS_SHOWN:
            words = row_in_words(reference.source, reference.row, reference.spelling)
            holders[reference.hash] = (*so_far, words)
    return holders


def mentioned_in(mentions: Sequence[Mention]) -> dict[int, Mentioned]:
    """Places that hold keys, in words, by the hash of the key."""
    words: defaultdict[int, defaultdict[MentionKind, list[str]]]
    words = defaultdict(lambda: defaultdict(list))
    for one in mentions:
        words[one.hash][one.kind].append(row_in_words(one.place, one.row, one.text))
    return {
        h: Mentioned(
            whole=tuple(kinds[MentionKind.WHOLE][:_ROWS_SHOWN]),
            part=tuple(kinds[MentionKind.PART][:_ROWS_SHOWN]),
            chance=tuple(kinds[MentionKind.CHANCE][:_ROWS_SHOWN]),
        )
        for h, kinds in words.items()
    }


class Judge:
    """Judges candidates by the registry, the databases' answers and the operator's rules."""

    def __init__(
        self, registry: Registry, rules: Rules, open_since: datetime | None = None
    ) -> None:
        """`open_since`: see `judge_object`."""
        self._registry = registry
        self._rules = rules
        self._open_since = open_since

    async def judge_page(
        self,
        candidates: Sequence[ListedObject],
        holders: Mapping[int, tuple[str, ...]],
        *,
        current_since: datetime,
        now: datetime,
        bucket_now: datetime,
        near_holders: Mapping[int, tuple[str, ...]] = _NOBODY,
        uploads: Mapping[int, datetime] = _NO_UPLOADS,
        mentioned: Mapping[int, Mentioned] = _NOWHERE,
        searched: str = "",
    ) -> list[Judged]:
        """Judge a page of candidates.

        `holders` is the databases' answer about them, in words, by key hash; `near_holders` the
        same by the hashes of folded forms, where they were asked for those. `uploads` tells, by
        key hash, since when an upload in parts is in progress. `mentioned` is what a search of all
        columns found, which looked where `searched` says. The registry counts as current when it
        is true for `current_since` or later. All times are UTC.
        """
        keys = [candidate.key for candidate in candidates]
        hashes = dict(zip(keys, key_hashes(keys), strict=True))
        forms = {key: _by_hash(list(near_forms(key))) for key in keys}
        near = await self._registry.near({h for of_key in forms.values() for h in of_key})
        referenced = await self._registry.referenced(hashes.values())
        released = await self._registry.released(hashes.values())
        # After the edges: whatever makes some of them go for a while takes it away first.
        valid_at = await self._registry.valid_at()
        judged = []
        for candidate in candidates:
            h = hashes[candidate.key]
            evidence = Evidence(
                edges=await self._edges(candidate.key) if h in referenced else (),
                released_at=released.get(h),
                # A row that holds the very key says more than one that nearly does.
                near=await self._near(
                    forms[candidate.key], near, {} if h in holders else near_holders
                ),
                registry_current=valid_at is not None and valid_at >= current_since,
                holders=holders.get(h, ()),
                database_asked=True,
                uploading_since=uploads.get(h),
                mentioned=mentioned.get(h, _UNMENTIONED),
                searched=searched,
            )
            judged.append(
                judge_object(
                    candidate,
                    evidence,
                    self._rules,
                    now=now,
                    bucket_now=bucket_now,
                    open_since=self._open_since,
                )
            )
        return judged

    async def _edges(self, key: str) -> tuple[str, ...]:
        return _in_words(await self._registry.edges_of(key))

    async def _near(
        self, forms: Mapping[int, str], near: set[int], holders: Mapping[int, tuple[str, ...]]
    ) -> tuple[str, ...]:
        for h, form in forms.items():
            if rows := holders.get(h):
                return rows
            if h in near:
                return _in_words(await self._registry.edges_near(form))
        return ()


def _by_hash(forms: Sequence[str]) -> dict[int, str]:
    return dict(zip(key_hashes(forms), forms, strict=True))


def _in_words(edges: Sequence[Edge]) -> tuple[str, ...]:
    return tuple(
        row_in_words(edge.source, edge.row, edge.spelling or "") for edge in edges[:_ROWS_SHOWN]
    )
