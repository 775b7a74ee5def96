"""A sample of the machine's worlds: 0 wrong deletions, 0 keeps that the model cannot explain.

The full run is `python -m tests.model --operations 1000000 --seed N [--engine postgres]`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from s3gc_tui.demo.seaweed import SeaweedServer
from tests.model.ground import sqlite_in
from tests.model.machine import operations, run_worlds
from tests.model.standing import ground_on

OPERATIONS = 20_000
# Worlds at a time.
WORLDS = 3


async def test_what_is_deleted_is_exact(seaweed: SeaweedServer, tmp_path: Path) -> None:
    counts = await asyncio.to_thread(_run, seaweed, tmp_path)
    # A sample that shows too little proves too little.
    assert counts["= deleted"] > 50
    few = {kind for kind in SHOWN if not counts[kind]}
    assert not few, few


def _run(seaweed: SeaweedServer, folder: Path) -> dict[str, int]:
    with asyncio.Runner() as runner:
        stack = ground_on(seaweed, sqlite_in(folder), folder)
        ground = runner.run(stack.__aenter__())
        try:
            number = 1
            while operations(ground) < OPERATIONS:
                run_worlds(ground, runner, number, WORLDS)
                number += 1
        finally:
            runner.run(stack.__aexit__(None, None, None))
        return ground.counts


SHOWN = {
    *("insert", "link", "link in another spelling", "unlink", "move from", "move to"),
    *("delete row", "transaction rolled back", "upload", "overwrite", "multipart upload", "remove"),
    *("upload the same again", "approve", "reject", "execute", "restore", "restore to a folder"),
    *("link at the last moment", "overwrite at the last moment", "= keep", "= orphan", "= held"),
    *("= kept", "= changed", "= restored", "kept at the last moment: referenced"),
}
