"""Requests of which there are several kinds, each described so that nothing has to be guessed."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Body as InBody
from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from s3gc_core.collection import Selection
from s3gc_core.integrations.shapes import NO_NUL, ULID, Body, Key, Reason, Restore
from s3gc_core.judgement import LONGEST_DAYS

# A command line holds so many, whatever characters they are of.
_MOST_KEYS = 200
_MOST_GUARDS = 50
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?\d*([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
# As S3 names buckets; what else is reserved is told when it is asked.
_BUCKET = r"^[a-z0-9](-*[a-z0-9]|\.[a-z0-9])*$"
_DAY_BUDGET = r"^budget-per-day(:[^\x00]+)?$"


def _whole(value: object) -> object:
    """A number without a fraction is a whole one, as JSON has it: 20.0, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# After the bounds: before them they would not be described.
_WHOLE = BeforeValidator(_whole)
_COUNT = Annotated[int, Field(ge=1, le=1 << 53), _WHOLE]


def _time(value: object) -> object:
    """A time with its zone. Raises `ValueError`; a number could be seconds or anything else."""
    found = _RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("no RFC 3339 time with a zone, such as 2026-11-21T14:30:00Z")
    text = found.string.upper()
    if found[1]:
        # Microseconds are what we tell apart.
        text = text[: found.end(1)] + text[found.start(2) :]
    return datetime.fromisoformat(text)


Time = Annotated[
    datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})
]


class ToBucket(Body):
    """Another bucket of the same store, or a `prefix` to be put before each key.

    A folder or another store is only for who has a shell here: `s3gc restore --to`.
    """

    bucket: Annotated[str, StringConstraints(min_length=3, max_length=63, pattern=_BUCKET)]
    prefix: Annotated[str, StringConstraints(max_length=512, pattern=r"^([^\x00/][^\x00]*)?$")] = ""


class _RestoreOf(Restore):
    """`as_of` picks what was live then; what came later is left alone, and told."""

    as_of: Time | None = None
    to: ToBucket | None = None


class RestoreOfOperation(_RestoreOf):
    """All that an operation deleted."""

    operation_id: Annotated[str, StringConstraints(pattern=ULID)]


class RestoreOfKeys(_RestoreOf):
    """These keys."""

    keys: list[Key] = Field(min_length=1, max_length=_MOST_KEYS)


class RestoreOfPrefix(_RestoreOf):
    """All deleted keys that begin so; an empty text is all of them."""

    prefix: Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00]*$")]


RestoreOf = Annotated[RestoreOfOperation | RestoreOfKeys | RestoreOfPrefix, InBody()]


def selection_of(body: RestoreOf) -> Selection:
    """What it names, as the core says it."""
    return Selection(
        keys=tuple(body.keys) if isinstance(body, RestoreOfKeys) else (),
        prefix=body.prefix if isinstance(body, RestoreOfPrefix) else None,
        operation_id=body.operation_id if isinstance(body, RestoreOfOperation) else None,
        as_of=body.as_of,
    )


class Drilling(Body):
    """How many backups, drawn by chance; the same again with the `seed` that a drill told.

    They come back into a temporary folder, or with `in_bucket` below the configured drill_prefix.
    """

    sample: Annotated[int, Field(ge=1, le=100_000), _WHOLE] = 20
    seed: Annotated[int, Field(ge=0, lt=1 << 32), _WHOLE] | None = None
    in_bucket: bool = False


class Scanning(Body):
    """Guards, by their labels, that a person takes responsibility for in this scan, and why."""

    accept: list[Key] = Field(min_length=1, max_length=_MOST_GUARDS)
    reason: Reason


class ExecutionOverBudget(Body):
    """An execution also where the day's budget, or that of a prefix, is used up, and why."""

    confirm: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=NO_NUL)]
    accept: list[
        Annotated[str, StringConstraints(max_length=1040, pattern=_DAY_BUDGET)]
    ] = Field(min_length=1, max_length=_MOST_GUARDS)  # fmt: skip
    reason: Reason


class _Granting(Body):
    """What unattended runs may delete in so many `days`; `max_bytes` is the size of it all."""

    max_objects: _COUNT
    max_bytes: _COUNT
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS), _WHOLE]
    reason: Reason


class GrantingPrefixes(_Granting):
    """Under these prefixes."""

    prefixes: list[Key] = Field(min_length=1, max_length=1000)


class GrantingEverything(_Granting):
    """In the whole bucket, which has to be said."""

    everything: Literal[True]


Granting = Annotated[GrantingPrefixes | GrantingEverything, InBody()]
