"""What a process loads: batch jobs start fast and draw nothing."""

from __future__ import annotations

import json

import pytest

from tests.tui.command_line import CommandLine
from tests.tui.small_world import SmallWorld

# Runs the command line as `python -m s3gc_tui` does, and tells at the end what it had loaded.
RUNNER = """
import json, sys
from s3gc_tui.__main__ import main
code = 1
try:
    code = main()
finally:
    with open("modules.json", "w") as file:
        json.dump(sorted({name.partition(".")[0] for name in sys.modules}), file)
sys.exit(code)
"""


async def loaded(cli: CommandLine, *arguments: str, code: int = 0) -> set[str]:
    """The packages that a whole run of s3gc had loaded when it ended."""
    process = await cli.start_python("-c", RUNNER, *arguments)
    _, complaints = await process.communicate()
    assert process.returncode == code, complaints.decode()
    found: list[str] = json.loads((cli.folder / "modules.json").read_text())
    assert "s3gc_core" in found
    return set(found)


@pytest.mark.parametrize("command", ["scan", "run", "status"])
async def test_batch_loads_neither_textual_nor_rich(small: SmallWorld, command: str) -> None:
    assert await loaded(small.cli, "--batch", command) & {"rich", "textual", "PIL"} == set()


async def test_a_failed_batch_job_does_not_either(alone: CommandLine) -> None:
    assert await loaded(alone, "--batch", "status", code=2) & {"rich", "textual", "PIL"} == set()


async def test_by_hand_it_loads_rich_and_no_pictures(small: SmallWorld) -> None:
    """Shows that the other tests would see it."""
    assert await loaded(small.cli, "status") & {"rich", "PIL"} == {"rich"}


FIRST_PAINT = """
import json, sys
import s3gc_tui.__main__, s3gc_tui.app, s3gc_tui.dashboard
with open("modules.json", "w") as file:
    json.dump(sorted(sys.modules), file)
"""


async def test_the_first_paint_waits_for_no_client(alone: CommandLine) -> None:
    """What opens vault, bucket and databases is imported behind the painted frame."""
    process = await alone.start_python("-c", FIRST_PAINT)
    _, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    found = set(json.loads((alone.folder / "modules.json").read_text()))
    assert {"textual.app", "s3gc_tui.screens.opening", "s3gc_core.config_file"} <= found
    late = {
        "aiobotocore",
        "asyncpg",
        "aiomysql",
        "aiosqlite",
        "PIL",
        "zstandard",
        "ulid",
        "msgspec",
    }
    late |= {"s3gc_core.collector", "s3gc_core.judgement", "s3gc_core.vault", "s3gc_core.bucket"}
    late |= {"s3gc_core.jobs", "s3gc_tui.gateway", "s3gc_tui.keymap"}
    assert found & late == set()
