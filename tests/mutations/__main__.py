"""`python -m tests.mutations [--only NAME ...]`: take each guard out in turn; tests must fail.

First all the named tests are run as they are, and must pass. Ends with 1 where a mutation
survives a test that should have noticed it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.mutations.running import Copy, survivors
from tests.mutations.table import TABLE


def main() -> int:
    """Parse the command line, copy the tree, try each mutation."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    names = [mutation.name for mutation in TABLE]
    parser.add_argument("--only", choices=names, action="append", metavar="NAME")
    chosen = parser.parse_args().only or names
    mutations = [mutation for mutation in TABLE if mutation.name in chosen]
    began, survived = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Copy(Path(folder).resolve())
        tests = sorted({test for mutation in mutations for test in mutation.tests})
        if failing := copy.failing(tests):
            sys.stdout.write(f"these fail without any mutation: {sorted(failing)}\n")
            return 1
        sys.stdout.write(f"{len(tests)} tests pass with all guards in place\n")
        for mutation in mutations:
            alive = survivors(copy, mutation)
            survived += bool(alive)
            for test in mutation.tests:
                how = "SURVIVES" if test in alive else "killed by"
                sys.stdout.write(f"{mutation.name:36} {how} {test}\n")
            sys.stdout.flush()
    took = time.monotonic() - began
    sys.stdout.write(f"{len(mutations)} mutations, {survived} survived; {took:.0f} s\n")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
