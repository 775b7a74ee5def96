"""Where the parts of one profile's service meet: its state, what it tells, how it starts s3gc."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from s3gc_core import log
from s3gc_core.clock import Clock, utc_now
from s3gc_core.jobs import ServiceState, TimedState, read_service, write_service
from s3gc_core.service.events import ServiceEvent, Told, tell
from s3gc_core.service.notify import of_children
from s3gc_core.service.profiles import Profile
from s3gc_core.vault import AuditLog

# s3gc as a process of its own.
PROGRAM = (sys.executable, "-m", "s3gc_tui")


@dataclass(slots=True)
class Station:
    """One profile while it is served. `before` is what its last service told."""

    profile: Profile
    clock: Clock
    told: Told
    program: Sequence[str]
    state: ServiceState
    before: ServiceState | None
    # One scheduled run at a time: a drill waits for a run, and a run for a drill.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def open(
        cls, profile: Profile, clock: Clock, told: Told, program: Sequence[str] = PROGRAM
    ) -> Station:
        """The station of a profile whose service lease the caller holds."""
        before = read_service(profile.config.vault_path)
        now = utc_now()
        first = before.first_at if before is not None else clock.now()
        state = ServiceState(os.getpid(), profile.name, now, first, now)
        return cls(profile, clock, told, program, state, before)

    @property
    def vault(self) -> Path:
        """The vault folder."""
        return self.profile.config.vault_path

    @property
    def first_at(self) -> datetime:
        """When the vault was first served."""
        return self.state.first_at

    def timed(self, kind: str) -> TimedState:
        """What is told of this kind of scheduled run."""
        return self.state.timed.setdefault(kind, TimedState())

    def tell(self, event: str, detail: str = "", record: Mapping[str, Any] | None = None) -> None:
        """Tell something of this profile; `record` are values that go with it."""
        tell(self.told, ServiceEvent(self.profile.name, event, detail, record))

    def note(self) -> None:
        """Write the state out. A disk that does not take it must not end the service."""
        self.state.heartbeat_at = utc_now()
        try:
            write_service(self.vault, self.state)
        except OSError as error:
            log.warning("service_state_not_written", reason=error.strerror)

    def argv(self, *command: str) -> list[str]:
        """The command line of a child."""
        return [*self.program, *self.profile.options, "--batch", *command]

    @staticmethod
    def environment() -> Mapping[str, str]:
        """What a child gets of ours."""
        return of_children(os.environ)

    @asynccontextmanager
    async def audit(self) -> AsyncIterator[AuditLog]:
        """The audit log, as long as the block lasts. Raises as `AuditLog.open`."""
        anchors = self.profile.config.audit_anchor_file
        audit = await AuditLog.open(self.vault, self.clock, Path(anchors) if anchors else None)
        try:
            yield audit
        finally:
            await audit.close()
