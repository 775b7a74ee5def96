"""One look at how everything stands, taken at one moment; all panes are drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from s3gc_core.jobs import Job, Standing

if TYPE_CHECKING:
    from s3gc_core.actions.standing import Status, VaultStats
    from s3gc_core.judgement import Plan, PlanHistory
    from s3gc_core.vault import Operation

ALIVE = frozenset({Standing.RUNNING, Standing.PAUSING, Standing.PAUSED, Standing.CANCELLING})


@dataclass(frozen=True, slots=True)
class About:
    """What does not change while a dashboard is open. Older than `plan_lifetime` is stale."""

    bucket: str
    profile: str
    mode: str
    cdc: bool
    vault_path: str
    plan_lifetime: timedelta
    actor: str


@dataclass(frozen=True, slots=True)
class Picture:
    """How things stand at `taken_at` (UTC, our clock). Parts that could not be read are None, and
    `problems` says why. `write_until` is None in a read-only session.
    """

    about: About
    taken_at: datetime
    write_until: datetime | None
    status: Status | None = None
    plans: tuple[tuple[Plan, PlanHistory], ...] = ()
    jobs: tuple[Job, ...] = ()
    vault: VaultStats | None = None
    vault_growth: tuple[int, ...] = ()
    operations: tuple[Operation, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def may_write(self) -> bool:
        """Whether this session may change anything now."""
        return self.write_until is not None

    @property
    def running(self) -> Job | None:
        """The operation that holds the vault, if one does."""
        return next((job for job in self.jobs if job.standing in ALIVE), None)

    @property
    def scan_age(self) -> timedelta | None:
        """How old the last finished scan is."""
        scan = self.status.last_scan if self.status else None
        return self.taken_at - scan.finished_at if scan else None

    @property
    def changed_since_scan(self) -> bool:
        """Whether we ourselves deleted or restored objects after the last finished scan."""
        scan = self.status.last_scan if self.status else None
        return scan is not None and any(
            operation.started.what in ("execute", "restore")
            and operation.finished is not None
            and operation.finished_at is not None
            and operation.finished_at > scan.finished_at
            and operation.finished.counts.keys() & {"deleted", "restored"}
            for operation in self.operations
        )

    @property
    def is_stale(self) -> bool:
        """Whether verdicts can no longer be trusted: then none of them is `pass`."""
        age = self.scan_age
        return age is None or age > self.about.plan_lifetime
