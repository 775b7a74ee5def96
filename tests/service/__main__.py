"""`python -m tests.service [--kills 100] [--seed 1]`: everything about the service that takes time.

First all tests of this folder, those that the gate leaves out too; then as many kills at random
instants as asked for, ten to each world. Ends with 1 where something is not as it has to be.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tests.service.killing import Killing
from tests.service.scene import Scene

HERE = Path(__file__).parent
KILLS_EACH = 10


class Courses:
    """The kills as tests, which gives them the servers and a world for each."""

    def __init__(self, kills: int, seed: int) -> None:
        self._seeds = range(seed, seed + max(1, round(kills / KILLS_EACH)))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One course for each seed."""
        if "course_seed" in metafunc.fixturenames:
            metafunc.parametrize("course_seed", self._seeds)


async def test_killed_at_random(scene: Scene, course_seed: int) -> None:
    killing = Killing(scene, course_seed)
    await killing.run(KILLS_EACH)
    sys.stderr.write(f"seed {course_seed}: {killing.toll}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-kills", action="store_true", help="leave the tests out")
    args = parser.parse_args()
    tests = [] if args.only_kills else [*HERE.glob("test_*.py"), *HERE.glob("long_*.py")]
    found = [*map(str, sorted(tests)), str(HERE / "__main__.py")]
    # What the scene needs has imported anyio, which is also a plugin of pytest's: no assertion of
    # ours is in it.
    rewritten = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
    options = ["-q", "-s", "-W", rewritten]
    return int(pytest.main([*options, *found], plugins=[Courses(args.kills, args.seed)]))


if __name__ == "__main__":
    sys.exit(main())
