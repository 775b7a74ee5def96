"""Files that the dashboard writes: new ones, for their owner, whole or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.errors import VaultUnreachable
from s3gc_tui.lines import Record
from s3gc_tui.saving import NotSaved, save_records


async def pages(*keys: str) -> AsyncIterator[list[Record]]:
    for key in keys:
        yield [{"type": "object", "key": key, "text": "for people"}]


async def save(folder: Path, *keys: str) -> str:
    return await save_records("s3gc-list", "objects", pages(*keys), folder=folder)


async def test_each_goes_to_a_file_of_its_own(tmp_path: Path) -> None:
    first, second = tmp_path / "s3gc-list.jsonl", tmp_path / "s3gc-list-2.jsonl"
    assert await save(tmp_path, "a", "\x1b[2J\udcff") == f"2 objects saved to {first}"
    assert await save(tmp_path, "b") == f"1 objects saved to {second}"
    assert set(tmp_path.iterdir()) == {first, second}
    assert [path.stat().st_mode & 0o777 for path in (first, second)] == [0o600, 0o600]
    assert [json.loads(text) for text in first.read_text("ascii").splitlines()] == [
        {"type": "object", "key": "a"},
        {"type": "object", "key": "\x1b[2J\udcff"},
    ]


async def test_what_is_there_is_neither_replaced_nor_followed(tmp_path: Path) -> None:
    there, elsewhere = tmp_path / "s3gc-list.jsonl", tmp_path / "elsewhere"
    there.symlink_to(elsewhere)
    await save(tmp_path, "a")
    assert not elsewhere.exists()
    assert there.is_symlink()
    assert (tmp_path / "s3gc-list-2.jsonl").exists()


async def test_a_name_stays_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    await save_records("../../etc/x\x1b[2J", "objects", pages("a"), folder=folder)
    assert [path.name for path in folder.iterdir()] == ["etc-x-2J.jsonl"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


async def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(NotSaved, match="No such file or directory"):
        await save(tmp_path / "nowhere", "a")


async def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[list[Record]]:
        yield [{"type": "object", "key": "a" * 100_000}]
        raise VaultUnreachable("the disk is gone")

    with pytest.raises(VaultUnreachable):
        await save_records("s3gc-list", "objects", broken(), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


async def test_what_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[list[Record]]:
        yield [{"type": "object", "key": "a"}]
        begun.set()
        await asyncio.Event().wait()

    saving = asyncio.create_task(save_records("s3gc-list", "objects", endless(), folder=tmp_path))
    await begun.wait()
    assert len(list(tmp_path.iterdir())) == 1
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert list(tmp_path.iterdir()) == []
