"""Drives s3gc through a world, and compares all it does with what the model says."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from s3gc_core.collection import Selection
from s3gc_core.collection.folder import INDEX
from s3gc_core.collector import Collector
from s3gc_core.errors import PlanExpired, PlanFinished, S3gcError
from tests.model.application import ANCHOR, KEYS, Application, written
from tests.model.difference import CrashedHere, Difference, unlike
from tests.model.executing import Executing
from tests.model.world_model import Fate, Plan, Row, WorldModel


@dataclass(slots=True)
class Driver:
    """One world, from its first object on. `collector` is open for as long as the world lasts."""

    model: WorldModel
    app: Application
    collector: Collector
    folder: Path
    _exports: int = 0

    async def begin(self) -> None:
        """One object that is always in use, so that never nothing is referenced at all."""
        await self.app.put("upload", ANCHOR, b"always in use")
        await self.app.set_row("insert", ("files", 0), Row(frozenset({ANCHOR}), value=ANCHOR))
        await asyncio.gather(*(self.app.put("upload", key, self.app.body()) for key in KEYS[::2]))

    async def pass_time(self, hours: float) -> None:
        """Let hours pass, and a little more where a decision would hang on seconds."""
        self.app.clock.advance(timedelta(hours=hours))
        self.app.note("time", f"{hours} h")
        self._settle()

    def _settle(self) -> None:
        while self.model.is_close(self.app.now()):
            self.app.clock.advance(timedelta(minutes=7))

    async def cycle(self, chance: Random, hours: float) -> None:
        """Some hours later: scan, approve and execute, with trouble in between."""
        await self.pass_time(hours)
        plan_id = await self.scan()
        approved = await self.decide(chance, plan_id) if plan_id else None
        if approved:
            await self.meddle(chance, approved)
            await self.execute(chance, approved)

    # Scanning and deciding

    async def scan(self) -> str | None:
        """One scan: exactly the objects that the model names, each for the model's reasons."""
        self._settle()
        self.app.note("scan")
        wanted = self.model.scan(self.app.now())
        must_block = sorted(f"reverse-match:main:{table}.v" for table in self.model.unmatched())
        summary = await self.collector.scan()
        blocked = sorted(trip.label for trip in summary.blocked)
        if blocked != must_block or (blocked and summary.plan_id is not None):
            raise Difference("guards", f"{blocked} block, not {must_block}: {summary.plan_id}")
        if blocked:
            self.app.note("scan blocked", blocked)
            summary = await self.collector.scan(accept=blocked, reason="a test")
        got = {j.object.key: j async for page in self.collector.candidates() for j in page}
        verdicts = {key: judged.verdict.value for key, judged in got.items()}
        must = {key: candidate.verdict for key, candidate in wanted.items()}
        orphans = {key for key, verdict in must.items() if verdict == "orphan"}
        wrong = {key for key, verdict in verdicts.items() if verdict == "orphan"} - orphans
        if verdicts != must:
            raise Difference("a scan", unlike(must, verdicts), sorted(wrong))
        for key, judged in got.items():
            said = {
                layer: getattr(judged.layers, layer).verdict.value for layer in wanted[key].layers
            }
            if said != wanted[key].layers:
                raise Difference(f"the layers of {key}", unlike(wanted[key].layers, said))
            self.app.counts[f"= {must[key]}"] += 1
        if summary.listed != len(self.model.objects):
            raise Difference("listed", f"{summary.listed}, not {len(self.model.objects)}")
        if (summary.plan_id is not None) is not bool(orphans):
            raise Difference("a plan", f"{summary.plan_id} for {sorted(orphans)}")
        if summary.plan_id is not None:
            self.model.propose(summary.plan_id, orphans, self.app.now())
        return summary.plan_id

    async def decide(self, chance: Random, plan_id: str) -> str | None:
        """Approve a plan or a part of it, or now and then reject it; the approved plan's id."""
        self._settle()
        plan = self.model.plans[plan_id]
        rejects = chance.random() < 0.15
        keys = tuple(key for key in sorted(plan.items) if chance.random() < 0.5)
        if chance.random() < 0.6:
            keys = ()
        self.app.note("reject" if rejects else "approve", f"{plan_id} {keys}")
        refused: type[Exception] | None = None
        if plan.state not in ("proposed", "approved"):
            refused = PlanFinished
        elif self.app.now() >= plan.expires_at:
            refused = PlanExpired
        try:
            if rejects:
                await self.collector.reject(plan_id, reason="a test")
            else:
                approved = await self.collector.approve(plan_id, reason="a test", keys=keys)
        except S3gcError as error:
            if type(error) is not refused:
                raise
            return None
        if refused is not None:
            raise Difference("a decision", f"{refused.__name__} was not raised")
        if rejects:
            plan.state = "rejected"
            return None
        if approved.plan_id == plan_id:
            plan.state = "approved"
        else:
            self.model.plans[approved.plan_id] = plan.part(approved.plan_id, keys)
        return approved.plan_id

    async def meddle(self, chance: Random, plan_id: str) -> None:
        """What is planned changes between approval and execution."""
        items = sorted(self.model.plans[plan_id].items)
        for key in chance.sample(items, min(len(items), chance.randrange(4))):
            stored = self.model.objects.get(key)
            match chance.randrange(4):
                case 0 if stored is not None:
                    # An application that stores by content does so before it writes its row.
                    await self.app.put("upload the same again", key, stored.body, like=stored)
                case 1:
                    await self.app.put("overwrite after approval", key, self.app.body())
                case 2 if stored is not None:
                    await self.app.remove(key)
                case _:
                    name = (chance.choice(["files", "posts", "albums"]), chance.randrange(1, 21))
                    row = written(chance, name[0], [key])
                    await self.app.set_row("link after approval", name, row)

    # Executing

    async def execute(self, chance: Random, plan_id: str) -> None:
        """Execute a plan while things happen; what is deleted is exactly what may be."""
        self._settle()
        plan = self.model.plans[plan_id]
        head, _ = await self.collector.plan(plan_id)
        run = Executing(self, plan, chance)
        refused = self._refusal(plan)
        self.app.note("execute", plan_id)
        try:
            with run.watched():
                summary = await self.collector.execute(plan_id, confirm=head.confirmation)
        except CrashedHere:
            self.app.note("crash")
            plan.state = "executing"
            await self._check_bucket("after a crash")
            # The next operation, whichever it is, finds out how far this one had come.
            self.model.recover(plan, run.cleared)
            await self.scan()
            return
        except S3gcError as error:
            if type(error).__name__ != refused:
                raise
            return
        if refused is not None:
            raise Difference("an execution", f"{refused} was not raised", sorted(plan.items))
        plan.state = "executed"
        got = {
            result.key: result.outcome.value
            async for page in self.collector.results(summary.operation_id)
            for result in page
        }
        run.compare(got)
        for fate in run.fates.values():
            self.app.counts[f"= {fate}"] += 1
        await self._check_bucket("after an execution")
        await self.check_vault(
            Selection(operation_id=summary.operation_id),
            {
                key
                for key, fate in run.fates.items()
                if fate in (Fate.DELETED, Fate.VANISHED) and key in run.backed_up
            },
        )

    def _refusal(self, plan: Plan) -> str | None:
        if plan.state in ("rejected", "executed"):
            return "PlanFinished"
        if plan.state == "proposed":
            return "NotApproved"
        return "PlanExpired" if self.app.now() >= plan.expires_at else None

    async def _check_bucket(self, when: str) -> None:
        pages = self.collector.bucket.list_pages()
        there = {entry.key: entry.etag async for page in pages for entry in page}
        must = {key: stored.etag for key, stored in self.model.objects.items()}
        if there != must:
            raise Difference(
                f"the bucket {when}", unlike(must, there), sorted(must.keys() - there.keys())
            )

    # Restoring

    async def restore(self, chance: Random) -> None:
        """Restore some deleted objects, by their keys or by a prefix."""
        restorable = self.model.restorable()
        if not restorable:
            return
        overwrite = chance.random() < 0.2
        prefix = chance.choice(["img/", "doc/", "new/", "img/00"])
        keys = [key for key in restorable if key.startswith(prefix)]
        selection = Selection(prefix=prefix)
        if not keys or chance.random() < 0.7:
            # By name any backup is offered; only where the last one is that of the object's end
            # both ways of asking mean the same.
            known = [k for k in sorted(restorable) if self.model.vault[k][-1].is_gone]
            keys = known and chance.sample(known, min(len(known), chance.randrange(1, 5)))
            selection = Selection(keys=tuple(keys))
        if not keys:
            return
        self.app.note("restore", f"{selection} overwrite={overwrite}")
        must = {key: self.model.restored(key, restorable[key], overwrite=overwrite) for key in keys}
        summary = await self.collector.restore(selection, overwrite=overwrite)
        got = {
            result.key: result.outcome.value
            async for page in self.collector.results(summary.operation_id)
            for result in page
        }
        if got != must:
            raise Difference("a restore", unlike(must, got))
        for key, outcome in must.items():
            self.app.counts[f"= {outcome}"] += 1
            if outcome == "restored":
                await self.app.restored(key, restorable[key].body)

    async def check_vault(self, selection: Selection, keys: set[str]) -> None:
        """Everything of a selection comes out of the vault with the bytes it had."""
        if not keys:
            return
        self._exports += 1
        folder = self.folder / f"export-{self._exports}"
        self.app.note("restore to a folder", len(keys))
        await self.collector.restore_to_folder(selection, folder)
        index = await asyncio.to_thread((folder / INDEX).read_text)
        got = {}
        for line in map(json.loads, index.splitlines()):
            got[line["key"]] = await asyncio.to_thread((folder / line["file"]).read_bytes)
        must = {key: stored.body for key, stored in self.model.restorable().items() if key in keys}
        if got != must:
            raise Difference("the vault", unlike(must, got))

    async def end(self) -> None:
        """Everything that was ever deleted is in the vault, and the audit log is whole."""
        await self.check_vault(Selection(prefix=""), set(self.model.restorable()))
        await self.collector.audit.verify()
