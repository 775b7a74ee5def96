"""The table is complete and up to date, and mutations are noticed: a sample of them.

All of them: `python -m tests.mutations`.
"""

from __future__ import annotations

import ast
import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutations.mutation import DoesNotApply, Mutation
from tests.mutations.running import TREE, Copy, survivors
from tests.mutations.table import GUARDS, GUARDS_FILE, TABLE

# The function that asks all guards is none itself.
NO_GUARDS = {"tripped_guards"}
SAMPLE = {
    "guard no-references": ("tests/core/judgement/test_guards.py::test_no_references",),
    "plan expiry": ("tests/core/judgement/test_plans.py::test_expiry",),
}


def guard_functions() -> set[str]:
    """Every public function that gives tripped guards."""
    functions = ast.parse((TREE / GUARDS_FILE).read_text()).body
    return {
        node.name
        for node in functions
        if isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and "Tripped" in ast.unparse(node.returns)
        and not node.name.startswith("_")
    } - NO_GUARDS


def test_every_guard_has_a_mutation() -> None:
    assert {mutation.function for mutation in GUARDS} == guard_functions()
    assert len({mutation.name for mutation in TABLE}) == len(TABLE)


@pytest.mark.parametrize("mutation", [pytest.param(m, id=m.name) for m in TABLE])
def test_every_mutation_applies_and_its_tests_are_there(mutation: Mutation) -> None:
    source = (TREE / mutation.file).read_text()
    assert mutation.apply(source) != source
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (TREE / file).read_text(), test


def test_what_is_not_there_is_told() -> None:
    gone = Mutation("gone", GUARDS_FILE, "return", ("a test",), function="no_such_guard")
    for mutation in (gone, Mutation("often", GUARDS_FILE, "", ("a test",), before="return")):
        with pytest.raises(DoesNotApply):
            mutation.apply((TREE / GUARDS_FILE).read_text())


async def test_a_sample_is_noticed(tmp_path: Path) -> None:
    """By tests without servers, which take a moment."""
    await asyncio.to_thread(_sample, tmp_path / "copy")


def _sample(folder: Path) -> None:
    copy = Copy(folder)
    tests = {test for name in SAMPLE for test in SAMPLE[name]}
    for mutation in TABLE:
        if mutation.name in SAMPLE:
            # Each is given the tests of all: those that are about something else do not notice.
            others = tests - set(SAMPLE[mutation.name])
            assert survivors(copy, replace(mutation, tests=tuple(tests))) == others
    assert copy.failing(tests) == set()
