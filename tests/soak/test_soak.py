"""A sample of the soak on each engine: 20,000 events in all, and nothing is lost.

The long run is `python -m tests.soak --events N --engine postgres|mariadb`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from s3gc_core.config import Config
from tests.servers.app_database import AppDatabase
from tests.soak.oracle import Fate
from tests.soak.soak import Soak, soaked_config

# On each of two engines.
EVENTS, EXECUTIONS, KEYS = 10_000, 2, 200


async def test_nothing_in_use_is_lost(
    bucket_config: Config, app_database: AppDatabase, tmp_path: Path
) -> None:
    config = soaked_config(bucket_config, app_database.url)
    soak = Soak(config, app_database, tmp_path, keys=KEYS, seed=1)
    outcome = await soak.run(events=EVENTS, executions=EXECUTIONS)
    sys.stdout.write("\n".join(outcome.lines()) + "\n")
    assert outcome.lost == {}
    assert outcome.lost_at_last == {}
    assert outcome.met.wrong == []
    # A sample that shows too little proves too little.
    assert outcome.events.total() >= EVENTS
    assert outcome.scans >= EXECUTIONS
    assert outcome.deletions >= EXECUTIONS
    assert outcome.met.window.total() >= EXECUTIONS
    assert outcome.met.fates[Fate.BROUGHT_BACK] >= 1
    assert Fate.MISSING not in outcome.met.fates
    assert outcome.asked_at_last > 0
