"""Objects that are hard to bring back: every header, odd keys, pictures of all kinds, sizes."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterator
from datetime import UTC, datetime

from PIL import Image

from tests.core.bucket.test_odd_keys import TAME, WILD
from tests.identity.store import MIB, Upload

_WHEN = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


def with_headers() -> dict[str, Upload]:
    """One object for each header that S3 keeps, and one with all of them."""
    every = {
        "ContentType": 'text/html; charset="utf-8"; x=1',
        "ContentEncoding": "aws-chunked-not, br",
        "ContentDisposition": "attachment; filename*=UTF-8''na%C3%AFve%20file.txt",
        "ContentLanguage": "de-CH, mi",
        "CacheControl": "public, max-age=31536000, immutable",
        "Expires": _WHEN,
        "Metadata": {
            "plain": "value",
            "mixed-case": "UPPER lower  two  spaces",
            "rfc2047": "=?UTF-8?B?w6TDtsO8IOaXpeacrA==?=",
            "quoted": "=?UTF-8?Q?na=C3=AFve?=",
            "percent": "%E6%97%A5%2F+%20",
            "json": '{"a": [1, "b;c,d"]}',
            "under_score.and.dots": "1",
            "long": "x" * 1_500,
        },
        "StorageClass": "STANDARD_IA",
        "WebsiteRedirectLocation": "/another/page.html",
    }
    found = {f"headers/{name}": _one(name, every[name]) for name in every}
    tags = {"a b": "c+d=e/f", "größe": "日本", "empty": "", "many@:.": "_-x" * 60}
    found["headers/gzip that is none"] = Upload.of(b"not gzip", ContentEncoding="gzip")
    found["headers/none"] = Upload.of(b"plain")
    body = b"all of it"
    found["headers/all"] = Upload(lambda: iter([body]), every, tags)
    found["headers/tags"] = Upload(lambda: iter([body]), {}, tags)
    return found


def _one(name: str, value: object) -> Upload:
    return Upload(lambda: iter([name.encode()]), {name: value})


def odd_keys(*, wild: bool) -> dict[str, Upload]:
    """Keys that only look like paths; the wild ones only where keys are mere names."""
    return {key: Upload.of(key.encode()) for key in (*TAME, *(WILD if wild else ()))}


def pictures() -> dict[str, Upload]:
    """Pictures in the formats and modes that Pillow can write, with noise so that they differ."""
    chance = random.Random(20261123)
    found = {}
    for mode, formats in (
        ("RGB", ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "TGA", "ICO", "JPEG2000")),
        ("RGBA", ("PNG", "WEBP", "TIFF")),
        ("CMYK", ("JPEG", "TIFF")),
        ("I;16", ("PNG", "TIFF")),
        ("1", ("PNG", "TIFF", "XBM")),
        ("L", ("JPEG", "PNG")),
        ("F", ("TIFF",)),
    ):
        bands = {"RGB": 3, "RGBA": 4, "CMYK": 4, "I;16": 2, "F": 4}.get(mode, 1)
        size = (37, 23)
        raw = chance.randbytes(size[0] * size[1] * bands)
        picture = (
            Image.frombytes("L", size, raw).convert("1")
            if mode == "1"
            else Image.frombytes(mode, size, raw)
        )
        for name in formats:
            with io.BytesIO() as file:
                picture.save(file, name)
                key = f"pictures/{mode.replace(';', '-')}.{name.lower()}"
                found[key] = Upload.of(file.getvalue(), ContentType=f"image/{name.lower()}")
    return found


def sized(*sizes: int, part_size: int | None = None) -> dict[str, Upload]:
    """Objects of these sizes, cheap to make anew and different in every MiB."""

    def pieces(size: int) -> Iterator[bytes]:
        for number in range(0, size, MIB):
            block = hashlib.sha256(number.to_bytes(8)).digest() * (MIB // 32)
            yield block[: size - number]

    def made(size: int) -> Upload:
        return Upload(lambda: pieces(size), part_size=part_size)

    kind = f"parts of {part_size}" if part_size else "one"
    return {f"sizes/{kind}/{size}": made(size) for size in sizes}
