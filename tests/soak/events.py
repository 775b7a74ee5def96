"""What the application did, and when: the log that the oracle reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from pathlib import Path

import msgspec


class Kind(StrEnum):
    """What one event was. All but the uploads change what a row refers to."""

    INSERT = "insert"
    INSERT_AGAIN = "insert again"
    INSERT_LATE = "insert that is committed late"
    CHASE = "insert between last check and delete"
    MOVE = "move to another key"
    RENUMBER = "move to another row"
    DELETE = "delete"
    UPLOAD = "first upload"
    OVERWRITE = "overwrite"
    UPLOAD_AGAIN = "upload the same again"


UPLOADS = frozenset({Kind.UPLOAD, Kind.OVERWRITE, Kind.UPLOAD_AGAIN})


class Event(msgspec.Struct, frozen=True, array_like=True):
    """One committed statement on the row `ref` (table and number), or one upload.

    `key` is what the row refers to since then; empty: the row is gone. `was` is the row's former
    name where that changed. What happened did so between `began` and `ended`, in seconds of the
    machine's monotonic clock, which all its processes share. `version` is that of the upload.
    """

    kind: Kind
    ref: str
    key: str
    began: float
    ended: float
    version: int = 0
    was: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A row referred to a key: surely from `since` to `until`, perhaps a moment longer."""

    key: str
    since: float
    until: float = inf


def references(events: Iterable[Event]) -> dict[str, list[Reference]]:
    """By key, all references that ever were. The events of one row are in their order."""
    open_: dict[str, tuple[str, float]] = {}
    found: defaultdict[str, list[Reference]] = defaultdict(list)
    for event in events:
        if event.kind in UPLOADS:
            continue
        if event.was:
            open_[event.ref] = open_.pop(event.was)
            continue
        if event.ref in open_:
            key, since = open_.pop(event.ref)
            found[key].append(Reference(key, since, event.began))
        if event.key:
            open_[event.ref] = event.key, event.ended
    for key, since in open_.values():
        found[key].append(Reference(key, since))
    return dict(found)


def save(events: Sequence[Event], path: Path) -> None:
    """Write a log."""
    path.write_bytes(msgspec.msgpack.encode(events))


def load(path: Path) -> list[Event]:
    """Read it again."""
    return msgspec.msgpack.decode(path.read_bytes(), type=list[Event])
