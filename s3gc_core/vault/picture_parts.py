"""What a picture file is made of, by its structure alone: no decoder, and nothing believed.

Finds what a new JPEG of the picture would lose: text, captions (IPTC), films, second pictures, and
whatever nobody here knows.
"""

from __future__ import annotations

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_XMP_IN_PNG = b"XML:com.adobe.xmp\0"

# Segments of a JPEG before its first scan, by how they begin; a tuple without an entry: any.
_ANY = (b"",)
_SEGMENTS: dict[int, tuple[bytes, ...]] = {
    **dict.fromkeys((0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD), _ANY),  # frames and tables
    0xE0: (b"JFIF\0", b"JFXX\0"),
    0xE1: (b"Exif\0", b"http://ns.adobe.com/xap/1.0/\0"),
    0xE2: (b"ICC_PROFILE\0",),
    0xEE: (b"Adobe",),
    0xFE: _ANY,  # a comment, which is carried over
}
_SCAN = 0xDA
# Chunks of a PNG that carry pixels, or what is carried over, or what only helps to show it; and
# those of transparency and frames, which the decoder tells.
_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND iCCP sRGB eXIf pHYs tIME sBIT bKGD tRNS acTL fcTL fdAT".split()
)
# Of colours, which mean nothing more where the profile, or sRGB, is said as well.
_SAID_TWICE = frozenset({b"gAMA", b"cHRM"})
_RIFF_CHUNKS = frozenset(
    {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF", b"XMP "}
)


def is_jpeg(head: bytes) -> bool:
    """Whether it begins as a JPEG."""
    return head.startswith(_JPEG)


def is_png(head: bytes) -> bool:
    """Whether it begins as a PNG."""
    return head.startswith(_PNG)


def is_webp(head: bytes) -> bool:
    """Whether it begins as a WebP."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def holds_more(data: bytes) -> bool:
    """Whether a file holds more than pixels, profile, EXIF, XMP and a comment, or ends oddly."""
    if is_jpeg(data):
        return _jpeg_holds_more(data)
    if is_png(data):
        return _png_holds_more(data)
    return not is_webp(data) or _webp_holds_more(data)


def _jpeg_holds_more(data: bytes) -> bool:
    # A film of a phone follows its end, or what somebody hid.
    if not data.endswith(b"\xff\xd9"):
        return True
    position = 2
    profiles = xmp = 0
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # filling
            position += 1
            continue
        if marker == _SCAN:
            # A second packet, or more of a profile than one can number, is none that is carried.
            return xmp > 1 or profiles > 255
        size = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + size]
        if size < 2 or not body.startswith(_SEGMENTS.get(marker, ())):
            return True
        xmp += body.startswith(b"http:")
        profiles += marker == 0xE2
        position += 2 + size
    return True


def _png_holds_more(data: bytes) -> bool:
    kinds: set[bytes] = set()
    position = len(_PNG)
    while position + 12 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + len(_XMP_IN_PNG)]
        is_xmp = kind == b"iTXt" and body == _XMP_IN_PNG
        if kind not in _CHUNKS | _SAID_TWICE and not is_xmp:
            return True
        kinds.add(kind)
        position += 12 + size
        if kind == b"IEND":
            colours = kinds & _SAID_TWICE and not kinds & {b"iCCP", b"sRGB"}
            return position != len(data) or bool(colours)
    return True


def _webp_holds_more(data: bytes) -> bool:
    length = int.from_bytes(data[4:8], "little")
    if len(data) != 8 + length:
        return True
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        if data[position : position + 4] not in _RIFF_CHUNKS:
            return True
        position += 8 + size + size % 2
    return position != len(data)
