"""Runs tests over a copy of the tree, as it is and with one mutation at a time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.mutations.mutation import Mutation

TREE = Path(__file__).resolve().parents[2]
_COPIED = ("s3gc_core", "s3gc_tui", "tests", "pyproject.toml", "README.md")
_MOST_SECONDS = 900
# pytest: all passed, some failed; whatever else it says is no answer.
_PASSED, _FAILED = 0, 1


class NoAnswer(Exception):
    """The tests did not run, which is neither a pass nor a failure."""


class Copy:
    """A copy of the tree, to be changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        for name in _COPIED:
            source = TREE / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        # What is installed on the machine must not be what is tested.
        where = self._python("-c", "import s3gc_core; print(s3gc_core.__file__)").stdout.strip()
        if not Path(where).is_relative_to(folder):
            raise NoAnswer(f"the tests would run {where}")

    def failing(self, tests: Iterable[str]) -> set[str]:
        """Those of the tests that fail now. Raises `NoAnswer` where they cannot be run."""
        options = ("-q", "-rfE", "--tb=no", "-p", "no:cacheprovider")
        ended = self._python("-m", "pytest", *options, *tests)
        if ended.returncode not in (_PASSED, _FAILED) or re.search(r"^ERROR", ended.stdout, re.M):
            raise NoAnswer(f"pytest ended with {ended.returncode}:\n{ended.stdout[-3000:]}")
        failed = re.findall(r"^FAILED (\S+?)(?:\[.*)?(?: - .*)?$", ended.stdout, re.M)
        if (ended.returncode == _FAILED) is not bool(failed):
            raise NoAnswer(f"pytest ended with {ended.returncode}:\n{ended.stdout[-3000:]}")
        return set(failed)

    @contextmanager
    def mutated(self, mutation: Mutation) -> Iterator[None]:
        """The copy with one guard taken out, as long as the block lasts."""
        path = self._folder / mutation.file
        source = path.read_text()
        path.write_text(mutation.apply(source))
        try:
            yield
        finally:
            path.write_text(source)

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Mutated files have the same size and second as the real ones may have: no byte code.
        environment = {**os.environ, "PYTHONPATH": str(self._folder)}
        return subprocess.run(
            [sys.executable, "-B", *arguments],
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_MOST_SECONDS,
            check=False,
        )


def survivors(copy: Copy, mutation: Mutation) -> set[str]:
    """The tests that should notice the mutation and do not."""
    with copy.mutated(mutation):
        return set(mutation.tests) - copy.failing(mutation.tests)
