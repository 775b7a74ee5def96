"""`python -m tests.cluster`: what is read of a cluster, on two real nodes of Galera and a third.

Needs what apt's mariadb-server brings along: Galera and rsync. What the nodes say, and that they
are asked, is also in the tests that need no cluster (tests/core/databases/test_cluster.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main([str(Path(__file__).with_name("on_nodes.py")), "-v"]))
