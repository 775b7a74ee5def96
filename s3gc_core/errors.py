"""Every refusal and failure of s3gc: one class each, with what happened, why it matters, what next.

    S3gcError
    ├── ConfigurationError          2   what the operator wrote cannot be used
    │   └── SourceMissing           2   a configured table or column does not exist
    ├── SourceUnreadable            2   a source is there but cannot be read faithfully
    ├── CodecMissing                2   what backups are encoded with is not installed
    ├── AnchorKeyUnusable           2   the key that signs anchors of the audit log cannot be used
    ├── IdentityMissing             2   a backup is encrypted, and no key is here to open it
    ├── IdentityWrong               2   the keys that are here do not open it
    ├── ApiMissing                  2   what the admin API is served with is not installed
    ├── RequestUnusable             2   a request to the admin API is not as it has to be
    ├── Refused                     3   a rule or a guard says no; nothing was changed
    │   ├── NothingTracked, GuardBlocked, DryRunRefused, NotApproved, PlanExpired, PlanChanged,
    │   ├── PlanDrifted, PlanFinished, ConfirmationMismatch, SecondPersonNeeded, AuditBroken,
    │   ├── NetworkFileSystem, StoreUnsafe, VaultFull, CatalogueTooNew, RegistryTooNew,
    │   ├── GrantRefused, CancelRequested, FollowingRefused, NothingFollowed, StreamLost,
    │   ├── TokenRefused, WriteTokenNeeded,
    │   └── KeyUnproven, NoReplica, ReplicaAltered, ReplicaUnsafe, VaultNotEmpty
    ├── OperationCancelled          4   a person ended it; what had begun is finished and recorded
    ├── ResultsUnbalanced           1   an execution's results do not account for its plan
    ├── JobNotStarted               1   the process of a job could not be started
    ├── JobRefused                  *   it ended before it did anything, as it told
    ├── RequestFailed               1   a request to the admin API failed unexpectedly
    ├── NotServing                  1   no service serves this vault, or it hangs
    ├── VaultBusy                   5   another operation holds the vault
    ├── StreamTaken                 5   another process reads the change stream
    ├── TooManyStreams              5   the admin API tells events to as many as it may
    ├── Unreachable                 6   BucketUnreachable, DatabaseUnreachable, RightMissing,
    │                                   VaultUnreachable, ReplicaBehind, ApiNotListening
    └── NotFound                    7   NoSuchKey, NoSuchPlan (PlanGone), NoSuchOperation, ScanGone,
                                        NoSuchGrant, NoSuchPath

`Partial` (4) is an outcome of an operation that went on, not an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; scripts rely on them (design, section 7)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BLOCKED = 3
    PARTIAL = 4
    BUSY = 5
    UNREACHABLE = 6
    NOT_FOUND = 7
    HANGUP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class S3gcError(Exception):
    """Root of all errors that s3gc raises on purpose.

    `what` happened, `why` it matters, `next_step` for the operator. None of the three ever holds
    a secret; keys inside them are cleaned by whoever shows them.
    """

    exit_code: ExitCode = ExitCode.FAILED
    why: str = "the operation could not go on"
    next_step: str = "read the message; nothing was deleted without a backup"
    # The recorded operation that it ended, where there was one.
    operation_id: str | None = None

    def __init__(self, what: str, *, why: str | None = None, next_step: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why if why is not None else type(self).why
        self.next_step = next_step if next_step is not None else type(self).next_step

    @property
    def name(self) -> str:
        """The stable name scripts may match on, such as `plan-expired`."""
        return name_of(type(self))


def name_of(kind: type[S3gcError]) -> str:
    """The stable name of an error, such as `plan-expired`."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__)[1:]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong: the setting (with its line where known), the value, what is allowed."""

    setting: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.value} is not usable; allowed: {self.allowed}"


class ConfigurationError(S3gcError):
    """The configuration cannot be used; `problems` lists everything wrong with it at once."""

    exit_code = ExitCode.USAGE
    why = "a setting that is silently dropped or replaced could delete the wrong objects"
    next_step = "correct the settings named above and run again"

    def __init__(self, problems: Sequence[Problem], *, origin: str = "configuration") -> None:
        self.problems = tuple(problems)
        self.origin = origin
        super().__init__(f"{origin}: " + "; ".join(str(problem) for problem in self.problems))


class SourceMissing(S3gcError):
    """A configured table or column does not exist (or is not visible to this user)."""

    exit_code = ExitCode.USAGE
    why = "a source that cannot be read would make its references invisible"
    next_step = "correct [tables] in the configuration, or grant the right to see the table"


class SourceUnreadable(S3gcError):
    """A source exists but cannot be read: its `where` fails, or a value has no faithful text."""

    exit_code = ExitCode.USAGE
    why = "a value that is guessed or skipped would make its reference invisible"
    next_step = "correct the entry under [tables], or the column, and run again"


class CodecMissing(S3gcError):
    """Backups are to be encoded, or are encoded, with something that is not installed here.

    It says nothing about the backups: they are as good as they were.
    """

    exit_code = ExitCode.USAGE
    why = "a backup in JPEG XL is only read, and only written, by what can prove it is exact"
    next_step = 'pip install "s3gc[images]", then run again (by hand: djxl IN.jxl OUT.jpg)'


class AnchorKeyUnusable(S3gcError):
    """The key that signs the audit log's anchors cannot be used: nothing is signed, or checked."""

    exit_code = ExitCode.USAGE
    why = "an anchor that nobody signed shows no forgery"
    next_step = (
        "put the key back where anchor_key_file says, for its owner alone; s3gc vault keygen"
        " --anchor --output FILE makes a new one, then s3gc vault audit sign"
    )


class IdentityMissing(S3gcError):
    """A backup is encrypted, and no secret key is here to open it.

    It says nothing about the backup: it is as good as it was, and stays.
    """

    exit_code = ExitCode.USAGE
    why = "an encrypted backup is restored and compared only by who holds a key for it"
    next_step = (
        "name a file with the age identity in encryption_identity_file (S3GC_ENCRYPTION_IDENTITY_"
        "FILE), readable by its owner alone, then run again; by hand: age -d -i FILE"
    )


class IdentityWrong(S3gcError):
    """The secret keys that are here are not those that a backup was encrypted for.

    Its stored bytes are what was stored: it is not damaged, and stays.
    """

    exit_code = ExitCode.USAGE
    why = "an encrypted backup opens only by a key of those it was encrypted for"
    next_step = (
        "find the key (`s3gc vault key-test` tells for whom backups were encrypted), put it into"
        " the file that encryption_identity_file names, beside the others, and run again"
    )


class Refused(S3gcError):
    """A rule says no. Nothing was changed."""

    exit_code = ExitCode.BLOCKED
    why = "s3gc deletes nothing that is not proven, approved and allowed"
    next_step = "follow the reason given"


class NothingTracked(Refused):
    """No database, no tables: without references every object would look like an orphan."""

    why = "with nothing tracked, every object of the bucket would look like an orphan"
    next_step = "name a database and its columns under [database] and [tables]"


class GuardBlocked(Refused):
    """One or more guards tripped; `guards` holds their names in order."""

    why = "a guard looks at the whole run; when it trips, no verdict of the run can be trusted"
    next_step = "clear the cause of each guard named above, then scan again"

    def __init__(self, what: str, guards: Sequence[str], *, next_step: str | None = None) -> None:
        super().__init__(what, next_step=next_step)
        self.guards = tuple(guards)


class DryRunRefused(Refused):
    """The configured mode does not delete."""

    why = "dry run is the default, and nothing is deleted in it"
    next_step = 'set mode = "execute" in the configuration to allow deletion'


class ReadOnlySession(Refused):
    """The session may look, and change nothing."""

    why = "a session changes nothing unless it was started to write, and only as long as it said"
    next_step = "start it again with --write (and without S3GC_READ_ONLY in the environment)"


class NotApproved(Refused):
    """The plan has not been approved by a named person."""

    why = "nothing is deleted without an approved plan"
    next_step = "review it with `s3gc plan show ID`, then `s3gc plan approve ID --reason TEXT`"


class PlanExpired(Refused):
    """The plan is older than its lifetime."""

    why = "evidence grows stale; an old plan says nothing about today's references"
    next_step = "scan again and approve the new plan"


class PlanChanged(Refused):
    """The stored plan is not the one that was approved (its hash differs)."""

    why = "what is executed must be exactly what was approved"
    next_step = "scan again; if nobody edited the catalogue, look for disk trouble"


class PlanDrifted(Refused):
    """What decides about objects is not what it was when the plan was made."""

    why = "the plan was judged, and approved, under other settings, clearances or databases"
    next_step = "scan again and approve the new plan, or put back what changed"


class PlanFinished(Refused):
    """The plan was rejected, or has been executed to its end: a plan is executed once."""

    why = "a plan is executed once"
    next_step = "scan again for a new plan"


class ConfirmationMismatch(Refused):
    """The typed confirmation does not name this bucket and this count."""

    why = "the confirmation binds the deletion to one bucket and one frozen plan"
    next_step = 'pass --confirm "BUCKET COUNT" as `s3gc plan show ID` prints it'


class SecondPersonNeeded(Refused):
    """Whoever approved the plan wants to execute it, and `require_second_person` is set."""

    why = "require_second_person is set: two people have to want a deletion"
    next_step = "let another person execute the plan, or approve it again"


class GrantRefused(Refused):
    """The grant that approved a plan no longer covers it. `state` is its name for scripts."""

    why = "unattended deletion goes no further than a person granted: scope, budget, expiry"
    next_step = "look at `s3gc grant list`; a person may approve the next plan, or grant anew"

    def __init__(self, what: str, state: str) -> None:
        super().__init__(what)
        self.state = state


class AuditBroken(Refused):
    """The audit log was cut or edited, or its disk lost a part of it."""

    why = "the audit log is the only record of what can be restored"
    next_step = "stop; put back audit.db from its replica or a backup of the vault folder"


class AuditIndexDamaged(Refused):
    """The audit log's disk lost a part of an index; what the records say may be whole."""

    why = "what an index hides looks as if it had never been: its backup would be cleared away"
    next_step = "`s3gc vault audit reindex` checks the records and makes the indexes anew from them"


class NoReplica(Refused):
    """No replica of the vault is configured, or nothing was ever shipped to it."""

    why = "a replica is what brings a lost vault back"
    next_step = "name a bucket under [replica], then run `s3gc vault replicate`"


class ReplicaAltered(Refused):
    """What the replica holds is not what was shipped to it, or belongs to another vault."""

    why = "nothing in a replica ever changes: a copy that does is none"
    next_step = (
        "find out who wrote to that bucket; then name an empty prefix (or bucket) under [replica],"
        " and run `s3gc vault replicate`"
    )


class ReplicaUnsafe(Refused):
    """The replica's store, or its place, cannot hold a replica."""

    why = "what can be overwritten or collected like any other object is no copy to rely on"
    next_step = "name another bucket under [replica]"


class VaultNotEmpty(Refused):
    """A vault is to be rebuilt where there is one."""

    why = "the audit log that is there knows what may have happened since; it is never replaced"
    next_step = "move the old vault folder away, or set vault_path to a new one"


class KeyUnproven(Refused):
    """Backups would be encrypted for recipients of whom nobody has shown to have the secret key."""

    why = "a backup that nobody can open is no backup"
    next_step = (
        "where the identity is: s3gc vault key-test --identity FILE, once for these recipients; or"
        " name it in encryption_identity_file; s3gc vault keygen --output FILE makes one"
    )


class NetworkFileSystem(Refused):
    """The vault lies on a network file system, where SQLite's locks and syncs cannot be trusted."""

    why = "SQLite's locks and syncs cannot be trusted on a network file system"
    next_step = "put vault_path on a local disk"


class StoreUnsafe(Refused):
    """A probe showed that this store ignores conditional deletes (guard `store-unsafe`)."""

    why = "the store deletes an object although its ETag has changed, so an overwrite could be lost"
    next_step = (
        "use a store that honours If-Match on delete; or let each object be looked at and compared"
        ' right before its delete, with unsafe_store = "head-compare-delete" (what is overwritten'
        " in the milliseconds in between is lost; it is no cure for reads that ignore If-Match)"
    )


class VaultFull(Refused):
    """The vault's disk has not enough room for the backups (guard `vault-space`)."""

    why = "what cannot be backed up is not deleted"
    next_step = "free space under vault_path, or approve a smaller plan (--prefix)"


class CatalogueTooNew(Refused):
    """`catalogue.db` was written by a later version of s3gc."""

    why = "what a later version wrote could be misread, and plans are among it"
    next_step = (
        "use the version of s3gc that wrote it, or a later one; or, while nothing runs, delete"
        " catalogue.db* in the vault folder and scan again (the vault itself is not in it)"
    )


class RegistryTooNew(Refused):
    """`registry.db` was written by a later version of s3gc."""

    why = "what a later version wrote could be misread, and references would be overlooked"
    next_step = (
        "use the version of s3gc that wrote it, or a later one; or, while nothing runs, delete"
        " registry.db* in the vault folder and scan again; that forgets when last references went"
        " away, so approve nothing until retention_days have passed since"
    )


class CancelRequested(Refused):
    """The operation was told to end, and will: it can no longer be paused or gone on with."""

    why = "an operation that was told to end takes no other wish"
    next_step = "wait for its end; an execution can be gone on with by executing its plan again"


class FollowingRefused(Refused):
    """The database, or a table, lacks what following its changes takes."""

    why = "changes that nobody is told of would make references go missing"
    next_step = "run `s3gc doctor`: it names each obstacle with the statement that mends it"


class NothingFollowed(Refused):
    """No database is to be followed."""

    why = "following keeps the registry true between scans, for databases that ask for it"
    next_step = "set cdc = true under [database]"


class StreamLost(Refused):
    """The change stream cannot go on from where it was. `state` is its name for scripts."""

    why = "what happened meanwhile is not known, so nothing may be judged by the registry"
    next_step = "`s3gc follow --reload` reads the followed tables anew and starts a new stream"

    def __init__(self, state: str, what: str, *, next_step: str | None = None) -> None:
        super().__init__(what, next_step=next_step)
        self.state = state


class OperationCancelled(S3gcError):
    """A person asked the operation to end. Nothing is half done: what had begun was finished and
    recorded; `counts` tells how many objects ended how.
    """

    exit_code = ExitCode.PARTIAL
    why = "a person asked for it; what had begun was finished and recorded first"
    next_step = "run the same command again to go on (a scan begins anew)"

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.counts: dict[str, int] = {}


class ResultsUnbalanced(S3gcError):
    """The results of an execution are not one for each object of its plan."""

    why = "planned = deleted + kept + changed + vanished + failed, or something was done unseen"
    next_step = (
        "approve nothing until it is understood: compare `s3gc history --operation ID` with"
        " `s3gc plan show ID`, and run `s3gc vault audit verify`; what was deleted is backed up"
    )


class JobNotStarted(S3gcError):
    """The process of a job could not be started; nothing was done."""

    why = "the operating system refused to start it"
    next_step = "clear the cause named above; the same command line can be run by hand"


class TextfileNotWritten(S3gcError):
    """The file of metrics could not be replaced; an old one is still there."""

    why = "whoever watches these metrics would take old ones for how things stand now"
    next_step = "name a file in a folder that s3gc may write to, such as node_exporter's"


class JobRefused(S3gcError):
    """A job ended before it began an operation; this is what it told, by the name it told it."""

    why = "the process that was started for it refused, or could not go on"

    def __init__(
        self,
        name: str,
        exit_code: ExitCode,
        what: str,
        *,
        why: str | None = None,
        next_step: str | None = None,
        blocked: Sequence[str] = (),
    ) -> None:
        super().__init__(what, why=why, next_step=next_step)
        self._name = name
        self.exit_code = exit_code
        self.blocked = tuple(blocked)

    @property
    def name(self) -> str:
        """The name that the job told."""
        return self._name


class ApiMissing(S3gcError):
    """A token asks for the admin API, and what it is served with is not installed."""

    exit_code = ExitCode.USAGE
    why = "whoever set a token relies on the admin API"
    next_step = 'pip install "s3gc[api]", or take S3GC_ADMIN_API_KEY and [api.tokens] away'


class RequestUnusable(S3gcError):
    """A request to the admin API is not as its description (openapi.json) says."""

    exit_code = ExitCode.USAGE
    why = "a parameter that is dropped or replaced could mean other objects"
    next_step = "correct what is named here; openapi.json describes every request"


class RequestFailed(S3gcError):
    """A request to the admin API failed unexpectedly."""

    why = "this should not happen; nothing was deleted without a backup"
    next_step = "look at the log of the process that serves the admin API"


class TokenRefused(Refused):
    """A request to the admin API came without a token, or with one that is none of ours."""

    why = "the admin API answers those who were given a token"
    next_step = "send the header: Authorization: Bearer TOKEN"


class WriteTokenNeeded(Refused):
    """The token only reads."""

    why = "only a token with write = true changes anything"
    next_step = "use a write token, such as that of S3GC_ADMIN_API_KEY"


class TooManyStreams(S3gcError):
    """So many listen to events already that nobody else may."""

    exit_code = ExitCode.BUSY
    why = "each listener costs the vault a look every moment"
    next_step = "end another one, or ask for the operation now and then"


class VaultBusy(S3gcError):
    """Another operation holds the vault."""

    exit_code = ExitCode.BUSY
    why = "two operations at once could judge each other's half-finished work"
    next_step = "wait for it to end (`s3gc status` shows it)"


class NotServing(S3gcError):
    """No service serves this vault, or it has shown no sign of life for too long."""

    why = "nothing runs by schedule, and no database is followed"
    next_step = "start `s3gc serve`, or look at its log"


class StreamTaken(S3gcError):
    """Another process reads the change stream of this registry."""

    exit_code = ExitCode.BUSY
    why = "a stream has one reader, which is the one that keeps the registry true"
    next_step = "end the other `s3gc follow`, or let it go on and do nothing"


class Unreachable(S3gcError):
    """Something the operation depends on does not answer or does not let us in."""

    exit_code = ExitCode.UNREACHABLE
    why = "doubt keeps: without an answer nothing is judged and nothing is deleted"
    next_step = "run `s3gc doctor`; it names what is wrong and how to mend it"


class BucketUnreachable(Unreachable):
    """The object store does not answer, or refuses our credentials."""


class DatabaseUnreachable(Unreachable):
    """A database does not answer, or refuses our credentials."""


class RightMissing(Unreachable):
    """A right is missing; the message names the table and the right."""

    next_step = "grant the right named above"


class VaultUnreachable(Unreachable):
    """The vault folder cannot be opened or written."""

    next_step = "check vault_path: it must be a writable folder on a local disk"


class ApiNotListening(Unreachable):
    """The admin API cannot listen where it should."""

    why = "whoever set a token relies on the admin API"
    next_step = "set host and port under [api] to an address that is free"


class ReplicaBehind(Unreachable):
    """The replica did not acknowledge a batch's backups, so nothing of that batch is deleted."""

    why = 'durability = "replica": nothing is deleted before the replica has its backup'
    next_step = "see that the replica can be reached, then execute the plan again: it goes on"


class NotFound(S3gcError):
    """What was asked for does not exist."""

    exit_code = ExitCode.NOT_FOUND
    why = "there is nothing by that name"
    next_step = "check the name; `s3gc operations`, `plan list` and `vault find` list what there is"


class NoSuchKey(NotFound):
    """No object and no backup has this key."""


class NoSuchPlan(NotFound):
    """No plan has this id."""


class PlanGone(NoSuchPlan):
    """The plan is in the audit log, but its objects are no longer kept: it cannot be executed."""

    why = "only the catalogue holds a plan's objects, and it was rebuilt or holds newer plans now"
    next_step = "scan again and approve the new plan"


class NoSuchColumn(NotFound):
    """No text-like column or table has this name, or it stands so already."""

    next_step = "`s3gc references coverage` lists every column as it stands"


class NoListing(NotFound):
    """What was asked for is looked up in a complete listing of the bucket, and there is none."""

    why = "without a listing nothing can be said to be missing"
    next_step = "run `s3gc scan` or `s3gc discover` first"


class NoSuchGrant(NotFound):
    """No grant has this id, or it is revoked already."""

    next_step = "`s3gc grant list` shows every grant as it stands"


class NoSuchPath(NotFound):
    """The admin API has no such path, or not for this method."""

    next_step = "openapi.json describes every path"


class NoSuchOperation(NotFound):
    """No operation has this id."""


class ScanGone(NotFound):
    """A scan's candidates are no longer kept: newer scans have taken their place."""

    why = "the catalogue keeps what the last scans found, and this scan is not among them"
    next_step = "open the list of the last scan"
