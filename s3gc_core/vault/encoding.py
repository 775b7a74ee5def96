"""Encoding of backups: as they are, one zstd frame that any `zstd -d` can read, or JPEG XL.

Plain synchronous code for callers' threads; zstandard and hashlib release the GIL meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Literal, Protocol, cast

import zstandard

from s3gc_core.vault import jpegxl
from s3gc_core.vault.compact_rules import most_bytes
from s3gc_core.vault.failures import BackupDamaged
from s3gc_core.vault.frames import FrameEnd
from s3gc_core.vault.records import COMPACT

StoredCodec = Literal["raw", "zstd"]

# How much of an object is looked at to choose its codec (the first MiB).
PROBE_BYTES = 1 << 20
# A gain below this share is not worth a codec: photographs, video, archives (vault notes, 1).
MIN_GAIN = 0.03
# How much is decoded at a time.
DECODE_CHUNK = 1 << 20
_PIECE = 1 << 20
_PROBE_LEVEL = 1
# The most that an encoder looks back (2 MiB, as a power of two): at level 19 it then takes 25 MB
# instead of 81, and 0.3 % more space; level 22 would take 641 MB (measured, 12 MB of text).
_WINDOW = 21


def choose_codec(sample: bytes) -> StoredCodec:
    """`zstd` where level 1 saves at least 3 % of the sample, else `raw`.

    The bytes decide, never the key's extension. Only the first `PROBE_BYTES` are looked at.
    """
    head = memoryview(sample)[:PROBE_BYTES]
    squeezed = len(_probe(head))
    return "zstd" if squeezed <= len(head) * (1 - MIN_GAIN) else "raw"


def most_as_jpegxl(jpeg: bytes) -> int:
    """How many bytes of JPEG XL are worth it: 3 % saved, and no more than zstd would need.

    Where a JPEG shrinks much by zstd it is for its metadata, which JPEG XL may leave as they are.
    """
    squeezed = len(_probe(jpeg))
    return min(int(len(jpeg) * (1 - MIN_GAIN)), squeezed)


def most_as_compact(picture: bytes) -> int:
    """How many bytes a compact copy may have: it must save 30 % of what zstd would leave, too."""
    return most_bytes(min(len(picture), len(_probe(picture))))


def _probe(data: bytes | memoryview) -> bytes:
    return zstandard.ZstdCompressor(level=_PROBE_LEVEL).compress(data)


def parameters(level: int, size: int | None) -> zstandard.ZstdCompressionParameters:
    """zstd's settings of a level for `size` bytes (None: not known), of bounded memory."""
    usual = zstandard.ZstdCompressionParameters.from_level(level, source_size=size or 0)
    return zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=size or 0,
        window_log=min(usual.window_log, _WINDOW),
        chain_log=min(usual.chain_log, _WINDOW + 1),
        hash_log=min(usual.hash_log, _WINDOW),
        write_checksum=True,
    )


class Encoder:
    """Encodes one object, piece by piece, in bounded memory.

    A zstd frame carries the object's size (where `size`, in bytes, is given) and a checksum.
    """

    def __init__(self, codec: StoredCodec, level: int, size: int | None) -> None:
        self._frame: zstandard.ZstdCompressionObj | None = None
        if codec == "zstd":
            compressor = zstandard.ZstdCompressor(compression_params=parameters(level, size))
            self._frame = compressor.compressobj(size=-1 if size is None else size)

    def encode(self, data: bytes | memoryview) -> Iterator[bytes | memoryview]:
        """What may be stored so far, a piece at a time."""
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            piece = view[start : start + _PIECE]
            if encoded := self._frame.compress(piece) if self._frame else piece:
                yield encoded

    def finish(self) -> bytes:
        """The end of the frame. Nothing may be encoded after it."""
        return self._frame.flush() if self._frame else b""


class Source(Protocol):
    """Stored bytes: `read(size)` gives at most `size` bytes, and none at the end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        ...


def decode(source: Source, codec: str) -> Iterator[bytes]:
    """The object's bytes, in chunks of at most `DECODE_CHUNK`, however far the frame expands; of a
    compact copy its own bytes, which are all there is.

    Raises `BackupDamaged` where the stored bytes are not exactly one complete, undamaged frame or
    picture, and `CodecMissing` where this installation cannot know.
    """
    if codec in ("raw", COMPACT):
        while chunk := source.read(DECODE_CHUNK):
            yield chunk
    elif codec == "zstd":
        yield from _decode_frame(source)
    elif codec == jpegxl.CODEC:
        yield from _decode_picture(source)
    else:
        raise BackupDamaged(f"unknown codec {codec!r}")


def _decode_picture(source: Source) -> Iterator[bytes]:
    pieces: list[bytes] = []
    size = 0
    while piece := source.read(DECODE_CHUNK):
        pieces.append(piece)
        size += len(piece)
        if size > jpegxl.MOST_BYTES:
            raise BackupDamaged(f"no picture of ours is larger than {jpegxl.MOST_BYTES} bytes")
    whole = jpegxl.reconstructed(b"".join(pieces))
    for start in range(0, len(whole), DECODE_CHUNK):
        yield whole[start : start + DECODE_CHUNK]


class _Watched:
    """Passes a source on to the decoder, and follows where its frame ends."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.end = FrameEnd()

    def read(self, size: int) -> bytes:
        chunk = self._source.read(size)
        self.end.follow(chunk)
        return chunk


def _decode_frame(source: Source) -> Iterator[bytes]:
    watched = _Watched(source)
    reader = zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", watched), closefd=False)
    try:
        while chunk := reader.read(DECODE_CHUNK):
            yield chunk
        while watched.read(DECODE_CHUNK):
            pass
    except zstandard.ZstdError as error:
        raise BackupDamaged(f"cannot be decoded: {error}") from error
    # The decoder takes a cut frame for a short one, so the end is looked for here.
    if not watched.end.reached:
        raise BackupDamaged("cut short: the zstd frame has no end")
