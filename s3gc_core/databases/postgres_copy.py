"""The rows of one `COPY ... TO STDOUT`, taken from the stream many at a time.

A cursor makes an object of every row and waits for the server page by page; most of a long read
goes there. The format is COPY's own text (PostgreSQL manual, "COPY", "Text Format").
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import asyncpg
from asyncpg.protocol import NO_TIMEOUT

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

# A result column as the server sent it: text, or NULL.
Column = list[str | None]

# Pieces (of about 256 KiB) that may wait; then the server waits.
_PIECES = 4
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MEANINGS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_NULL = "\\N"


class CopyRows:
    """The result of a query with `width` columns, all of them text or whole numbers.

    Until it was read to its end, or left, nobody else may use the connection.
    """

    def __init__(self, connection: Connection, query: str, width: int) -> None:
        self._width = width
        self._columns: list[Column] = [[] for _ in range(width)]
        self._rest = b""
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_PIECES)
        self._ended = self._left = False
        # Without any limit for the whole: who fetches limits each page.
        copying = connection.copy_from_query(query, output=self._take, timeout=NO_TIMEOUT)  # type: ignore[arg-type]
        self._copying = asyncio.ensure_future(copying)
        self._copying.add_done_callback(self._done)

    async def fetch(self, count: int) -> list[Column]:
        """The next `count` rows by columns; fewer only at the end of the result.

        Raises the driver's errors, and `UnicodeDecodeError`.
        """
        while len(self._columns[0]) < count and not self._ended:
            piece = await self._next_piece()
            if piece is not None:
                self._parse(self._rest + piece)
            elif self._rest:
                raise _out_of_step()
        page = [column[:count] for column in self._columns]
        for column in self._columns:
            del column[:count]
        return page

    async def fetch_lines(self, least: int) -> bytes:
        """The next rows as they came, a line each: `least` bytes or more, fewer only at the end.

        Not to be mixed with `fetch`. Raises what `fetch` raises.
        """
        pieces, size, has_end = [self._rest], len(self._rest), False
        self._rest = b""
        while (size < least or not has_end) and (piece := await self._next_piece()) is not None:
            pieces.append(piece)
            size += len(piece)
            has_end = has_end or b"\n" in piece
        data = b"".join(pieces)
        if data and not data.endswith(b"\n"):
            end = data.rfind(b"\n") + 1
            data, self._rest = data[:end], data[end:]
            if self._ended:
                raise _out_of_step()
        # As strict as where all values are made; how wide rows are is looked at with each one made.
        if not data.isascii():
            data.decode()
        return data

    async def leave(self, cancel: Callable[[], Awaitable[None]]) -> None:
        """End the read wherever it is; `cancel` makes the server stop. Raises what `cancel` raises.

        The driver's own way of cancelling a COPY may leave the connection in no state at all.
        """
        self._left = True
        # What waits for room goes on, and what comes is thrown away.
        self._room.release()
        if not self._copying.done():
            await cancel()
        await asyncio.gather(self._copying, return_exceptions=True)

    async def _next_piece(self) -> bytes | None:
        """What came next; None at the end of the result."""
        if self._ended:
            return None
        piece = await self._pieces.get()
        if piece is None:
            await self._copying
            self._ended = True
        else:
            self._room.release()
        return piece

    def _done(self, copying: asyncio.Future[str]) -> None:
        if not copying.cancelled():
            # Looked at, even where nobody asks any more.
            copying.exception()
        self._pieces.put_nowait(None)

    async def _take(self, piece: bytes) -> None:
        if not self._left:
            await self._room.acquire()
            self._pieces.put_nowait(piece)

    def _parse(self, data: bytes) -> None:
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if not end:
            return
        for column, more in zip(self._columns, columns_of(data[:end], self._width), strict=True):
            column += more


def columns_of(lines: bytes, width: int) -> list[Column]:
    """The rows that whole lines of COPY stand for, by columns.

    Raises `UnicodeDecodeError`, and the driver's error where they are no rows of this width.
    """
    text = lines[:-1].decode()
    # Neither a tab nor a line break stands for itself inside of a value.
    values: Column = text.replace("\n", "\t").split("\t")  # type: ignore[assignment]
    if len(values) != (text.count("\n") + 1) * width:
        raise _out_of_step()
    if "\\" in text:
        values = [_meant(value) for value in values]
    return [values[place::width] for place in range(width)]


def _meant(value: str | None) -> str | None:
    if value is None or "\\" not in value:
        return value
    return None if value == _NULL else _ESCAPE.sub(_character, value)


def _character(escape: re.Match[str]) -> str:
    return _MEANINGS.get(escape[1], escape[1])


def _out_of_step() -> asyncpg.InternalClientError:
    return asyncpg.InternalClientError("the server sent something else than rows of this width")
