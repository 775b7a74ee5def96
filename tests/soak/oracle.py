"""What was lost, and what the deletions met: decided without s3gc."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from statistics import median
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from s3gc_core.parallel import in_parallel
from tests.servers.app_database import AppDatabase
from tests.soak.application import body, keys_in_rows
from tests.soak.events import UPLOADS, Event, Reference, references
from tests.soak.watching import Watched

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

HEALING_SECONDS = 30.0
_POLL_SECONDS = 0.2


def last_versions(events: Iterable[Event]) -> dict[str, int]:
    """By key, what was uploaded there last."""
    return {event.key: event.version for event in events if event.kind in UPLOADS}


async def lost(
    app: AppDatabase, s3: S3Client, bucket: str, versions: Mapping[str, int]
) -> dict[str, str]:
    """Keys that a row refers to now, that were uploaded, and do not have their last bytes."""
    wanted = sorted(versions.keys() & await keys_in_rows(app))

    async def wrong(key: str) -> str:
        there = await content(s3, bucket, key)
        if there is None:
            return "is not there"
        return "" if there == body(key, versions[key]) else f"holds other bytes: {there[:60]!r}"

    found = []
    for start in range(0, len(wanted), 32):
        found += await in_parallel(wrong(key) for key in wanted[start : start + 32])
    return {key: what for key, what in zip(wanted, found, strict=True) if what}


async def after_healing(
    app: AppDatabase, s3: S3Client, bucket: str, versions: Mapping[str, int]
) -> dict[str, str]:
    """What is lost still when healing has had its time."""
    gives_up = time.monotonic() + HEALING_SECONDS
    left = await lost(app, s3, bucket, versions)
    while left and time.monotonic() < gives_up:
        await asyncio.sleep(_POLL_SECONDS)
        left = await lost(app, s3, bucket, {key: versions[key] for key in left})
    # All of them once more: what was there may have gone.
    return await lost(app, s3, bucket, versions)


async def stored(s3: S3Client, bucket: str) -> set[str]:
    """Every key of the bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {entry["Key"] async for page in pages for entry in page.get("Contents", [])}


async def content(s3: S3Client, bucket: str, key: str) -> bytes | None:
    """The bytes of an object; None where there is none."""
    try:
        answer = await s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return None
    async with answer["Body"] as stream:
        return bytes(await stream.read())


class Fate(StrEnum):
    """What became of a deleted object that a row referred to."""

    BROUGHT_BACK = "brought back"
    UPLOADED_ANEW = "uploaded anew"
    GIVEN_UP = "given up again"
    MISSING = "missing"


@dataclass(slots=True)
class Met:
    """What the deletions met.

    `wrong` names objects that were deleted although a row that had been committed before their
    last check began referred to them. `window` counts the fates of those that a row referred to
    when they were deleted, and that was committed later; `fates` those of all that rows referred
    to, then or later. `seconds` are from the commit of such a row, or from the delete if that was
    later, until s3gc had put the object back.
    """

    wrong: list[str] = field(default_factory=list)
    window: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def healing(self) -> str:
        """For people."""
        if not self.seconds:
            return "never"
        return f"{median(self.seconds):.2f} s (median), {max(self.seconds):.2f} s (longest)"


def met(events: Sequence[Event], watched: Watched) -> Met:
    """Lay the log of the application beside what s3gc did."""
    of_key = references(events)
    uploads: dict[str, list[float]] = {}
    for event in events:
        if event.kind in UPLOADS:
            uploads.setdefault(event.key, []).append(event.ended)
    found = Met()
    for gone in watched.deletions:
        of_it = of_key.get(gone.key, [])
        held = [one for one in of_it if one.since <= gone.ended and one.until >= gone.began]
        if any(one.since <= gone.checked for one in held):
            found.wrong.append(gone.key)
        back = _first_after(watched.returns.get(gone.key, ()), gone.began)
        anew = _first_after(uploads.get(gone.key, ()), gone.began)
        asking = [one for one in of_it if one.until >= gone.began and one.since < min(back, anew)]
        if not asking:
            continue
        fate = _fate(asking, back, anew)
        found.fates[fate] += 1
        if held:
            found.window[fate] += 1
        if fate is Fate.BROUGHT_BACK:
            found.seconds.append(back - max(gone.ended, min(one.since for one in asking)))
    return found


def _fate(asking: Sequence[Reference], back: float, anew: float) -> Fate:
    if back < anew:
        return Fate.BROUGHT_BACK
    if anew < inf:
        return Fate.UPLOADED_ANEW
    return Fate.MISSING if any(one.until == inf for one in asking) else Fate.GIVEN_UP


def _first_after(moments: Iterable[float], moment: float) -> float:
    return min((one for one in moments if one > moment), default=inf)
