"""JPEG files of many kinds, made with Pillow."""

from __future__ import annotations

import io
import random
from functools import cache

from PIL import Image, ImageFilter


@cache
def picture(mode: str = "RGB", size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Something like a photograph: soft shapes, and a little noise on them."""
    chance = random.Random(5)
    small = Image.frombytes("RGB", (20, 15), chance.randbytes(900))
    soft = small.resize(size, Image.Resampling.BICUBIC)
    noise = Image.effect_noise(size, 24).convert("RGB").filter(ImageFilter.SMOOTH)
    return Image.blend(soft, noise, 0.15).convert(mode)


def jpeg(mode: str = "RGB", size: tuple[int, int] = (320, 240), **options: object) -> bytes:
    """A JPEG file of that picture."""
    out = io.BytesIO()
    picture(mode, size).save(out, "JPEG", **{"quality": 88, **options})
    return out.getvalue()


def exif() -> bytes:
    """Orientation, camera and a long comment."""
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x9286] = 6, "a camera", "words " * 200
    return tags.tobytes()


def dressed() -> bytes:
    """With EXIF and a profile that takes several segments."""
    return jpeg(exif=exif(), icc_profile=random.Random(1).randbytes(150_000))


# Kind -> file that comes back exactly from JPEG XL.
EXACT = {
    "colour": jpeg(),
    "grey": jpeg("L"),
    "progressive": jpeg(progressive=True),
    "full chroma": jpeg(subsampling=0),
    "optimised": jpeg(optimize=True),
    "restarts": jpeg(restart_marker_rows=1),
    "orientation": jpeg(exif=exif()),
    "with a film behind it": jpeg(size=(640, 480)) + random.Random(2).randbytes(2_000),
}
# Kind -> file that begins as JPEG and is stored another way.
OTHERWISE = {
    "four colours": jpeg("CMYK"),
    "cut": jpeg()[:-500],
    "mostly tables": jpeg(size=(400, 1)),
    "only its start": b"\xff\xd8\xff",
    "no picture": b"\xff\xd8\xff\xe0" + random.Random(3).randbytes(3_000),
    "mostly a profile": dressed(),
}


def png(mode: str = "RGB", size: tuple[int, int] = (320, 240), **options: object) -> bytes:
    """A PNG file of that picture."""
    out = io.BytesIO()
    picture("RGB", size).convert(mode).save(out, "PNG", **options)
    return out.getvalue()


def webp(mode: str = "RGB", size: tuple[int, int] = (320, 240), **options: object) -> bytes:
    """A WebP file of that picture."""
    out = io.BytesIO()
    picture("RGB", size).convert(mode).save(out, "WEBP", **options)
    return out.getvalue()
