"""Which pictures may be stored lossy, and as what: pure, from what was seen in one.

A compact copy is a JPEG of at most 2048 pixels a side. Whatever a JPEG cannot carry keeps the
picture exact: doubt loses nothing (vault notes, section 2).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from s3gc_core.vault.picture_parts import is_jpeg, is_png, is_webp

# Bytes. Smaller ones save little (18 % under 20 kB, and a third gets bigger; measured, vault
# notes), and each takes two processes; larger ones would have to be held in memory.
LEAST_BYTES = 20_000
MOST_BYTES = 32 << 20
# More is taken for a bomb, and never decoded.
MOST_PIXELS = 50_000_000
# The longest side of a compact copy, in pixels, and the quality of its JPEG.
LONGEST_SIDE = 2048
QUALITY = 80
# The share that must be saved, in hundredths.
MIN_SAVED = 30
# What a JPEG holds of EXIF and of XMP, each in one segment (EXIF 2.32, 4.7.2; XMP part 3, 1.1.3).
_MOST_EXIF = 65_527
_MOST_XMP = 65_504
# A JPEG holds 255 segments of a profile (ICC.1, annex B.4); one of this size is none of a camera.
_MOST_PROFILE = 1 << 20

_FORMATS = frozenset({"JPEG", "PNG", "WEBP"})
_CALLED = frozenset({"jpg", "jpeg", "jpe", "jfif", "png", "webp"})
# Pillow's names of what is 8 bits deep, opaque, and grey or red, green and blue.
_PROFILES = {"L": "GRAY", "P": "RGB ", "RGB": "RGB "}


class WhyExact(StrEnum):
    """Why a picture is stored exactly."""

    NO_PICTURE = "it is no picture that can be read"
    FORMAT = "only JPEG, PNG and WebP are stored compact"
    BOMB = "it has too many pixels"
    ANIMATED = "it has several frames"
    ALPHA = "it can be seen through"
    COLOURS = "its colours are not grey or RGB"
    DEPTH = "it has more than 8 bits"
    PROFILE = "its colour profile is odd"
    METADATA = "a JPEG cannot carry its metadata"
    LIMIT = "its decoder ended early: it wanted too much time or memory"
    UNFAITHFUL = "the compact copy lost something besides pixels"
    SAVES_LITTLE = "less than 30 % would be saved"


class Seen(msgspec.Struct, frozen=True):
    """What the decoder saw in a picture. `mode` is Pillow's; sides in pixels, `depth` in bits.

    `profile` is the colour space that the ICC profile is for, as it writes it; empty without one.
    Digests are SHA-256 in hex, empty where there is nothing; the others are bytes. `orientation` is
    EXIF's (1: upright).
    """

    format: str
    mode: str
    width: int
    height: int
    depth: int = 8
    frames: int = 1
    transparent: bool = False
    profile: str = ""
    profile_bytes: int = 0
    profile_digest: str = ""
    exif_bytes: int = 0
    exif_digest: str = ""
    xmp_bytes: int = 0
    xmp_digest: str = ""
    orientation: int = 1


def may_be_compact(head: bytes, size: int | None) -> bool:
    """Whether an object of `size` bytes is, by its first ones, worth a decoder's look."""
    if size is None or not LEAST_BYTES <= size <= MOST_BYTES:
        return False
    return is_jpeg(head) or is_png(head) or is_webp(head)


def may_be_lossy(size: int) -> bool:
    """Whether an object of `size` bytes, were it a picture, could be stored compact."""
    return LEAST_BYTES <= size <= MOST_BYTES


def is_called_picture(key: str) -> bool:
    """Whether a key ends as those of pictures do. What does not may be one all the same."""
    return key.rpartition(".")[2].lower() in _CALLED


def why_exact(seen: Seen) -> WhyExact | None:
    """Why a picture must stay exact; None where a compact copy may be tried."""
    if seen.format not in _FORMATS:
        return WhyExact.FORMAT
    if seen.width < 1 or seen.height < 1 or seen.width * seen.height > MOST_PIXELS:
        return WhyExact.BOMB
    if seen.frames != 1:
        return WhyExact.ANIMATED
    if seen.transparent:
        return WhyExact.ALPHA
    if seen.depth > 8:
        return WhyExact.DEPTH
    if seen.mode not in _PROFILES:
        return WhyExact.COLOURS
    if seen.profile_bytes and (
        seen.profile != _PROFILES[seen.mode] or seen.profile_bytes > _MOST_PROFILE
    ):
        return WhyExact.PROFILE
    if seen.exif_bytes > _MOST_EXIF or seen.xmp_bytes > _MOST_XMP:
        return WhyExact.METADATA
    return None


def compact_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the compact copy: the same proportions, and never larger."""
    longest = max(width, height)
    if longest <= LONGEST_SIDE:
        return width, height
    return (
        max(1, (width * LONGEST_SIDE + longest // 2) // longest),
        max(1, (height * LONGEST_SIDE + longest // 2) // longest),
    )


def most_bytes(exact: int) -> int:
    """How many bytes a compact copy may have where the picture takes `exact` without loss."""
    return exact * (100 - MIN_SAVED) // 100


def is_faithful(seen: Seen, copy: Seen) -> bool:
    """Whether a compact copy is the JPEG that was promised, with all that is not pixels."""
    return (
        (copy.format, copy.frames, copy.depth) == ("JPEG", 1, 8)
        and (copy.width, copy.height) == compact_size(seen.width, seen.height)
        and copy.mode == ("L" if seen.mode == "L" else "RGB")
        and copy.orientation == seen.orientation
        and copy.profile_digest == seen.profile_digest
        and copy.exif_digest == seen.exif_digest
        and copy.xmp_digest == seen.xmp_digest
    )
