"""Has a picture decoded by a process of its own, which is killed where it takes too long."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

SECONDS = 10.0
# More than any grid on a terminal takes.
MOST_CELLS = 400
_DECODER = Path(__file__).with_name("decoder.py")
_LONGEST_WHY = 200


@dataclass(frozen=True, slots=True)
class Decoded:
    """A small grid of RGB bytes, row by row, of a picture of `width` by `height` pixels."""

    format: str
    width: int
    height: int
    columns: int
    rows: int
    grid: bytes

    def pixel(self, column: int, row: int) -> tuple[int, int, int]:
        """Red, green and blue; black below the last row."""
        if row >= self.rows:
            return 0, 0, 0
        at = (row * self.columns + column) * 3
        red, green, blue = self.grid[at : at + 3]
        return red, green, blue


@dataclass(frozen=True, slots=True)
class NotDecoded:
    """No picture. `why` is empty where it is none of a kind that is decoded here."""

    why: str


class _Head(msgspec.Struct):
    why: str | None = None
    format: str = ""
    width: int = 0
    height: int = 0
    columns: int = 0
    rows: int = 0


async def decode(
    data: bytes, columns: int, rows: int, *, seconds: float = SECONDS
) -> Decoded | NotDecoded:
    """A grid of at most so many pixels. Never raises for what the picture holds."""
    if not data:
        return NotDecoded("it is empty (0 bytes)")
    columns, rows = (min(MOST_CELLS, max(1, wanted)) for wanted in (columns, rows))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_DECODER),
        str(columns),
        str(rows),
        env={},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(seconds):
            told, _ = await process.communicate(data)
    except TimeoutError:
        return NotDecoded(f"decoding took longer than {seconds:g} s")
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return _understood(told, columns, rows)


def _understood(told: bytes, columns: int, rows: int) -> Decoded | NotDecoded:
    """What the decoder said; whatever a picture made of it is believed in nothing but colours."""
    first, _, grid = told.partition(b"\n")
    try:
        head = msgspec.json.decode(first, type=_Head)
    except msgspec.DecodeError:
        return NotDecoded("the decoder ended without a word: it wanted too much time or memory")
    if head.why is not None:
        return NotDecoded(head.why[:_LONGEST_WHY])
    fits = 0 < head.columns <= columns and 0 < head.rows <= rows
    if not fits or len(grid) != head.columns * head.rows * 3:
        return NotDecoded("the decoder's answer is not complete")
    return Decoded(head.format, head.width, head.height, head.columns, head.rows, grid)
