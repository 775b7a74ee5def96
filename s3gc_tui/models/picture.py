"""One look at how everything stands, taken at one moment; all panes are drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from s3gc_core.config import Images, UnsafeStore
from s3gc_core.jobs import Job, LeaseHolder, Standing

if TYPE_CHECKING:
    from s3gc_core.actions.standing import Status, VaultStats
    from s3gc_core.actions.streams import StreamStatus
    from s3gc_core.judgement import Plan, PlanHistory
    from s3gc_core.vault import Operation

ALIVE = frozenset({Standing.RUNNING, Standing.PAUSING, Standing.PAUSED, Standing.CANCELLING})


@dataclass(frozen=True, slots=True)
class About:
    """What does not change while a dashboard is open. Older than `plan_lifetime` is stale.

    `unsafe_store` says what is done on a store that ignores conditional deletes, `images` how
    pictures are backed up.

    `files` are the databases that are followed (`cdc`) and have no server: SQLite.
    """

    bucket: str
    profile: str
    mode: str
    cdc: bool
    vault_path: str
    plan_lifetime: timedelta
    actor: str
    files: tuple[str, ...] = ()
    unsafe_store: UnsafeStore = UnsafeStore.REFUSE
    images: Images = Images.EXACT


@dataclass(frozen=True, slots=True)
class StreamsLook:
    """How the change streams stood at `asked_at` (UTC, our clock). Where their servers and the
    registry could not be asked, `problem` says why, and `streams` is empty.
    """

    asked_at: datetime
    streams: tuple[StreamStatus, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """How things stand at `taken_at` (UTC, our clock). Parts that could not be read are None, and
    `problems` says why. `write_until` is None in a read-only session. `streams` is the newest
    answer there is, older than the rest; `follower` is who holds the change streams now.
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
    streams: StreamsLook | None = None
    follower: LeaseHolder | None = None

    @property
    def lost_streams(self) -> tuple[StreamStatus, ...]:
        """The streams that cannot go on: while there is one, nothing is judged."""
        found = self.streams.streams if self.streams else ()
        return tuple(stream for stream in found if stream.state == "lost")

    @property
    def is_followed(self) -> bool:
        """Whether a process keeps the registry true between scans."""
        # A scan holds the streams as well, but only until it ends.
        return self.follower is not None and self.follower.what == "follow"

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
