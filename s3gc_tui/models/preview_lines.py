"""A preview as lines: the question before it, a grid in grey characters, or bytes in hex."""

from __future__ import annotations

from s3gc_core.bucket import ObjectState
from s3gc_tui.display import count, size, when, wrap
from s3gc_tui.models.lines import BLANK, Line, Look, Piece, dim, line, strong, warn
from s3gc_tui.preview import Decoded

# From black to white.
_RAMP = " .:-=+*#%@"
_HEX_BYTES = 512


def object_lines(state: ObjectState, width: int) -> list[Line]:
    """What is known of the object without reading it."""
    kind = state.headers.content_type or "no content type"
    facts = f"{kind}, {size(state.size)}, modified {when(state.last_modified)} UTC"
    return [*_told(state.key, width, Look.STRONG), *_told(facts, width, Look.PLAIN)]


def question_lines(state: ObjectState, most: int, width: int) -> list[Line]:
    """What a preview would do, before it does."""
    lines = [*object_lines(state, width), BLANK]
    if state.size > most:
        text = f"Larger than {size(most)}: a preview does not read it."
        return [*lines, *_told(text, width, Look.WARN), BLANK, line(dim(" esc back"))]
    if state.size == 0:
        return [*lines, *_told("It is empty.", width, Look.PLAIN), BLANK, line(dim(" esc back"))]
    text = f"A preview reads the object from the bucket: one GET of {size(state.size)}."
    return [
        *lines,
        *_told(text, width, Look.PLAIN),
        *_told("It may cost money, and leaves a line in the access log.", width, Look.PLAIN),
        BLANK,
        line(" enter reads and shows it   esc back"),
    ]


def gone_lines(key: str, width: int) -> list[Line]:
    """Nothing to look at."""
    return [*_told(key, width, Look.STRONG), line(warn(" no object is at this key"))]


def picture_line(state: ObjectState, picture: Decoded, width: int) -> list[Line]:
    """The picture in words."""
    pixels = f"{picture.format}, {count(picture.width)} x {count(picture.height)} pixels"
    return [*object_lines(state, width), *_told(pixels, width, Look.DIM)]


def grey_lines(picture: Decoded) -> list[Line]:
    """The picture in characters, two rows of the grid in one: cells are twice as high as wide."""
    return [
        line("".join(_grey(picture, column, row) for column in range(picture.columns)))
        for row in range(0, picture.rows, 2)
    ]


def _grey(picture: Decoded, column: int, row: int) -> str:
    rows = [row, row + 1] if row + 1 < picture.rows else [row]
    # Weights of the eye, by ITU-R BT.601, in thousandths.
    light = [
        (299 * red + 587 * green + 114 * blue) // 1000
        for red, green, blue in (picture.pixel(column, at) for at in rows)
    ]
    return _RAMP[sum(light) // len(light) * len(_RAMP) // 256]


def hex_lines(data: bytes, width: int) -> list[Line]:
    """The first bytes, as many in a row as fit, with what is ASCII beside them."""
    across = 16 if width >= 78 else 8
    lines = []
    for at in range(0, min(len(data), _HEX_BYTES), across):
        row = data[at : at + across]
        text = "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else "." for b in row)
        lines.append(line(dim(f" {at:06x}  "), f"{row.hex(' '):<{across * 3 - 1}}  ", text))
    if len(data) > _HEX_BYTES:
        lines.append(line(dim(f" the first {_HEX_BYTES} of {count(len(data))} bytes")))
    return lines


def not_picture_lines(state: ObjectState, why: str, data: bytes, width: int) -> list[Line]:
    """Why there is no picture, and the bytes."""
    text = f"not shown: {why}" if why else "no picture of a kind that is decoded here"
    return [
        *object_lines(state, width),
        *_told(text, width, Look.WARN),
        BLANK,
        *hex_lines(data, width),
    ]


def waiting_lines(state: ObjectState, width: int) -> list[Line]:
    """What is seen while the object is read."""
    return [*object_lines(state, width), BLANK, line(strong(" reading and decoding ..."))]


def _told(text: str, width: int, look: Look) -> list[Line]:
    return [line(Piece(f" {part}", look)) for part in wrap(text, width - 2)]
