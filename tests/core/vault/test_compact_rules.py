"""Which pictures may be stored lossy: each rule by a value, no decoder."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.vault.compact_rules import (
    LEAST_BYTES,
    LONGEST_SIDE,
    MOST_BYTES,
    MOST_PIXELS,
    Seen,
    WhyExact,
    compact_size,
    is_faithful,
    may_be_compact,
    most_bytes,
    why_exact,
)
from s3gc_core.vault.picture_parts import holds_more
from tests.core.vault.photos import exif, jpeg, png, webp

PHOTO = Seen(
    "JPEG",
    "RGB",
    4000,
    3000,
    profile="RGB ",
    profile_bytes=3_000,
    profile_digest="p",
    exif_bytes=9_000,
    exif_digest="e",
    xmp_bytes=4_000,
    xmp_digest="x",
    orientation=6,
)
COPY = msgspec.structs.replace(PHOTO, width=2048, height=1536)
PNG_START = b"\x89PNG\r\n\x1a\n"
WEBP_START = b"RIFF\x10\0\0\0WEBPVP8 "


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"format": "PNG"},
        {"format": "WEBP"},
        {"mode": "L", "profile": "GRAY"},
        {"mode": "P"},
        {"depth": 1},
        {"width": 10_000, "height": 5_000},
        {"profile_bytes": 0, "profile": ""},
        {"exif_bytes": 65_527, "xmp_bytes": 65_504, "profile_bytes": 1 << 20},
        {"orientation": 1},
    ],
)
def test_what_may_be_compact(changes: dict[str, object]) -> None:
    assert why_exact(msgspec.structs.replace(PHOTO, **changes)) is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": "GIF"}, WhyExact.FORMAT),
        ({"format": "MPO"}, WhyExact.FORMAT),
        ({"frames": 2}, WhyExact.ANIMATED),
        ({"frames": 0}, WhyExact.ANIMATED),
        ({"transparent": True}, WhyExact.ALPHA),
        ({"depth": 16}, WhyExact.DEPTH),
        *[({"mode": mode}, WhyExact.COLOURS) for mode in ("CMYK", "YCCK", "LAB", "I", "F", "1")],
        ({"mode": "RGBA"}, WhyExact.COLOURS),
        ({"width": MOST_PIXELS + 1, "height": 1}, WhyExact.BOMB),
        ({"width": 0}, WhyExact.BOMB),
        ({"height": -5}, WhyExact.BOMB),
        ({"profile": "CMYK"}, WhyExact.PROFILE),
        ({"profile": ""}, WhyExact.PROFILE),
        ({"mode": "L"}, WhyExact.PROFILE),
        ({"profile_bytes": (1 << 20) + 1}, WhyExact.PROFILE),
        ({"exif_bytes": 65_528}, WhyExact.METADATA),
        ({"xmp_bytes": 65_505}, WhyExact.METADATA),
    ],
)
def test_what_a_jpeg_cannot_carry_stays_exact(changes: dict[str, object], why: WhyExact) -> None:
    assert why_exact(msgspec.structs.replace(PHOTO, **changes)) is why


@pytest.mark.parametrize(
    ("seen", "copy"),
    [
        (PHOTO, COPY),
        (msgspec.structs.replace(PHOTO, format="PNG", mode="P"), COPY),
        (msgspec.structs.replace(PHOTO, mode="L"), msgspec.structs.replace(COPY, mode="L")),
    ],
)
def test_a_copy_with_all_that_is_not_pixels_is_faithful(seen: Seen, copy: Seen) -> None:
    assert is_faithful(seen, copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "PNG"},
        {"mode": "L"},
        {"mode": "CMYK"},
        {"frames": 2},
        {"depth": 16},
        {"width": 2047},
        {"height": 1535},
        {"width": 4000, "height": 3000},
        {"orientation": 1},
        {"profile_digest": ""},
        {"exif_digest": ""},
        {"xmp_digest": "other"},
    ],
)
def test_a_copy_that_lost_something_is_not(changes: dict[str, object]) -> None:
    assert not is_faithful(PHOTO, msgspec.structs.replace(COPY, **changes))


@pytest.mark.parametrize(
    ("size", "copy"),
    [
        ((1, 1), (1, 1)),
        ((2048, 2048), (2048, 2048)),
        ((2049, 2048), (2048, 2047)),
        ((4000, 3000), (2048, 1536)),
        ((3000, 4000), (1536, 2048)),
        ((50_000, 10), (2048, 1)),
        ((6000, 4000), (2048, 1365)),
    ],
)
def test_the_size_of_a_copy(size: tuple[int, int], copy: tuple[int, int]) -> None:
    assert compact_size(*size) == copy


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_a_copy_is_never_larger_and_never_empty(width: int, height: int) -> None:
    small = compact_size(width, height)
    assert 1 <= small[0] <= min(width, LONGEST_SIDE)
    assert 1 <= small[1] <= min(height, LONGEST_SIDE)
    assert compact_size(*small) == small


def test_thirty_per_cent() -> None:
    assert [most_bytes(exact) for exact in (0, 1, 10, 99, 100, 1_000_000)] == [
        0, 0, 7, 69, 70, 700_000,
    ]  # fmt: skip


def test_what_is_looked_at_at_all() -> None:
    for head in (b"\xff\xd8\xff\xe0", PNG_START, WEBP_START):
        assert may_be_compact(head, LEAST_BYTES)
        assert may_be_compact(head, MOST_BYTES)
        assert not may_be_compact(head, LEAST_BYTES - 1)
        assert not may_be_compact(head, MOST_BYTES + 1)
        assert not may_be_compact(head, None)
    for head in (b"", b"GIF89a", b"\xff\xd8", b"BM", b"RIFF\0\0\0\0WAVE", b"II*\0", b"%PDF"):
        assert not may_be_compact(head, LEAST_BYTES)


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + bytes(4)


def inside(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with these chunks behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def segment(data: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with this segment before all others."""
    return data[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


JPEG, PNG, WEBP = jpeg(exif=exif(), comment=b"words", progressive=True), png(), webp()
XMP = b"http://ns.adobe.com/xap/1.0/\0<x/>"


@pytest.mark.parametrize(
    "data",
    [
        JPEG,
        jpeg("L"),
        jpeg(icc_profile=random.Random(1).randbytes(150_000), xmp=b"<x/>"),
        segment(JPEG, 0xE1, XMP),
        PNG,
        png("P"),
        png("RGBA"),
        inside(PNG, chunk(b"sRGB", b"\0"), chunk(b"gAMA"), chunk(b"cHRM"), chunk(b"pHYs")),
        inside(PNG, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")),
        WEBP,
        webp(exif=exif(), icc_profile=b"1", xmp=b"<x/>"),
    ],
)
def test_files_of_nothing_but_what_is_carried_over(data: bytes) -> None:
    assert not holds_more(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        JPEG + b"a film of a phone",
        JPEG[:-1],
        JPEG[:400] + b"\xff\xd9",
        segment(JPEG, 0xED, b"Photoshop 3.0\x008BIM"),
        segment(JPEG, 0xE2, b"MPF\0"),
        segment(JPEG, 0xE1, b"http://ns.adobe.com/xmp/extension/\0"),
        segment(segment(JPEG, 0xE1, XMP), 0xE1, XMP),
        segment(JPEG, 0xEB, b"HDR"),
        segment(JPEG, 0xC9, b""),  # arithmetic coding
        PNG + b"\0",
        PNG[:-12],
        PNG[:-20] + b"\0\0\0\0IEND\xaeB`\x82",
        inside(PNG, chunk(b"tEXt", b"parameters\0a cat")),
        inside(PNG, chunk(b"zTXt", b"Raw profile type exif\0")),
        inside(PNG, chunk(b"iTXt", b"Title\0\0\0\0\0words")),
        inside(PNG, chunk(b"cICP", b"\x09\x10\0\1")),
        inside(PNG, chunk(b"gAMA", b"\0\1\x86\xa0")),
        inside(PNG, chunk(b"cHRM")),
        inside(PNG, chunk(b"caBX", b"provenance")),
        WEBP + b"\0\0",
        WEBP[:-2],
        WEBP[:4] + (len(WEBP) + 2).to_bytes(4, "little") + WEBP[8:] + b"XTRA\2\0\0\0hi",
    ],
)
def test_what_a_new_jpeg_would_lose_is_found(data: bytes) -> None:
    assert holds_more(data)


@given(st.sampled_from([b"\xff\xd8\xff", PNG_START, b"RIFF\x10\0\0\0WEBP"]), st.binary())
def test_no_structure_breaks_it(head: bytes, tail: bytes) -> None:
    assert holds_more(head + tail) in (True, False)
