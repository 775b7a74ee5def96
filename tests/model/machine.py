"""The rules: what may happen in a world, in any order. Each scan and each execution is checked."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from random import Random

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.model.driver import Driver
from tests.model.ground import Ground

# Rules a world; statements and uploads a rule, at most.
RULES = 50
STATEMENTS = 400
UPLOADS = 16
# Not operations of the world, but what became of objects.
OUTCOME = "= "

chances = st.integers(0, 2**32 - 1).map(Random)


def operations(ground: Ground) -> int:
    """How many operations the worlds on this ground have had."""
    not_counted = ("worlds", "kept at")
    return sum(
        count
        for kind, count in ground.counts.items()
        if not kind.startswith((OUTCOME, *not_counted))
    )


class Machine(RuleBasedStateMachine):
    """One world. `ground` and `runner` are set by whoever runs it."""

    ground: Ground
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self._opened: AbstractAsyncContextManager[Driver] = self.ground.world()
        self._driver = self.runner.run(self._opened.__aenter__())
        self._failed = False

    def _do(self, doing: object) -> object:
        try:
            return self.runner.run(doing)  # type: ignore[arg-type]
        except BaseException:
            self._failed = True
            raise

    @rule(chance=chances, statements=st.integers(20, STATEMENTS))
    def write_rows(self, chance: Random, statements: int) -> None:
        self._do(self._driver.app.transactions(chance, statements))

    @rule(chance=chances, count=st.integers(1, UPLOADS))
    def upload(self, chance: Random, count: int) -> None:
        self._do(self._driver.app.uploads(chance, count))

    @rule(hours=st.sampled_from([1, 7, 23, 50, 100, 169, 200, 400]))
    def time_passes(self, hours: int) -> None:
        self._do(self._driver.pass_time(hours))

    @rule(chance=chances, hours=st.sampled_from([0, 170, 171]))
    def scan_and_execute(self, chance: Random, hours: int) -> None:
        self._do(self._driver.cycle(chance, hours))

    @rule(chance=chances)
    def decide_about_any_plan(self, chance: Random) -> None:
        plans = sorted(self._driver.model.plans)
        if plans:
            self._do(self._driver.decide(chance, chance.choice(plans[-5:])))

    @rule(chance=chances)
    def execute_any_plan(self, chance: Random) -> None:
        plans = sorted(self._driver.model.plans)
        if plans:
            self._do(self._driver.execute(chance, chance.choice(plans[-5:])))

    @rule(chance=chances)
    def restore(self, chance: Random) -> None:
        self._do(self._driver.restore(chance))

    def teardown(self) -> None:
        try:
            if not self._failed:
                self.runner.run(self._driver.end())
        finally:
            self.runner.run(self._opened.__aexit__(None, None, None))


def run_worlds(ground: Ground, runner: asyncio.Runner, number: int, worlds: int) -> None:
    """So many worlds by the seed `number`. Raises what a rule raises, with the last operations."""

    class OnGround(Machine):
        pass

    OnGround.ground, OnGround.runner = ground, runner
    how = settings(
        max_examples=worlds,
        stateful_step_count=RULES,
        database=None,
        deadline=None,
        # A smaller example would need another world for each try: the last operations are told.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )
    try:
        run_state_machine_as_test(seed(number)(OnGround), settings=how)
    except BaseException as error:
        last = "\n  ".join(ground.last)
        error.add_note(f"python -m tests.model --seed {number}\nthe last operations:\n  {last}")
        raise
