"""Files that a dashboard writes on request: JSON lines, new ones only, for their owner only."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterable, Iterable
from io import BufferedWriter
from pathlib import Path

from s3gc_core.errors import S3gcError
from s3gc_tui.display import count
from s3gc_tui.lines import Record, json_line

_TRIES = 1000


class NotSaved(S3gcError):
    """The file could not be written; nothing of it is left."""

    why = "the disk is full, or files cannot be created in this folder"
    next_step = "make room, or start the dashboard in another folder"


async def save_records(
    name: str, what: str, pages: AsyncIterable[Iterable[Record]], *, folder: Path | None = None
) -> str:
    """Write records to `name`.jsonl in a folder (the current one), or `name`-2.jsonl where that
    exists; returns what there is to say about it, `what` being their plural.

    Nothing that exists is replaced or followed. Raises `NotSaved` and what `pages` raise; then,
    and where it is cancelled, no file is left.
    """
    try:
        # Not in a thread: whoever is cancelled meanwhile could not take the new file away.
        path, file = _new_file(folder or Path.cwd(), name)
        written = await _written(path, file, pages)
    except OSError as error:
        raise NotSaved(f"not saved: {error.strerror or type(error).__name__}") from error
    return f"{count(written)} {what} saved to {path}"


async def _written(path: Path, file: BufferedWriter, pages: AsyncIterable[Iterable[Record]]) -> int:
    written = 0
    try:
        with file:
            async for page in pages:
                written += await asyncio.to_thread(_write, file, page)
            await asyncio.to_thread(file.flush)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return written


def _write(file: BufferedWriter, page: Iterable[Record]) -> int:
    lines = [json_line(record).encode("ascii") + b"\n" for record in page]
    file.writelines(lines)
    return len(lines)


def _new_file(folder: Path, name: str) -> tuple[Path, BufferedWriter]:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "s3gc"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for number in range(1, _TRIES):
        path = folder / (f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl")
        try:
            return path, os.fdopen(os.open(path, flags, 0o600), "wb")
        except FileExistsError:
            continue
    raise FileExistsError(f"{_TRIES} files named {stem} are there already")
