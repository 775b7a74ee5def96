"""One bucket's collector: the only door for the dashboard, batch and the admin API."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from s3gc_core.actions import (
    asking,
    covering,
    dangling,
    deciding,
    discovering,
    drilling,
    executing,
    following,
    granting,
    keys,
    measuring,
    registry,
    repairing,
    replicating,
    reporting,
    restoring,
    scanning,
    scheduled,
    signing,
    since,
    standing,
    streams,
)
from s3gc_core.actions.asking import Explanation
from s3gc_core.actions.dangling import Dangling
from s3gc_core.actions.discovering import DEFAULT_ROWS, Discovery
from s3gc_core.actions.drilling import DrillSummary
from s3gc_core.actions.executing import OperationSummary
from s3gc_core.actions.following import FollowEvent
from s3gc_core.actions.granting import GrantAnswer, GrantStanding
from s3gc_core.actions.keys import KeyTest, keyring_of
from s3gc_core.actions.measuring import Metrics
from s3gc_core.actions.operations import make_vault_folder
from s3gc_core.actions.parts import Parts
from s3gc_core.actions.registry import Rebuilt, RegistryStats
from s3gc_core.actions.repairing import RepairSummary
from s3gc_core.actions.reporting import Reported
from s3gc_core.actions.restoring import Foreseen, OtherBucket
from s3gc_core.actions.scheduled import Timed
from s3gc_core.actions.signing import signing_of
from s3gc_core.actions.standing import MatchHistory, Status, VaultStats
from s3gc_core.actions.streams import StreamStatus
from s3gc_core.bucket import Bucket
from s3gc_core.clock import Clock, SystemClock
from s3gc_core.collection import Export, PurgeSummary, Selection, select
from s3gc_core.config import Config
from s3gc_core.databases import open_database
from s3gc_core.errors import NoSuchKey
from s3gc_core.handing import HANDED, Handed, to_bytes
from s3gc_core.ids import new_id
from s3gc_core.jobs import (
    Acting,
    Job,
    JobEvents,
    JobOutcome,
    StartedJob,
    acting_for,
    actor,
    find_job,
    find_outcome,
    job_events,
    list_jobs,
    request_cancel,
    request_pause,
    request_resume,
    start_job,
)
from s3gc_core.judgement import (
    Catalogue,
    Judged,
    ObjectVerdict,
    Plan,
    PlanHistory,
    PlanItem,
    Progress,
    ScanSummary,
    plan_histories,
    plan_history,
)
from s3gc_core.references import Covered, Drift, Registry
from s3gc_core.replica import RebuiltVault, ReplicaLag, Shipped, replica_lag
from s3gc_core.session import READ_ONLY_VARIABLE, UNRESTRICTED, Session
from s3gc_core.vault import (
    AuditLog,
    BackupFiles,
    DeletedObject,
    DrillDiffered,
    Restored,
    Result,
    generate,
    generate_anchor_key,
)


def silent(phase: str, done: int, total: int | None = None) -> None:
    """Progress that nobody watches."""


class Collector:
    """Everything s3gc can do with one configuration. Open with `async with Collector.open(...)`."""

    def __init__(self, parts: Parts, session: Session) -> None:
        self._parts = parts
        self._session = session
        self.config = parts.config
        self.bucket = parts.bucket
        self.registry = parts.registry
        self.audit = parts.audit

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: Config,
        *,
        clock: Clock | None = None,
        progress: Progress = silent,
        session: Session = UNRESTRICTED,
    ) -> AsyncIterator[Collector]:
        """Open the vault and the clients; nothing is sent yet.

        What changes bucket or vault raises `ReadOnlySession` where the session may not.
        Raises `VaultUnreachable`, `NetworkFileSystem`, `AuditBroken`, `CatalogueTooNew`,
        `RegistryTooNew`, and `VaultBusy` while an operation of an older s3gc may use its tables.
        """
        clock = clock or SystemClock()
        make_vault_folder(config.vault_path)
        async with AsyncExitStack() as stack:
            references = await Registry.open(config.vault_path)
            stack.push_async_callback(references.close)
            catalogue = await Catalogue.open(config.vault_path)
            stack.push_async_callback(catalogue.close)
            outside = Path(config.audit_anchor_file) if config.audit_anchor_file else None
            audit = await AuditLog.open(config.vault_path, clock, outside, signing_of(config))
            stack.push_async_callback(audit.close)
            bucket = await stack.enter_async_context(Bucket.open(config, clock))
            databases = [open_database(database) for database in config.databases]
            files = BackupFiles(config.vault_path, keyring=keyring_of(config))
            parts = Parts(
                config, clock, progress, bucket, databases, references, catalogue, audit, files
            )
            yield cls(parts, session)

    @staticmethod
    async def rebuild_vault(
        config: Config,
        *,
        clock: Clock | None = None,
        progress: Progress = silent,
        session: Session = UNRESTRICTED,
    ) -> RebuiltVault:
        """Rebuild a lost vault from its replica, into a folder without an audit log.

        Begun again it goes on. Raises `VaultNotEmpty`, `NoReplica`, `ReplicaAltered`,
        `AuditBroken`, `VaultFull`, `BucketUnreachable`.
        """
        session.check("rebuild the vault")
        return await replicating.rebuild_vault(config, clock or SystemClock(), progress)

    @asynccontextmanager
    async def of_schedule(self, kind: Timed, slot: datetime | None) -> AsyncIterator[bool]:
        """Do what the block does for this slot (UTC) of a schedule, which the audit log then says.

        False where another process has done it already. Without a slot: true, and nothing is said.
        Raises `VaultBusy` where another scheduled run is at work.
        """
        if slot is None:
            yield True
            return
        async with scheduled.only_run(self.audit, self.config.vault_path, kind, slot) as is_open:
            self._parts = replace(self._parts, scheduled=scheduled.label(kind, slot))
            yield is_open

    @staticmethod
    def make_anchor_key(path: Path) -> str:
        """Write a new key that signs anchors to a new file; its public key. For a thread.

        Raises `FileExistsError`, `VaultUnreachable`, `AnchorKeyUnusable`.
        """
        return generate_anchor_key(path)

    @staticmethod
    async def sign_log(
        config: Config, *, clock: Clock | None = None, session: Session = UNRESTRICTED
    ) -> int:
        """Check the audit log, whoever signed it, and sign its head; how many records it has.

        Raises `AuditBroken`, `AnchorKeyUnusable`.
        """
        session.check("sign the audit log")
        return await signing.sign_log(config, clock or SystemClock())

    @staticmethod
    def make_key(path: Path) -> str:
        """Write a new secret key for backups to a new file; its public key. For a thread.

        Raises `FileExistsError`, `VaultUnreachable`, `CodecMissing`.
        """
        return generate(path)

    async def scan(self, accept: Sequence[str] = (), reason: str = "") -> ScanSummary:
        """One scan; its plan (if any) waits for approval. `blocked` names tripped guards.

        `accept` holds labels of guards that a person takes responsibility for, with a reason.
        """
        may_write = self._session.may_write
        return await scanning.scan(self._parts, accept, reason, may_write=may_write)

    async def follow(self, told: Callable[[FollowEvent], None], *, reload: bool = False) -> None:
        """Keep the registry true to the databases until cancelled.

        With `reload` streams begin anew, and every followed source is read again. Raises
        `NothingFollowed`, `VaultBusy` where another process follows, `StreamLost` once no stream
        can go on.
        """
        self._session.check("follow the databases")
        await following.follow(self._parts, told, reload=reload)

    async def stop_following(self, *, drop_slot: bool = False) -> list[str]:
        """End the process that follows; with `drop_slot` take away what servers keep for it.

        Returns the databases whose stream was taken away.
        """
        self._session.check("stop following")
        return await following.stop_following(self._parts, drop_slot=drop_slot)

    async def stream_status(self) -> list[StreamStatus]:
        """How far each database that is followed has come; changes nothing."""
        return await streams.stream_status(self._parts)

    async def registry_stats(self) -> RegistryStats:
        """What the registry of references holds."""
        return await registry.registry_stats(self._parts)

    async def verify_registry(self) -> AsyncGenerator[list[Drift], None]:
        """Every difference between the registry and the databases, in pages; changes nothing."""
        async with aclosing(registry.verify_registry(self._parts)) as pages:
            async for page in pages:
                yield page

    async def rebuild_registry(self, *, dry_run: bool = False) -> Rebuilt:
        """Read all sources anew, trusting nothing in the registry, and replace it at once."""
        if not dry_run:
            self._session.check("rebuild the registry")
        return await registry.rebuild_registry(self._parts, dry_run=dry_run)

    async def discover(self, *, rows: int = DEFAULT_ROWS, fresh: bool = False) -> Discovery:
        """Which columns of the databases hold keys of the bucket, from samples of `rows` rows."""
        return await discovering.discover(self._parts, rows=rows, fresh=fresh)

    async def report(self, *, versions: bool = False, uploads: bool = False) -> Reported:
        """What the last scan's orphans cost, and where they came from. Raises `NoListing`."""
        return await reporting.report(self._parts, versions=versions, uploads=uploads)

    async def coverage(self) -> list[Covered]:
        """Every text-like column as it stands now: tracked, cleared or unknown."""
        return await covering.coverage(self._parts)

    async def clear_columns(self, name: str, *, reason: str) -> list[Covered]:
        """Record that `[database:]table[.column]` holds no keys. Raises `NoSuchColumn`."""
        self._session.check("clear columns")
        return await covering.clear(self._parts, name, reason)

    async def reopen_columns(self, name: str, *, reason: str) -> list[Covered]:
        """Take a clearance back. Raises `NoSuchColumn`."""
        self._session.check("reopen columns")
        return await covering.reopen(self._parts, name, reason)

    async def dangling(self) -> AsyncIterator[list[Dangling]]:
        """Rows of the sources whose object is not in the bucket, in pages. Raises `NoListing`."""
        async for page in dangling.dangling(self._parts):
            yield page

    async def candidates(
        self,
        *,
        plan_id: str | None = None,
        verdict: ObjectVerdict | None = None,
        prefix: str = "",
        after: str = "",
    ) -> AsyncIterator[list[Judged]]:
        """Candidates of the last scan, or of the scan a plan came from, by key, in pages; only
        those whose key is greater than `after`.
        """
        scan_id = await self._scan_of(plan_id)
        if scan_id is None:
            return
        catalogue = self._parts.catalogue
        async for page in catalogue.candidates(
            scan_id, verdict=verdict, prefix=prefix, after=after
        ):
            yield page

    async def whole_plan(self, plan_id: str) -> Plan:
        """The plan of everything its scan found. Raises `NoSuchPlan`, `PlanGone`."""
        return await since.whole_plan(self._parts, plan_id)

    async def new_orphans(
        self,
        since_plan: Plan,
        *,
        scan_id: str | None = None,
        plan_id: str | None = None,
        prefix: str = "",
    ) -> AsyncIterator[list[Judged]]:
        """Orphans of this scan, of a plan's or of the last one, that are not in `since_plan`."""
        scan_id = scan_id or await self._scan_of(plan_id)
        if scan_id is not None:
            async for page in since.new_orphans(self._parts, scan_id, since_plan, prefix=prefix):
                yield page

    async def _scan_of(self, plan_id: str | None) -> str | None:
        if plan_id is not None:
            return (await self._parts.plan(plan_id)).scan_id
        last = await self._parts.catalogue.last_scan()
        return last[0] if last else None

    async def why(self, key: str) -> Explanation:
        """Every layer and every reference of one key, asked now. Raises `NoSuchKey`."""
        found = await asking.explain(self._parts, key)
        if found is None:
            raise NoSuchKey("no object, no reference and no backup has this key")
        return found

    async def plans(self) -> list[tuple[Plan, PlanHistory]]:
        """All plans kept, newest first, with what the audit log says about them."""
        plans = await self._parts.catalogue.plans()
        return list(zip(plans, await plan_histories(self.audit, plans), strict=True))

    async def plan(self, plan_id: str) -> tuple[Plan, PlanHistory]:
        """One plan. Raises `NoSuchPlan`."""
        plan = await self._parts.plan(plan_id)
        return plan, await plan_history(self.audit, plan)

    async def plan_items(self, plan_id: str, after: str = "") -> AsyncIterator[list[PlanItem]]:
        """A plan's objects by key, in pages; only those whose key is greater than `after`."""
        plan = await self._parts.plan(plan_id)
        async for page in self._parts.catalogue.plan_items(plan.plan_id, after):
            yield page

    async def approve(
        self,
        plan_id: str,
        *,
        reason: str,
        prefixes: Sequence[str] = (),
        keys: Sequence[str] = (),
    ) -> Plan:
        """Approve a plan, or a part of it, which then becomes a frozen plan of its own.

        Raises `PlanFinished`, `PlanExpired`, `NoSuchPlan`, `NoSuchKey` (nothing selected).
        """
        self._session.check("approve plans")
        return await deciding.approve(
            self._parts, plan_id, reason=reason, prefixes=prefixes, keys=keys
        )

    async def reject(self, plan_id: str, *, reason: str) -> Plan:
        """Reject a plan for good. Raises `PlanFinished`, `PlanExpired`, `NoSuchPlan`."""
        self._session.check("reject plans")
        return await deciding.reject(self._parts, plan_id, reason=reason)

    async def check_executable(self, plan_id: str, *, confirm: str) -> Plan:
        """Raise what would refuse to execute a plan at once; executing it asks much more."""
        self._session.check("execute plans")
        return await deciding.check(self._parts, plan_id, confirm=confirm)

    async def approved_plan(self) -> Plan | None:
        """The oldest plan that is approved (or begun), not ended and not expired."""
        return await deciding.approved_plan(self._parts)

    async def grant(
        self,
        *,
        prefixes: Sequence[str] = (),
        everything: bool = False,
        max_objects: int,
        max_bytes: int,
        days: int,
        reason: str,
    ) -> GrantStanding:
        """Let unattended runs delete so much under these prefixes. Raises `ConfigurationError`."""
        self._session.check("grant deletions")
        return await granting.create(
            self._parts,
            prefixes=prefixes,
            everything=everything,
            max_objects=max_objects,
            max_bytes=max_bytes,
            days=days,
            reason=reason,
        )

    async def revoke_grant(self, grant_id: str, *, reason: str) -> GrantStanding:
        """Take a grant back. Raises `NoSuchGrant`, `ConfigurationError`."""
        self._session.check("revoke grants")
        return await granting.revoke(self._parts, grant_id, reason=reason)

    async def grants(self) -> list[GrantStanding]:
        """Every grant ever made, oldest first, as it stands now."""
        return await granting.standings(self._parts)

    async def approve_granted(self, plan_id: str) -> list[GrantAnswer]:
        """Approve what each valid grant covers of a plan. Raises as `approve`."""
        self._session.check("approve plans")
        return await granting.approve_granted(self._parts, plan_id)

    async def execute(
        self, plan_id: str, *, confirm: str, accept: Sequence[str] = (), reason: str = ""
    ) -> OperationSummary:
        """Execute an approved plan, or go on with one whose execution ended early.

        With `budget-per-day` in `accept`, and a reason, also where the day's budget is used up.
        Raises the refusal that applies; objects that changed or failed make it `partial`.
        """
        self._session.check("execute plans")
        return await executing.execute(
            self._parts, plan_id, confirm=confirm, accept=accept, reason=reason
        )

    async def restore(
        self, selection: Selection, *, overwrite: bool = False, accept_lossy: bool = False
    ) -> OperationSummary:
        """Write deleted objects back into the bucket, each exactly as it was; those that were
        stored LOSSY only where `accept_lossy` says so.

        Raises `NoSuchKey` where the vault holds nothing of what was selected.
        """
        self._session.check("restore objects")
        return await restoring.restore(
            self._parts, selection, overwrite=overwrite, accept_lossy=accept_lossy
        )

    async def restore_to_folder(
        self, selection: Selection, folder: Path, *, accept_lossy: bool = False
    ) -> OperationSummary:
        """Write deleted objects into a folder; the bucket is not touched."""
        self._session.check("restore objects")
        return await restoring.restore_to_folder(
            self._parts, selection, folder, accept_lossy=accept_lossy
        )

    async def restore_to_bucket(
        self,
        selection: Selection,
        to: OtherBucket,
        *,
        overwrite: bool = False,
        accept_lossy: bool = False,
    ) -> OperationSummary:
        """Write deleted objects into another bucket; ours is not touched."""
        self._session.check("restore objects")
        return await restoring.restore_to_bucket(
            self._parts, selection, to, overwrite=overwrite, accept_lossy=accept_lossy
        )

    async def foresee(
        self,
        selection: Selection,
        *,
        to: OtherBucket | None = None,
        overwrite: bool = False,
        accept_lossy: bool = False,
    ) -> AsyncGenerator[list[Foreseen], None]:
        """What a restore into the bucket, or into `to`, would do, key by key; changes nothing.

        Raises `NoSuchKey` where the vault holds nothing of what was selected.
        """
        async with aclosing(
            restoring.foresee(
                self._parts, selection, to, overwrite=overwrite, accept_lossy=accept_lossy
            )
        ) as pages:
            async for page in pages:
                yield page

    async def drill(
        self, *, sample: int, to: str | None = None, seed: int | None = None
    ) -> DrillSummary:
        """Restore some backups, chosen by chance, beside the live objects; compare; remove.

        `to` is the configured `drill_prefix`, or a folder; without it a temporary one.
        """
        self._session.check("drill restores")
        return await drilling.drill(self._parts, sample=sample, to=to, seed=seed)

    async def restorable(self, selection: Selection) -> AsyncIterator[list[DeletedObject]]:
        """The backups a restore of this selection would use, in pages; changes nothing.

        Without those whose file is missing or has another size (see `preview`).
        """
        async for page in self.preview(selection):
            yield [backup for backup, present in page if present]

    async def preview(
        self, selection: Selection, *, elsewhere: bool = False
    ) -> AsyncIterator[list[tuple[DeletedObject, bool]]]:
        """The backups of a selection, each with whether its file is there in its full size; with
        `elsewhere` those that a restore to another place would use.
        """
        async for backups, _ in select(self.audit, selection, open_too=elsewhere):
            yield await asyncio.to_thread(self._with_presence, backups)

    def _with_presence(self, page: list[DeletedObject]) -> list[tuple[DeletedObject, bool]]:
        return [(b, self._parts.files.is_present(b.intent.backup)) for b in page]

    async def results(self, operation_id: str) -> AsyncIterator[list[Result | Restored]]:
        """What became of each object of an execution or a restore, in pages."""
        async for page in self.audit.entries(operation_id=operation_id):
            yield [e.record for e in page if isinstance(e.record, Result | Restored)]

    async def drill_differences(self, operation_id: str) -> AsyncIterator[list[DrillDiffered]]:
        """What a drill found not to be as it was backed up, in pages."""
        async for page in self.audit.entries(operation_id=operation_id, kinds=("drill-differed",)):
            yield [e.record for e in page if isinstance(e.record, DrillDiffered)]

    async def export(self, path: Path, *, operation_id: str | None, prefix: str) -> Export:
        """Write kept backups as plain files with a manifest into a new folder or `.tar` file."""
        return await restoring.export(self._parts, path, operation_id, prefix)

    async def purge(self, *, older_than_days: int | None, dry_run: bool) -> PurgeSummary:
        """Remove backups past the horizon that nothing needs; never a sole copy."""
        self._session.check("purge backups")
        return await restoring.purge(self._parts, older_than_days=older_than_days, dry_run=dry_run)

    @staticmethod
    def acting(who: str) -> AbstractContextManager[None]:
        """Whatever the block does is done on the word of `who`: so the audit log names it."""
        return acting_for(Acting(who))

    def start_handed(self, program: Sequence[str], command: Sequence[str]) -> StartedJob:
        """Run a batch command with just this configuration, for whoever acts now. Its operations
        have the job's id among their arguments (`JOB_ARGUMENT`). For the rest as `start_job`.
        """
        job_id = new_id()
        acting = Acting(actor(), job_id)
        argv = [*program, "--config", str(HANDED), "--batch", *command]
        handed = to_bytes(Handed(self.config, acting))
        return start_job(
            self.config.vault_path, argv, self._environment(), handed=handed, job_id=job_id
        )

    async def job_outcome(self, job_id: str) -> JobOutcome:
        """How a job stands, whoever started it. Raises `NoSuchOperation`, `VaultUnreachable`."""
        return await asyncio.to_thread(find_outcome, self.config.vault_path, job_id)

    def start_job(self, argv: Sequence[str]) -> StartedJob:
        """Run an s3gc command line as a process of its own, which outlives this one.

        It inherits the environment; from a session that is read-only now, it is read-only too.
        Raises `JobNotStarted`, `VaultUnreachable`.
        """
        return start_job(self.config.vault_path, argv, self._environment())

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if not self._session.may_write:
            environment[READ_ONLY_VARIABLE] = "1"
        return environment

    async def jobs(self, limit: int = 20) -> list[Job]:
        """Operations as their journals show them, newest first."""
        return await asyncio.to_thread(list_jobs, self.config.vault_path, limit)

    async def job(self, operation_id: str) -> Job | None:
        """One operation's journal; None where none is kept."""
        return await asyncio.to_thread(find_job, self.config.vault_path, operation_id)

    async def job_events(self, operation_id: str, after_offset: int = 0) -> JobEvents:
        """What an operation told since `after_offset`. Raises `NoSuchOperation`."""
        return await asyncio.to_thread(
            job_events, self.config.vault_path, operation_id, after_offset
        )

    async def pause(self, operation_id: str) -> None:
        """Ask a running operation to pause at its next safe point. Raises `NoSuchOperation`."""
        self._session.check("pause operations")
        await asyncio.to_thread(request_pause, self.config.vault_path, operation_id)

    async def resume(self, operation_id: str) -> None:
        """Ask a paused operation to go on. Raises `NoSuchOperation`."""
        self._session.check("resume operations")
        await asyncio.to_thread(request_resume, self.config.vault_path, operation_id)

    async def cancel(self, operation_id: str) -> None:
        """Ask an operation to end after what it has begun. Raises `NoSuchOperation`."""
        self._session.check("cancel operations")
        await asyncio.to_thread(request_cancel, self.config.vault_path, operation_id)

    async def last_scan(self) -> ScanSummary | None:
        """The summary of the last finished scan."""
        return await standing.last_scan(self._parts)

    async def match_history(self) -> list[MatchHistory]:
        """How each source matched the bucket, scan by scan, as far as that is remembered."""
        return await standing.match_history(self._parts)

    async def status(self) -> Status:
        """Who holds the vault, what waits, what is left to recover; changes nothing."""
        return await standing.status(self._parts)

    async def metrics(self) -> Metrics:
        """Sums over all that was ever done, and how things stand; true across restarts, cheap."""
        return await measuring.metrics(self._parts, may_keep=self._session.may_write)

    async def vault_stats(self) -> VaultStats:
        """What the vault holds."""
        return await standing.vault_stats(self._parts)

    async def replicate(self) -> Shipped:
        """Ship what is recorded to the replica. Raises `NoReplica`, and whatever keeps it."""
        self._session.check("ship to the replica")
        parts = self._parts
        return await replicating.replicate(parts.config, parts.bucket, parts.audit, parts.clock)

    async def replica_lag(self) -> ReplicaLag | None:
        """How far the replica is behind, as far as the vault knows; None where there is none."""
        return await replica_lag(self.config, self.audit, self._parts.clock.now())

    async def replica_stands(self) -> object:
        """Differs from the last answer once the replica has more, or a try has failed."""
        return await replicating.standing_of(self.config)

    async def check_replica(self) -> int:
        """Up to which record the replica saw our log, which extends it. Raises `AuditBroken`."""
        return await replicating.check_replica(self.config, self.audit, self._parts.clock)

    async def test_keys(self, identity_file: Path | None = None) -> list[KeyTest]:
        """Prove which recipients of encrypted backups a file's keys are, and record it."""
        self._session.check("record a test of keys")
        return await keys.test_keys(self._parts, identity_file)

    async def verify_replica(
        self, *, sample: int | None = None, unopened: Callable[[str], None] | None = None
    ) -> AsyncIterator[tuple[str, str | None]]:
        """Fetch backups from the replica and compare; yields (key, what is wrong or None).

        `unopened` is called with the keys of encrypted ones that only stored bytes could be
        compared of, as no identity is here.
        """
        async for checked in standing.verify_replica(self._parts, sample=sample, unopened=unopened):
            yield checked

    async def repair_backups(
        self, *, sample: int | None = None, seed: int | None = None
    ) -> RepairSummary:
        """As `verify_backups`, and put what is damaged or gone back from the replica.

        Raises `NoReplica`, and what keeps the replica from being read.
        """
        self._session.check("repair backups")
        return await repairing.repair_backups(self._parts, sample=sample, seed=seed)

    async def verify_backups(
        self,
        *,
        sample: int | None = None,
        seed: int | None = None,
        unopened: Callable[[str], None] | None = None,
    ) -> AsyncIterator[tuple[str, str | None]]:
        """Read backups back and compare; yields (key, what is wrong or None).

        `unopened` as of `verify_replica`.
        """
        async for checked in standing.verify_backups(
            self._parts, sample=sample, seed=seed, unopened=unopened
        ):
            yield checked
