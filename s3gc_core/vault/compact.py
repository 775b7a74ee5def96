"""Pictures stored LOSSY: smaller copies, made and looked at by processes that may die.

Only where the operator asked for it and acknowledged it (`images = "compact"`). What comes back is
another file than the object was; `compact_rules` says for which pictures that may be. For threads:
every call starts a process, waits for its turn, and waits for it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from s3gc_core.errors import CodecMissing
from s3gc_core.vault.compact_rules import (
    MOST_PIXELS,
    QUALITY,
    Seen,
    WhyExact,
    compact_size,
    is_faithful,
    may_be_compact,
    why_exact,
)
from s3gc_core.vault.failures import BackupDamaged
from s3gc_core.vault.picture_parts import holds_more

T = TypeVar("T")

# What a decoder gets at most: address space (bytes), processor time and time (seconds). A picture
# of `MOST_PIXELS` took 360 MB and 1.5 s of processor time (measured, 49 megapixels).
MEMORY_BYTES = 1 << 30
CPU_SECONDS = 20
SECONDS = 60.0
_AT_ONCE = threading.BoundedSemaphore(2)
_DECODER = Path(__file__).with_name("compact_decoder.py")
_LONGEST_LINE = 64 << 10
_WHY = {"bomb": WhyExact.BOMB, "memory": WhyExact.LIMIT, "broken": WhyExact.NO_PICTURE}


@dataclass(frozen=True, slots=True)
class Compact:
    """A compact copy: a JPEG of `width` by `height` pixels."""

    data: bytes
    width: int
    height: int


class _Told(msgspec.Struct):
    """A line of the decoder's. `size`: bytes of the copy that follow it."""

    why: str | None = None
    size: int = 0


class _NoWord(Exception):
    """The decoder ended without an answer, or was killed."""


def require_compact() -> None:
    """Raise `CodecMissing` where this installation cannot do it."""
    if find_spec("PIL") is None:
        raise CodecMissing(
            "Pillow is not installed",
            why='images = "compact" takes a decoder of pictures',
            next_step="pip install pillow, then run again",
        )


def compacted(picture: bytes, most: int) -> Compact | WhyExact:
    """A compact copy of at most `most` bytes; or why the picture has to stay exact."""
    if not may_be_compact(picture, len(picture)):
        return WhyExact.FORMAT
    if holds_more(picture):
        return WhyExact.METADATA
    try:
        with _decoder(picture) as decoder:
            seen = decoder.seen()
            if isinstance(seen, WhyExact):
                return seen
            if why := why_exact(seen):
                return why
            return _shrunk(decoder, seen, most)
    except _NoWord:
        return WhyExact.LIMIT


def refuse_unlike(copy: bytes, width: int, height: int) -> None:
    """Decode a compact copy once more. Raises `BackupDamaged` where it is not the JPEG of
    that size that was recorded.
    """
    try:
        with _decoder(copy) as decoder:
            seen = decoder.seen()
            if isinstance(seen, Seen):
                decoder.ask("")
                why = decoder.told()[1].why
                if why is None and (seen.format, seen.width, seen.height) == (
                    "JPEG",
                    width,
                    height,
                ):
                    return
    except _NoWord:
        pass
    raise BackupDamaged(f"the compact copy is no JPEG of {width} by {height} pixels")


def _shrunk(decoder: _Decoder, seen: Seen, most: int) -> Compact | WhyExact:
    width, height = compact_size(seen.width, seen.height)
    decoder.ask(f"{width} {height} {QUALITY}")
    line, told = decoder.told()
    if told.why is not None:
        return _WHY.get(told.why, WhyExact.NO_PICTURE)
    if told.size > most:
        return WhyExact.SAVES_LITTLE
    copy = _decoded(line, Seen)
    if not is_faithful(seen, copy):
        return WhyExact.UNFAITHFUL
    return Compact(decoder.taken(told.size), width, height)


class _Decoder:
    """A process that looks at one picture: `seen`, then `ask`, then `told` and `taken`."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink

    def seen(self) -> Seen | WhyExact:
        """What is in the picture, or why nothing is."""
        line, told = self.told()
        if told.why is not None:
            return _WHY.get(told.why, WhyExact.NO_PICTURE)
        return _decoded(line, Seen)

    def ask(self, line: str) -> None:
        """Ask for a copy (see `compact_decoder`), or with "" for all pixels to be decoded."""
        with suppress(BrokenPipeError):  # told by the answer that does not come
            self._sink.write(line.encode() + b"\n")
            self._sink.flush()

    def told(self) -> tuple[bytes, _Told]:
        """The next line. Raises `_NoWord`."""
        line = self._source.readline(_LONGEST_LINE)
        return line, _decoded(line, _Told)

    def taken(self, size: int) -> bytes:
        """The copy. Raises `_NoWord` where there is less of it."""
        data = self._source.read(size)
        if len(data) != size:
            raise _NoWord
        return data


@contextmanager
def _decoder(picture: bytes) -> Iterator[_Decoder]:
    """A decoder that was given the picture, and is gone when the block ends."""
    limits = [str(limit) for limit in (MEMORY_BYTES, CPU_SECONDS, MOST_PIXELS)]
    with (
        _AT_ONCE,
        subprocess.Popen(
            [sys.executable, "-I", str(_DECODER), *limits],
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
    ):
        source, sink = process.stdout, process.stdin
        if source is None or sink is None:
            raise _NoWord
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            with suppress(BrokenPipeError):  # it is gone: told by the answer that does not come
                sink.write(len(picture).to_bytes(8, "big"))
                sink.write(picture)
                sink.flush()
            yield _Decoder(source, sink)
        finally:
            timer.cancel()
            process.kill()
            with suppress(BrokenPipeError):
                sink.close()


def _decoded(line: bytes, type_: type[T]) -> T:
    """A line of a process that a picture may have taken over: only its types are believed."""
    try:
        return msgspec.json.decode(line, type=type_)
    except msgspec.DecodeError:
        raise _NoWord from None
