"""A plan's object list as a file of JSON lines that only its owner reads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from s3gc_core.judgement import PlanItem
from s3gc_tui.lines import builtins, json_line

_MOST = 1_000


async def write_plan_file(
    folder: Path, plan_id: str, pages: AsyncIterator[list[PlanItem]]
) -> tuple[Path, int]:
    """Write every object with its evidence to a new file; returns it and how many there are.

    Nothing that exists is replaced or followed. Raises OSError; then, and where it is cancelled,
    no file is left.
    """
    path, descriptor = await asyncio.to_thread(_create, folder, plan_id)
    written = 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            async for page in pages:
                await asyncio.to_thread(file.writelines, _lines(page))
                written += len(page)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, written


def _lines(page: list[PlanItem]) -> list[bytes]:
    found = [builtins(item) for item in page]
    return [json_line(one).encode() + b"\n" for one in found if isinstance(one, dict)]


def _create(folder: Path, plan_id: str) -> tuple[Path, int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for number in range(1, _MOST):
        again = "" if number == 1 else f"-{number}"
        path = folder / f"s3gc-plan-{plan_id}{again}.jsonl"
        try:
            return path, os.open(path, flags, 0o600)
        except FileExistsError:
            continue
    raise FileExistsError(f"{folder} holds {_MOST} lists of this plan")
