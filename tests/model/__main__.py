"""`python -m tests.model --operations 1000000 [--seed 1] [--engine sqlite]`: world after world.

Prints what happened in them, how many objects were deleted wrongly, and how many were kept for no
reason that the model knows. Ends with 1 at the first difference, with seed and last operations.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.model.difference import Difference
from tests.model.machine import operations, run_worlds
from tests.model.report import report
from tests.model.standing import ENGINES, standing

WORLDS = 6


def main() -> int:
    """Parse the command line, start the servers, run worlds."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--operations", type=int, default=20_000, help="how many in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=ENGINES, default="sqlite")
    chosen = parser.parse_args()
    began, number = time.monotonic(), chosen.seed
    found: Difference | None = None
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        stack = standing(Path(folder), chosen.engine)
        ground = runner.run(stack.__aenter__())
        try:
            while operations(ground) < chosen.operations:
                run_worlds(ground, runner, number, WORLDS)
                sys.stderr.write(f"seed {number}: {operations(ground)} operations\n")
                number += 1
        except Difference as difference:
            found = difference
        finally:
            runner.run(stack.__aexit__(None, None, None))
    if found is not None:
        notes = "\n".join(found.__notes__)
        sys.stdout.write(f"seed {number} differs: {found}\n{notes}\n")
    sys.stdout.write(report(ground, time.monotonic() - began, chosen.seed, number, found))
    return 1 if found is not None else 0


if __name__ == "__main__":
    sys.exit(main())
