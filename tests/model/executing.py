"""One execution beside the model, step by step, while rows and objects change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from s3gc_core.bucket import Bucket, DeleteResult
from s3gc_core.collection.backup import BackupRun
from tests.model.application import written
from tests.model.difference import CrashedHere, Difference, unlike
from tests.model.world_model import Fate, Plan

if TYPE_CHECKING:
    from tests.model.driver import Driver

Event = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Executing:
    """One execution, step by step beside the model, with events at its most delicate moments."""

    driver: Driver
    plan: Plan
    chance: Random
    fates: dict[str, Fate] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    backed_up: set[str] = field(default_factory=set)
    cleared: set[str] = field(default_factory=set)
    began: bool = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Follow the steps of the execution as long as the block lasts."""
        back_up, delete_batch = BackupRun.back_up, Bucket.delete_batch

        async def then_something_happens(run: BackupRun, items: Any) -> Any:
            self.began = True
            self.fates |= self.driver.model.back_up(self.plan)
            self.plan.done |= self.fates.keys()
            self.backed_up = set(self.plan.items) - self.plan.done
            outcome = await back_up(run, items)
            await self._happens(self._before_judgement)
            self._judge()
            return outcome

        async def first_something_happens(
            bucket: Bucket, items: Sequence[tuple[str, str]]
        ) -> dict[str, DeleteResult]:
            asked = {key for key, _ in items}
            if not asked & self.plan.items.keys():
                return await delete_batch(bucket, items)  # a probe's
            wrong = asked - self.cleared
            if asked != self.cleared:
                why = {key: self.reasons.get(key) or self.fates.get(key) for key in sorted(wrong)}
                told = f"{why} are deleted, {sorted(self.cleared - asked)} are not"
                raise Difference("the last judgement", told, sorted(wrong))
            await self._happens(self._before_delete)
            if self.chance.random() < 0.1 and len(items) > 1:
                await delete_batch(bucket, items[: len(items) // 2])
                for key, _ in items[: len(items) // 2]:
                    self.driver.model.delete(self.plan, key)
                raise CrashedHere
            for key in sorted(self.cleared):
                self.fates[key] = self.driver.model.delete(self.plan, key)
            return await delete_batch(bucket, items)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(BackupRun, "back_up", then_something_happens)
            patch.setattr(Bucket, "delete_batch", first_something_happens)
            yield

    def _judge(self) -> None:
        model, now = self.driver.model, self.driver.app.now()
        for key in sorted(self.backed_up):
            if why := model.why_kept(key, now):
                self.fates[key], self.reasons[key] = Fate.KEPT, why
                self.driver.app.counts[f"kept at the last moment: {why}"] += 1
                self.plan.done.add(key)
        self.cleared = {key for key in self.backed_up if key not in self.fates}

    async def _happens(self, event: Event) -> None:
        if self.chance.random() < 0.5:
            await event()

    async def _before_judgement(self) -> None:
        """A row refers to an object that is about to go."""
        app, chance = self.driver.app, self.chance
        for key in chance.sample(sorted(self.plan.items), min(len(self.plan.items), 2)):
            name = (chance.choice(["files", "posts", "albums"]), chance.randrange(1, 21))
            await app.set_row("link at the last moment", name, written(chance, name[0], [key]))

    async def _before_delete(self) -> None:
        """An object that was judged is overwritten or removed before it is deleted."""
        app, chance = self.driver.app, self.chance
        for key in chance.sample(sorted(self.cleared), min(len(self.cleared), 2)):
            if chance.random() < 0.8:
                await app.put("overwrite at the last moment", key, app.body())
            elif key in self.driver.model.objects:
                await app.remove(key)

    def compare(self, got: dict[str, str]) -> None:
        """Every object of the plan ended as the model says."""
        if not self.began:
            # Nothing came to its backup: all that was planned had changed by then.
            self.fates |= self.driver.model.back_up(self.plan)
            self.plan.done |= self.fates.keys()
        must = {key: fate.value for key, fate in self.fates.items()}
        if got != must:
            wrong = [k for k in got if got[k] == "deleted" and must.get(k) != "deleted"]
            raise Difference("an execution", unlike(must, got), wrong)
