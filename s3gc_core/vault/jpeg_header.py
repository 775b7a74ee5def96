"""How many pixels a JPEG has, from its header alone (ITU T.81, annex B); strict, and no decoder."""

from __future__ import annotations

START = b"\xff\xd8\xff"
# Baseline, extended and progressive, with Huffman codes: what is taken for a frame of ours.
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
# Before a frame: tables, restart interval, comment, application data.
_BEFORE = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
_SIZE = 2
_FRAME_HEADER = 6  # precision, height, width, number of components
# Each scan is worked through over all pixels: a small file with thousands takes hours.
_MOST_SCANS = 64
_SCAN = b"\xff\xda"


def pixels_of(head: bytes) -> int:
    """Width times height, by the first bytes of an object.

    0 where it is no JPEG, an odd one (other than 8 bits, or one or three components; lossless or
    arithmetic; without a height), or its header does not end within `head`.
    """
    if not head.startswith(START):
        return 0
    position = len(START) - 1
    while position + 2 + _SIZE <= len(head):
        if head[position] != 0xFF:
            return 0
        marker = head[position + 1]
        if marker == 0xFF:  # filling
            position += 1
            continue
        size = int.from_bytes(head[position + 2 : position + 2 + _SIZE], "big")
        body = head[position + 2 + _SIZE : position + 2 + size]
        if marker in _FRAMES:
            return _pixels(body)
        if marker not in _BEFORE or size < _SIZE:
            return 0
        position += 2 + size
    return 0


def has_few_scans(jpeg: bytes) -> bool:
    """Whether what it takes to work through it is bounded by its pixels.

    Counted in all of it, thumbnails too: within coded data the two bytes never follow each other.
    """
    return jpeg.count(_SCAN) <= _MOST_SCANS


def _pixels(frame: bytes) -> int:
    if len(frame) < _FRAME_HEADER:
        return 0
    components = frame[5]
    if frame[0] != 8 or components not in (1, 3) or len(frame) != _FRAME_HEADER + 3 * components:
        return 0
    return int.from_bytes(frame[1:3], "big") * int.from_bytes(frame[3:5], "big")
