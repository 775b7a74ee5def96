"""The process that decodes a picture from the outside world to store it smaller, and nothing else.

Run by its path, isolated (`python -I`) and with an empty environment: it holds no credentials, it
imports nothing of s3gc, and the system takes it down where a picture wants too much of anything.
Standard input: the picture, after its length in eight bytes. Standard output: a line of JSON with
what was seen in it. What is to become of it is not decided here: a line `WIDTH HEIGHT QUALITY` may
follow on standard input, and is answered with a line about the copy, and the copy.

Arguments: the most memory (bytes), processor time (seconds) and pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
import resource
import struct
import sys
import warnings
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP")
_ORIENTATION = 0x0112
_EXIF = b"Exif\0\0"
# What Pillow raises for broken pictures, by its documentation and its decoders.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    struct.error,
    zlib.error,
)


def limit(memory: int, seconds: int) -> None:
    """Give up what a decoder does not need; the limits cannot be raised again."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        # Standard input, output and errors are open; nothing else ever will be.
        (resource.RLIMIT_NOFILE, 3),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    """Look at what is on standard input, and make it smaller where that is asked for."""
    # All that has to be loaded is, before the picture is looked at and no file can be opened.
    from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    Image.MAX_IMAGE_PIXELS = int(sys.argv[3])
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    _ = JpegImagePlugin, PngImagePlugin, WebPImagePlugin, TiffImagePlugin  # reads EXIF
    Image.preinit()
    limit(int(sys.argv[1]), int(sys.argv[2]))
    source = sys.stdin.buffer
    data = source.read(int.from_bytes(source.read(8), "big"))
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            tell(seen_in(picture, data))
            asked = source.readline().split()
            # The whole picture: one that is cut or broken raises here.
            picture.load()
            if not asked:
                tell({})
                return
            width, height, quality = map(int, asked)
            made = compact(picture, (width, height), quality)
        with Image.open(io.BytesIO(made), formats=("JPEG",)) as copy:
            tell({**seen_in(copy, made), "size": len(made)})
        sys.stdout.buffer.write(made)
    except MemoryError:
        tell({"why": "memory"})
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        tell({"why": "bomb"})
    except BROKEN:
        tell({"why": "broken"})
    finally:
        sys.stdout.buffer.flush()


def seen_in(picture: Image.Image, data: bytes) -> dict[str, Any]:
    """What decides about it; see `Seen`. Nothing of its pixels is decoded for that."""
    info = picture.info
    profile = info.get("icc_profile") or b""
    exif, xmp = exif_of(picture), xmp_of(picture)
    return {
        "format": picture.format,
        "mode": picture.mode,
        "width": picture.width,
        "height": picture.height,
        # Pillow opens a PNG of 16 bits a channel as one of 8: its header tells (PNG, 11.2.1).
        "depth": data[24] if picture.format == "PNG" else 16 if ";16" in picture.mode else 8,
        "frames": getattr(picture, "n_frames", 1),
        "transparent": picture.has_transparency_data,
        "profile": profile[16:20].decode("latin-1"),
        "profile_bytes": len(profile),
        "profile_digest": digest(profile),
        "exif_bytes": len(exif),
        "exif_digest": digest(exif),
        "xmp_bytes": len(xmp),
        "xmp_digest": digest(xmp),
        "orientation": int(picture.getexif().get(_ORIENTATION, 1)),
    }


def exif_of(picture: Image.Image) -> bytes:
    """The EXIF block without the name that only some formats put before it."""
    block = picture.info.get("exif") or b""
    return bytes(block.removeprefix(_EXIF))


def xmp_of(picture: Image.Image) -> bytes:
    """The XMP packet."""
    packet = picture.info.get("xmp") or b""
    return packet.encode() if isinstance(packet, str) else bytes(packet)


def digest(data: bytes) -> str:
    """SHA-256 in hex; empty of nothing."""
    return hashlib.sha256(data).hexdigest() if data else ""


def compact(picture: Image.Image, size: tuple[int, int], quality: int) -> bytes:
    """The picture as a JPEG of that size, not turned, with its profile, EXIF and XMP."""
    from PIL import Image

    small: Image.Image = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    if small.size != size:
        small = small.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    carried: dict[str, bytes] = {}
    if exif := exif_of(picture):
        carried["exif"] = _EXIF + exif
    if xmp := xmp_of(picture):
        carried["xmp"] = xmp
    if profile := picture.info.get("icc_profile"):
        carried["icc_profile"] = profile
    out = io.BytesIO()
    # Without its own notes: only what is carried over on purpose, and the comment of a JPEG.
    comment = picture.info.get("comment")
    small.info = {"comment": comment} if comment and picture.format == "JPEG" else {}
    small.save(out, "JPEG", quality=quality, optimize=True, **carried)
    return out.getvalue()


def tell(head: dict[str, Any]) -> None:
    """Write a line."""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
