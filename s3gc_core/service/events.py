"""What the service tells whoever started it; the log has the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from s3gc_core import log

# What a person should know of.
_WARNED = frozenset({"run-failed", "run-left", "follower-ended", "part-failed", "replica-behind"})


class ServiceEvent(msgspec.Struct, frozen=True):
    """Something that the service has to tell of a profile.

    `event`: `serving`, `stopping`; of runs and drills `waits` (the vault is held), `started`,
    `ended`, `run-failed`, `run-left` (it goes on without us); `follower-started`,
    `follower-ended`, `follower-elsewhere`; `stream` (what a follower told); `shipped`,
    `replica-behind`; `part-failed` (a part of the service, which is begun again).
    """

    profile: str
    event: str
    detail: str = ""
    record: Mapping[str, Any] | None = None


Told = Callable[[ServiceEvent], None]


def tell(told: Told, event: ServiceEvent) -> None:
    """Tell it, and log it."""
    write = log.warning if event.event in _WARNED else log.info
    name = f"service_{event.event.replace('-', '_')}"
    write(name, profile=event.profile, detail=event.detail)
    told(event)
