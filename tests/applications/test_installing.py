"""An installation is made once, whole, and by one process at a time."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from s3gc_core.database_url import Engine
from tests.applications import WORDPRESS, filled
from tests.applications.installing import CommandFailedError, install, run


async def test_two_that_want_the_same_make_it_once(tmp_path: Path) -> None:
    made: list[Path] = []

    async def make(folder: Path) -> None:
        made.append(folder)
        await run(sys.executable, "-c", "import time; time.sleep(0.2)")
        (folder / "program").write_text("whole")

    async def want() -> str:
        return ((await install(tmp_path, "it", ["it==1"], make)) / "program").read_text()

    for program in await asyncio.gather(want(), want()):
        assert program == "whole"
    assert len(made) == 1


async def test_another_version_is_another_folder(tmp_path: Path) -> None:
    async def make(folder: Path) -> None:
        (folder / "program").touch()

    folders = [await install(tmp_path, "it", [f"it=={number}"], make) for number in (1, 2, 1)]
    assert folders[0] == folders[2] != folders[1]


async def test_a_half_made_installation_is_made_anew(tmp_path: Path) -> None:
    async def fail(folder: Path) -> None:
        (folder / "half").touch()
        await run(sys.executable, "-c", "import sys; sys.exit('no such package')")

    async def make(folder: Path) -> None:
        (folder / "program").touch()

    with pytest.raises(CommandFailedError, match=r"exited with 1:\nno such package"):
        await install(tmp_path, "it", ["it==1"], fail)
    folder = await install(tmp_path, "it", ["it==1"], make)
    assert {path.name for path in folder.iterdir()} == {"program", "installed"}


async def test_an_engine_an_application_cannot_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="wordpress is filled on mysql, not on sqlite"):
        async with filled(WORDPRESS, Engine.SQLITE, tmp_path):
            pass
