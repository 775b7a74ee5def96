"""JPEG as JPEG XL and back, byte for byte (ISO 18181-2, annex A: reconstruction of the file).

libjxl, by imagecodecs, which is an extra. It saves 16 to 22 %, and one JPEG in 500 that it encodes
does not come back (vault notes, section 2): nothing is used that was not decoded and compared.
For threads: both directions release the GIL, are one call for the whole file, and wait for room.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from s3gc_core.errors import CodecMissing
from s3gc_core.vault.failures import BackupDamaged
from s3gc_core.vault.jpeg_header import has_few_scans, pixels_of

CODEC = "jxl"
# Bytes: an object is held whole, beside what it is encoded to.
MOST_BYTES = 32 << 20
# Encoding takes 15 to 30 MB for a million pixels (measured; vault notes, section 2), so these, of
# all that are encoded at once together, about 700 MB. Larger pictures are stored without it.
MOST_PIXELS = 24_000_000
# Decoding takes about 4 MB for a million pixels, so under 200 MB for these.
_DECODED_AT_ONCE = 2


class _Room:
    """So many pixels at a time; whoever comes while there is no room waits in its thread."""

    def __init__(self, pixels: int) -> None:
        self._free = pixels
        self._changed = threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Room for a picture, until the block ends."""
        with self._changed:
            self._changed.wait_for(lambda: pixels <= self._free)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


_room = _Room(MOST_PIXELS)
_decoded_at_once = threading.BoundedSemaphore(_DECODED_AT_ONCE)


def require() -> None:
    """Raise `CodecMissing` where this installation cannot do it."""
    _imagecodecs()


def may_transcode(head: bytes, size: int | None) -> bool:
    """Whether an object of `size` bytes, by its first ones, is a JPEG within the bounds."""
    return size is not None and size <= MOST_BYTES and 0 < pixels_of(head) <= MOST_PIXELS


def transcoded(jpeg: bytes, most: int) -> bytes | None:
    """JPEG XL of at most `most` bytes that decodes to exactly this file; None where none does.

    Raises `CodecMissing`.
    """
    pixels = pixels_of(jpeg)
    if not may_transcode(jpeg, len(jpeg)) or not has_few_scans(jpeg):
        return None
    imagecodecs = _imagecodecs()
    with _room.of(pixels):
        try:
            encoded: bytes = imagecodecs.jpegxl_encode_jpeg(jpeg, numthreads=1)
            if len(encoded) > most or _decoded(imagecodecs, encoded) != jpeg:
                return None
        except (imagecodecs.JpegxlError, ValueError):
            # Four colours, cut, made by hand ...: whatever it is, it is stored another way.
            return None
    return encoded


def reconstructed(encoded: bytes) -> bytes:
    """The JPEG file. Raises `BackupDamaged` where there is none in it, and `CodecMissing`."""
    imagecodecs = _imagecodecs()
    with _decoded_at_once:
        try:
            return _decoded(imagecodecs, encoded)
        except (imagecodecs.JpegxlError, ValueError) as error:
            raise BackupDamaged(f"cannot be decoded: {error}") from error


def _decoded(imagecodecs: ModuleType, encoded: bytes) -> bytes:
    return bytes(imagecodecs.jpegxl_decode_jpeg(encoded, numthreads=1))


def _imagecodecs() -> ModuleType:
    """Imported only when it is needed: it takes numpy along, and is an extra."""
    try:
        import imagecodecs
    except ImportError as error:
        raise CodecMissing(f"imagecodecs is not installed ({error})") from error
    if not imagecodecs.JPEGXL.available:
        raise CodecMissing("this build of imagecodecs has no JPEG XL")
    return imagecodecs
