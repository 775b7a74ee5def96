"""Pictures, and what only pretends to be one."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def picture(
    width: int = 64, height: int = 32, kind: str = "PNG", mode: str = "RGB", colour: object = None
) -> bytes:
    """A picture of one colour (red, unless given)."""
    file = io.BytesIO()
    made = Image.new(mode, (width, height), (255, 0, 0) if colour is None else colour)  # type: ignore[arg-type]
    made.save(file, kind)
    return file.getvalue()


def png_that_claims(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose head claims a size; its data is what zlib makes of `data`."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
# Pillow would hand it to Ghostscript.
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(hi) show\n"
