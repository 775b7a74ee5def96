"""`python -m tests.worlds --worlds 2000 --seed 1 [--engine sqlite]`: worlds, until one differs.

Prints what the worlds had in them. Ends with 1 at the first difference, shrunk to a small world.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.worlds.checking import Counts, Difference, check
from tests.worlds.ground import standing
from tests.worlds.model import World
from tests.worlds.strategies import ENGINES, worlds


def main() -> int:
    """Parse the command line, start the servers, run the worlds."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds", description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="how many in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=ENGINES, action="append")
    parser.add_argument("--as-found", action="store_true", help="do not look for a smaller world")
    parser.add_argument("--dangers", action="store_true", help="stop only where a live one may go")
    chosen = parser.parse_args()
    engines = chosen.engine or list(ENGINES)
    phases = [Phase.generate] if chosen.as_found else [Phase.generate, Phase.shrink]
    counts, began = Counts(), time.monotonic()
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        stack = standing(Path(folder), engines)
        ground = runner.run(stack.__aenter__())
        try:
            for number, engine in enumerate(engines):
                share = chosen.worlds // len(engines) + (number < chosen.worlds % len(engines))

                @seed(chosen.seed)
                @settings(
                    max_examples=share,
                    database=None,
                    deadline=None,
                    phases=phases,
                    suppress_health_check=list(HealthCheck),
                    print_blob=False,
                    report_multiple_bugs=False,
                )
                @given(world=worlds(engine))
                def run(world: World) -> None:
                    try:
                        runner.run(check(ground, world, counts))
                    except Difference as difference:
                        if difference.dangerous or not chosen.dangers:
                            raise
                        counts.outcomes["not exact"] += 1

                run()
        except Difference as difference:
            sys.stdout.write(f"{difference}\n\n")
            return 1
        finally:
            runner.run(stack.__aexit__(None, None, None))
            took = time.monotonic() - began
            sys.stdout.write(f"{counts.report()}\n{took:.0f} s, seed {chosen.seed}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
