"""Pictures and papers to upload, each unlike the others, with names people really give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

# Spaces, letters beyond ASCII, brackets, signs that URLs, JSON and HTML escape, upper case.
NAMES = (
    "harbour.jpg",
    "Old Town Hall.jpg",
    "Zürich Aussicht.jpg",
    "IMG_0042.JPG",
    "crew & guests.png",
    "plan (final) v2.png",
    "café-menu.png",
    "50% off.png",
    "l'été.jpg",
    "東京.png",
    "market.webp",
    "logo.gif",
)
_FORMATS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".gif": "GIF"}


def draw_pictures(
    folder: Path, names: Sequence[str] = NAMES, size: tuple[int, int] = (480, 320)
) -> list[Path]:
    """Draw one picture of `size` pixels for each name into the folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_draw(folder / name, number, size) for number, name in enumerate(names)]


def _draw(path: Path, number: int, size: tuple[int, int]) -> Path:
    picture = Image.new("RGB", size, (40 + 7 * number % 200, 90, 160))
    brush = ImageDraw.Draw(picture)
    for left, top in _corners(number):
        brush.rectangle(
            (left, top, left + 60, top + 40), fill=(left % 256, top % 256, number % 256)
        )
    picture.save(path, _FORMATS[path.suffix.lower()])
    return path


def _corners(number: int) -> Iterator[tuple[int, int]]:
    for step in range(6):
        yield (number * 37 + step * 71) % 420, (number * 53 + step * 47) % 280


def write_papers(folder: Path, names: Sequence[str]) -> list[Path]:
    """Write one small PDF-like file for each name into the folder; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(b"%PDF-1.4\n% paper " + str(number).encode() + b"\n%%EOF\n")
    return [folder / name for name in names]
