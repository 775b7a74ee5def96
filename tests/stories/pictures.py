"""Pictures of every kind that a re-encoding backup would alter for ever, made with Pillow."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from PIL import Image


def pictures() -> dict[str, bytes]:
    """Sixteen files by name; the last four no decoder takes for a whole picture."""
    drawn = _drawn()
    alpha = drawn.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(drawn.size))
    frames = [drawn.rotate(angle).convert("P") for angle in (0, 30, 60)]
    camera = Image.Exif()
    camera[0x010F], camera[0x0112], camera[0x8298] = "A Camera", 6, "(c) Anna"
    made = {
        "alpha.png": _saved(alpha, "PNG"),
        "camera.jpg": _saved(drawn, "JPEG", exif=camera, quality=95, dpi=(300, 300)),
        "print.jpg": _saved(drawn.convert("CMYK"), "JPEG", quality=90),
        "palette.png": _saved(drawn.convert("P"), "PNG", transparency=0),
        "sixteen-bit.png": _saved(_sixteen_bit(drawn.size), "PNG"),
        "grey-alpha.png": _saved(alpha.convert("LA"), "PNG"),
        "animated.gif": _saved(
            frames[0], "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0
        ),
        "photo.webp": _saved(alpha, "WEBP", lossless=True),
        "scan.tiff": _saved(
            drawn, "TIFF", save_all=True, append_images=[drawn.rotate(90)], compression="tiff_lzw"
        ),
        "old.bmp": _saved(drawn, "BMP"),
        "large.jpg": _saved(drawn.resize((2_000, 1_500)), "JPEG", quality=85),
    }
    return {
        **made,
        "cut.jpg": made["camera.jpg"][:-200],
        "no-picture.png": b"this only says that it is a png",
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>',
        "empty.gif": b"",
        "polyglot.gif": made["animated.gif"] + b"PK\x05\x06" + bytes(18),
    }


def _drawn() -> Image.Image:
    red, green = Image.linear_gradient("L"), Image.radial_gradient("L")
    return Image.merge("RGB", (red, green, red.rotate(90))).resize((320, 200))


def _sixteen_bit(size: tuple[int, int]) -> Image.Image:
    width, height = size
    samples = b"".join((n * 7 % 65_536).to_bytes(2, "little") for n in range(width * height))
    return Image.frombytes("I;16", size, samples)


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    with BytesIO() as file:
        image.save(file, form, **options)
        return file.getvalue()
