"""Fixtures of the command line's tests: a small world, and s3gc beside it as a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.command_line import CommandLine
from tests.tui.small_world import SmallWorld, furnish
from tests.world import World


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """s3gc in an empty folder, with no configuration."""
    folder = tmp_path / "operator"
    folder.mkdir()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(folder, {"AWS_EC2_METADATA_DISABLED": "true"})


@pytest.fixture
async def small(sqlite_world: World, alone: CommandLine) -> SmallWorld:
    """A bucket with used, orphaned and protected objects, nothing scanned yet."""
    await furnish(sqlite_world)
    small = SmallWorld(sqlite_world, alone)
    small.write_config()
    return small
