"""The records of the audit log: the only source of truth about what was done and can be undone.

Records are only ever added. The state of an object is what its last record says; nothing is
counted or marked by changing an old one.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from s3gc_core.bucket.objects import DeleteModes, ObjectHeaders

# The codec of copies that are not what the object was.
COMPACT = "compact"
Fidelity = Literal["exact", "lossy"]


class StoredBackup(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a backup lies and what it must contain. `path` is relative to the vault folder.

    Sizes in bytes; hashes are SHA-256 in hex: `raw_*` of the object's bytes, `stored_*` of the
    stored ones. `codec` is `raw` (they are the object), `zstd`, `jxl` (JPEG XL that gives back
    the JPEG file byte for byte), or `compact` (a smaller JPEG of a picture, which is all that comes
    back). With an `offset` the backup is the bytes from there on, `stored_size` of them, of a pack
    (a tar file), where they are `member`; without one it is a file of its own. `level` is zstd's;
    0 where none was used, or noted. `fidelity` is `lossy` of a compact copy only, which then has
    `width` by `height` pixels.

    `reused`: the bytes were in the vault before. Packed, it lies where another backup put them,
    perhaps in another operation's pack; else the file is a hard link to the other's.

    `sealed`: the encoded bytes are encrypted in the age format, for the recipients that this mark
    stands for (`KeyProven`); `stored_*` are of the encrypted bytes. Empty: they are not. `copy_*`
    are of a compact copy that is encrypted, before it was.
    """

    path: str
    codec: str
    raw_size: int
    raw_sha256: str
    stored_size: int
    stored_sha256: str
    offset: int | None = None
    member: str | None = None
    level: int = 0
    fidelity: Fidelity = "exact"
    width: int = 0
    height: int = 0
    reused: bool = False
    sealed: str = ""
    copy_size: int = 0
    copy_sha256: str = ""

    @property
    def is_lossy(self) -> bool:
        """Whether what comes back is not what the object was. The worse of two words counts."""
        return self.fidelity == "lossy" or self.codec == COMPACT

    @property
    def given_size(self) -> int:
        """Bytes of what comes back: the object's, or those of its compact copy."""
        return (self.copy_size or self.stored_size) if self.is_lossy else self.raw_size

    @property
    def given_sha256(self) -> str:
        """SHA-256 in hex of what comes back."""
        return (self.copy_sha256 or self.stored_sha256) if self.is_lossy else self.raw_sha256

    @property
    def encoding(self) -> str:
        """Codec and level in words, such as `zstd 19` or `raw`."""
        return f"{self.codec} {self.level}" if self.level else self.codec


class Outcome(StrEnum):
    """How one object of an execution ended."""

    DELETED = "deleted"
    KEPT = "kept"  # the last judgement, or recovery, found a reason to keep it
    CHANGED = "changed"  # another ETag: not the object that was backed up
    VANISHED = "vanished"  # was gone before we deleted it
    FAILED = "failed"  # an error; the object is still there, or its backup is
    WOULD_DELETE = "would-delete"  # audit_only mode


class RestoreOutcome(StrEnum):
    """How one object of a restore ended."""

    RESTORED = "restored"
    EXPORTED = "exported"  # written to a folder or another bucket; ours was not touched
    ALREADY_THERE = "already-there"  # identical bytes and headers live at the key
    LOSSY_REFUSED = "lossy-refused"  # only a compact copy is there, and nobody accepted that
    NO_BACKUP = "no-backup"  # no backup is of the time that was asked for; nothing was changed
    NEWER_KEPT = "newer-kept"  # another object lives at the key and overwriting was not asked for
    FAILED = "failed"


class Record(msgspec.Struct, frozen=True, tag_field="kind"):
    """Base of all records. `kind` is the tag."""


class Bound(Record, frozen=True, tag="bound"):
    """First use: this vault belongs to this bucket and these databases (name -> identity).

    `marks` is what the store told about the bucket itself: owner, region, created.
    """

    bucket: str
    databases: dict[str, str]
    marks: dict[str, str] = {}


class OperationStarted(Record, frozen=True, tag="operation-started"):
    """`what` is scan, execute, restore, purge ...; `actor` is user@host with the SSH origin."""

    what: str
    actor: str
    mode: str
    plan_id: str | None = None
    arguments: dict[str, str] = {}


class OperationFinished(Record, frozen=True, tag="operation-finished"):
    """`outcome` is one of done, partial, blocked, failed, cancelled, interrupted."""

    outcome: str
    counts: dict[str, int] = {}
    blocked: list[str] = []
    error: str | None = None


class StoreProbed(Record, frozen=True, tag="store-probed"):
    """How an execution deletes, by what a probe object showed; recorded before its first delete."""

    deletes: DeleteModes


class ScanRecorded(Record, frozen=True, tag="scan"):
    """What one scan saw: the memory of the guards. `sources` maps a source to its key count."""

    listed: int
    sources: dict[str, int]
    accepted: list[str] = []
    # By source: rows that hold a key, and those of them whose object is there.
    matches: dict[str, tuple[int, int]] = {}


class PlanRecorded(Record, frozen=True, tag="plan"):
    """A frozen plan: what it holds, by its hash. `parent` is the plan it was selected from."""

    plan_id: str
    sha256: str
    objects: int
    bytes: int
    expires_at: datetime
    parent: str | None = None


class PlanDecided(Record, frozen=True, tag="plan-decided"):
    """A named person approved or rejected a plan, with a reason.

    Or a grant of that person did: `grant` is its id.
    """

    plan_id: str
    sha256: str
    approved: bool
    actor: str
    reason: str
    grant: str | None = None


class Intent(Record, frozen=True, tag="intent"):
    """Backed up, read back and compared; the delete may now be sent (promise P2)."""

    key: str
    etag: str
    version_id: str | None
    size: int
    last_modified: datetime
    headers: ObjectHeaders
    backup: StoredBackup


class Result(Record, frozen=True, tag="result"):
    """How an object of an execution ended. `inferred`: concluded by recovery, not heard.

    In a versioned bucket `version_id` is the version that was deleted, and `marker` that of the
    delete marker that hides it now, as the store told.
    """

    key: str
    outcome: Outcome
    reason: str = ""
    inferred: bool = False
    version_id: str | None = None
    marker: str | None = None


class RestoreIntent(Record, frozen=True, tag="restore-intent"):
    """An object is about to be written back from the backup of `from_operation`."""

    key: str
    from_operation: str
    overwrite_etag: str | None = None


class Restored(Record, frozen=True, tag="restored"):
    """How an object of a restore ended. `etag` is that of the object now at the key.

    `lossy`: what was written is the compact copy of a picture, so its bytes differ from what the
    object was.
    """

    key: str
    from_operation: str
    outcome: RestoreOutcome
    etag: str | None = None
    reason: str = ""
    inferred: bool = False
    lossy: bool = False


class Purged(Record, frozen=True, tag="purged"):
    """A backup was removed because nothing needs it any more.

    One in a pack leaves its `packed_bytes` there, until the whole pack goes.
    """

    key: str
    from_operation: str
    path: str
    reason: str
    packed_bytes: int = 0


class CopyDamaged(Record, frozen=True, tag="copy-damaged"):
    """The backup of `key` by `from_operation` was about to stand for equal bytes once more, and is
    not what was recorded. What was to be backed up then is stored anew; this one is still damaged.
    """

    key: str
    from_operation: str
    path: str
    reason: str


class Repaired(Record, frozen=True, tag="repaired"):
    """A backup that was damaged or gone in the vault (`reason`) is whole again, from a replica."""

    key: str
    from_operation: str
    path: str
    reason: str
    replica: str


class Verified(Record, frozen=True, tag="verified"):
    """Backups were read back and compared: all of them, or `sample` chosen by chance, by `seed`.

    Of `unopened` ones only the stored bytes were: they are encrypted, and no key was there.
    """

    checked: int
    damaged: int
    sample: int | None = None
    seed: int | None = None
    unopened: int = 0


class Drilled(Record, frozen=True, tag="drilled"):
    """A restore drill: of about `sample` backups, chosen by `seed`, `checked` were restored into
    `where` and compared; `left` could not be removed from there again.
    """

    sample: int
    seed: int
    checked: int
    differing: int
    seconds: float
    where: str
    left: int = 0


class DrillDiffered(Record, frozen=True, tag="drill-differed"):
    """What a drill restored from a backup is not what was backed up, or could not be restored."""

    key: str
    from_operation: str
    reason: str


class ColumnDecided(Record, frozen=True, tag="column-decided"):
    """A named person says that a column of this type holds no keys (`cleared`), or takes it back.

    `table` is the one canonical name of the table.
    """

    database: str
    table: str
    column: str
    type: str
    cleared: bool
    actor: str
    reason: str


class Granted(Record, frozen=True, tag="granted"):
    """A named person lets unattended runs delete orphans under these prefixes, so much in all."""

    grant_id: str
    prefixes: list[str]
    max_objects: int
    max_bytes: int
    expires_at: datetime
    actor: str
    reason: str


class GrantRevoked(Record, frozen=True, tag="grant-revoked"):
    """A named person took a grant back."""

    grant_id: str
    actor: str
    reason: str


class KeyProven(Record, frozen=True, tag="key-proven"):
    """The secret keys of `opened_by` opened what was encrypted for these recipients, public keys
    all. `mark` is what backups for them are marked with. Nothing is deleted before there is one.
    """

    mark: str
    recipients: list[str]
    opened_by: list[str]
    actor: str


AnyRecord = (
    Bound
    | OperationStarted
    | OperationFinished
    | ScanRecorded
    | PlanRecorded
    | PlanDecided
    | Intent
    | Result
    | RestoreIntent
    | Restored
    | Purged
    | CopyDamaged
    | Repaired
    | Verified
    | Drilled
    | DrillDiffered
    | ColumnDecided
    | Granted
    | GrantRevoked
    | StoreProbed
    | KeyProven
)


class Entry(msgspec.Struct, frozen=True):
    """A record in its place in the log. `at` is UTC; `hash` chains over everything before it."""

    seq: int
    at: datetime
    operation_id: str
    record: AnyRecord
    hash: bytes
