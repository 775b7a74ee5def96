"""The parts every action works with, and the checks several of them share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from s3gc_core.actions.operations import OperationRun, operation
from s3gc_core.actions.replicating import Acknowledged, acknowledging, replicate_after
from s3gc_core.actions.scheduled import ARGUMENT
from s3gc_core.bucket import Bucket
from s3gc_core.clock import Clock, utc_now
from s3gc_core.collection import unlike_bound
from s3gc_core.config import Config
from s3gc_core.databases import Database
from s3gc_core.errors import NoSuchKey, NoSuchPlan, NothingTracked, PlanGone, S3gcError
from s3gc_core.judgement import (
    Catalogue,
    Identity,
    Plan,
    Progress,
    clock_skew,
    identity,
    identity_bound,
    recorded_plans,
    refuse,
)
from s3gc_core.references import Registry
from s3gc_core.vault import AuditLog, BackupFiles


@dataclass(frozen=True, slots=True)
class Parts:
    """One bucket's rooms, opened."""

    config: Config
    clock: Clock
    progress: Progress
    bucket: Bucket
    databases: Sequence[Database]
    registry: Registry
    catalogue: Catalogue
    audit: AuditLog
    files: BackupFiles
    # The run of a schedule that all this is done for (see `scheduled.label`); empty: for none.
    scheduled: str = ""

    @asynccontextmanager
    async def operation(
        self,
        what: str,
        *,
        plan_id: str | None = None,
        arguments: Mapping[str, str] | None = None,
        healing: bool = False,
        elsewhere: bool = False,
        may_be_anew: bool = False,
    ) -> AsyncIterator[OperationRun]:
        """Hold the vault for one operation (see `operations.operation`), and ship it afterwards."""
        of_schedule = {ARGUMENT: self.scheduled} if self.scheduled else {}
        try:
            async with operation(
                self.audit,
                self.files,
                self.bucket,
                vault_path=self.config.vault_path,
                mode=self.config.mode,
                what=what,
                progress=self.progress,
                plan_id=plan_id,
                arguments={**(arguments or {}), **of_schedule},
                healing=healing,
                elsewhere=elsewhere,
                may_be_anew=may_be_anew,
            ) as run:
                yield run
        except S3gcError:
            await replicate_after(self.config, self.bucket, self.audit, self.clock)
            raise
        await replicate_after(self.config, self.bucket, self.audit, self.clock)

    def acknowledging(self) -> AbstractAsyncContextManager[Acknowledged]:
        """What an execution awaits before it deletes (see `replicating.acknowledging`)."""
        return acknowledging(self.config, self.bucket, self.audit, self.clock)

    def refuse_nothing_tracked(self) -> None:
        """Without references every object would look like an orphan. Raises `NothingTracked`."""
        if not self.config.databases:
            raise NothingTracked("no database is configured")
        if not self.config.sources:
            raise NothingTracked("no table is configured")

    async def check_identity(self, accept: Sequence[str] = ()) -> Identity:
        """Refuse a bucket or database this vault was not made for. Raises `GuardBlocked`."""
        present = Identity(
            await self.bucket.identity(),
            {d.name: await d.identity() for d in self.databases},
            await self.bucket.marks(),
        )
        refuse(identity(await identity_bound(self.audit), present, accept))
        return present

    async def check_clock(self) -> None:
        """Refuse to judge by clocks that do not agree. Raises `GuardBlocked`.

        These are the machines' own: in the demo and in tests days pass that no machine knows of.
        """
        stores = await self.bucket.server_date()
        refuse(clock_skew(utc_now(), stores))

    async def check_bucket_identity(self, *, may_be_anew: bool = True) -> None:
        """As `check_identity`, for the bucket alone: who needs an object back at once must not
        wait for a database. Nor is asked whose bucket it is where it `may_be_anew`: lost, and made
        once more.
        """
        refuse(await unlike_bound(self.bucket, self.audit, may_be_anew=may_be_anew))

    async def plan(self, plan_id: str) -> Plan:
        """A plan's head. Raises `NoSuchPlan`, `PlanGone`."""
        plan = await self.catalogue.plan(plan_id)
        if plan is None:
            if plan_id in await recorded_plans(self.audit):
                raise PlanGone(f"the objects of plan {plan_id} are no longer kept")
            raise NoSuchPlan(f"there is no plan {plan_id}")
        return plan


def refuse_impossible_key(text: str) -> None:
    """Keys are UTF-8 (S3 user guide); what cannot be encoded is none. Raises `NoSuchKey`."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NoSuchKey("the key is not valid UTF-8, so no object can have it") from None
