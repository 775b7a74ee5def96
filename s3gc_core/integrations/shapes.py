"""What requests and answers hold. Sizes are bytes, times UTC, keys as the bucket has them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from s3gc_core.integrations.scrubbing import SCRUBBER

ULID = r"^[0-9A-HJKMNP-TV-Z]{26}$"
# No store takes it in a key, and no command line.
NO_NUL = r"^[^\x00]+$"

Key = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=NO_NUL)]
# What servers and drivers said: only there may a secret stand, and nobody goes on by such a text.
Said = Annotated[str, AfterValidator(SCRUBBER.scrubbed)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"[0-9A-Za-z]")]


class Answer(BaseModel):
    """Made from the core's own values by their names."""

    model_config = ConfigDict(from_attributes=True)


class Body(BaseModel):
    """A request: unknown names and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Health(Answer):
    """Whether it works; `failing` names what does not."""

    status: Literal["ok", "failing"]
    failing: list[str]


class Tripped(Answer):
    """A guard that blocked a scan."""

    guard: str
    subject: str
    reason: str
    next_step: str


class Scan(Answer):
    """What a scan found. `bytes` is the size of the orphans."""

    scan_id: str
    plan_id: str | None
    finished_at: datetime
    listed: int
    referenced: int
    candidates: int
    orphans: int
    held: int
    kept: int
    bytes: int
    blocked: list[Tripped]


class Running(Answer):
    """The operation that holds the vault."""

    operation_id: str
    what: str
    actor: str
    since: datetime


class Plan(Answer):
    """A plan and where it stands. `confirm` is what its execution has to be told."""

    plan_id: str
    state: str
    objects: int
    bytes: int
    created_at: datetime
    expires_at: datetime
    sha256: str
    parent: str | None
    confirm: str
    decided_by: str | None
    reason: str | None


class Stream(Answer):
    """How far a followed database has come."""

    database: str
    state: str
    detail: Said
    true_at: datetime | None
    seconds: float | None
    transactions: int | None
    bytes: int | None
    max_bytes: int


class Drill(Answer):
    """The last restore drill."""

    at: datetime
    checked: int
    differing: int
    where: str


class Replica(Answer):
    """How far the second vault is behind."""

    name: str
    durability: str
    records: int
    bytes: int
    seconds: float
    problem: Said


class Timed(Answer):
    """The runs, or drills, of the schedule."""

    next_at: datetime | None
    last_slot: datetime | None
    last_outcome: str
    waits: Said
    problem: Said


class Service(Answer):
    """What the vault's service tells."""

    since: datetime
    heartbeat_at: datetime
    timed: dict[str, Timed]


class Status(Answer):
    """How things stand. `to_recover` steps were left open by operations that died."""

    bucket: str
    mode: str
    running: Running | None
    last_scan: Scan | None
    waiting: list[Plan]
    registry_valid_at: datetime | None
    to_recover: int
    audit_records: int
    streams: list[Stream]
    last_drill: Drill | None
    replica: Replica | None
    service: Service | None


class Metrics(Answer):
    """Sums over all that was ever done, true across restarts; `last_error` until a good run."""

    bucket: str
    mode: str
    total_runs: int
    last_run_at: datetime | None
    total_deleted: int
    total_backed_up: int
    total_restored: int
    vault_size_bytes: int
    vault_size_mb: float
    avg_compression_ratio: float | None
    last_error: str | None
    free_bytes: int
    plans: dict[str, int]
    running: str | None
    open_steps: int | None
    returned: int
    registry_true_at: datetime | None
    is_served: bool


class VaultStats(Answer):
    """What the vault holds; `ratio` is raw to stored."""

    backups: int
    raw_bytes: int
    stored_bytes: int
    ratio: float | None
    oldest: datetime | None
    free_bytes: int
    verified_at: datetime | None
    verified: int
    damaged: int
    purged_bytes: int
    lossy: int
    reused: int
    saved_bytes: int


class Operation(Answer):
    """A recorded run. `outcome` is None until it has ended; `job_id` started it from here."""

    operation_id: str
    at: datetime
    what: str
    actor: str
    mode: str
    plan_id: str | None
    job_id: str | None
    outcome: str | None
    finished_at: datetime | None
    counts: dict[str, int]
    blocked: list[str]
    error: str | None


class Operations(Answer):
    """Newest first. `next` is the `before` of the next page; None: this is the last."""

    operations: list[Operation]
    next: str | None


class Phase(Answer):
    """How far a phase is: `done` of `total` (None: not known) units."""

    name: str
    done: int
    total: int | None
    began_at: datetime
    ended_at: datetime | None


class OperationNow(Operation):
    """One operation, with what its journal tells as long as that is kept."""

    standing: str | None
    step: str
    phases: list[Phase]
    bytes: dict[str, int]
    next_step: str


class Job(Answer):
    """A process that was started from here, and its operations, the first first.

    `error` is why it ended where it did not end well, by the names of batch.
    """

    job_id: str
    running: bool
    operation_id: str | None
    operations: list[str]
    outcome: str | None
    error: str | None
    detail: Said | None
    next_step: str | None


class LayerVerdict(Answer):
    """What a safety layer says."""

    verdict: str
    reason: str


class Layers(Answer):
    """The four safety layers."""

    registry: LayerVerdict
    database: LayerVerdict
    retention: LayerVerdict
    exclusion: LayerVerdict


class Candidate(Answer):
    """An object that no row refers to, and what is thought of it."""

    key: str
    size: int
    etag: str
    last_modified: datetime
    verdict: str
    reason: str
    layers: Layers
    doubts: list[str]


class Candidates(Answer):
    """By key. `next` is the `after` of the next page; None: this is the last."""

    candidates: list[Candidate]
    next: str | None


class PlannedObject(Answer):
    """An object of a plan: what would be deleted is exactly this ETag."""

    key: str
    etag: str
    size: int
    last_modified: datetime
    layers: Layers


class PlanObjects(Answer):
    """By key. `next` is the `after` of the next page; None: this is the last."""

    objects: list[PlannedObject]
    next: str | None


class Reference(Answer):
    """A row that holds a key, by the registry or by the database itself."""

    database: str
    table: str
    column: str
    row: int | str
    seen_by: str
    codec: str
    first_seen: datetime | None
    last_seen: datetime | None
    spelling: str


class LastReference(Answer):
    """The row that held the key last, and when it was seen to be gone."""

    at: datetime
    source: str | None
    row: int | str | None


class BackupOf(Answer):
    """A backup of the key in the vault."""

    operation_id: str
    deleted_at: datetime
    size: int
    lossy: bool


class Why(Answer):
    """Everything known about a key now. `near` rows write it almost so."""

    key: str
    in_bucket: bool
    verdict: str | None
    reason: str
    layers: Layers | None
    references: list[Reference]
    near: list[Reference]
    last_reference: LastReference | None
    backups: list[BackupOf]
    tried: list[str]
    searched: list[str]


class Foreseen(Answer):
    """What a restore would do with a key; no backup is of the time that was asked for: null."""

    key: str
    outcome: str
    reason: str
    size: int | None
    lossy: bool | None
    operation_id: str | None
    deleted_at: datetime | None


class RestorePreview(Answer):
    """By outcome what would become of them, the first of them, and the bytes to be written.

    Without `complete` there are more than were looked at.
    """

    objects: list[Foreseen]
    counts: dict[str, int]
    bytes: int
    complete: bool


class Grant(Answer):
    """What unattended runs may delete, and did. Without a prefix in `prefixes`: everything."""

    grant_id: str
    state: str
    prefixes: list[str]
    objects: int
    max_objects: int
    bytes: int
    max_bytes: int
    granted_at: datetime
    expires_at: datetime
    actor: str
    reason: str


class Decision(Body):
    """Why a plan is rejected, or approved."""

    reason: Reason


class Approval(Decision):
    """An approval of the whole plan, or of the part that `prefixes` and `keys` select."""

    prefixes: list[Key] = Field(default=[], max_length=1000)
    keys: list[Key] = Field(default=[], max_length=1000)


class Execution(Body):
    """`confirm` is the bucket's name and the plan's count: "photos 12"."""

    confirm: Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=NO_NUL)]


class Restore(Body):
    """With `overwrite` also over newer objects; with `accept_lossy` also what was stored lossy."""

    overwrite: bool = False
    accept_lossy: bool = False


class RestoreKey(Restore):
    """One key."""

    key: Key
