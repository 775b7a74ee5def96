"""From what the dashboard shows to a picture that needs nothing from the web: SVG, and PNG."""

from __future__ import annotations

import re
from pathlib import Path

import resvg_py

FOLDER = Path(__file__).parents[2] / "screenshots"
# Columns align only in a monospaced font that has blocks and box lines: Debian's
# fonts-dejavu-core, which most desktops have as well.
FONT_FOLDER = Path("/usr/share/fonts/truetype/dejavu")
FONT = "DejaVu Sans Mono"
_FONT_FACES = re.compile(r"@font-face\s*{[^}]*}\s*")
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_FAMILY = re.compile(r"font-family:\s*[^;]+;")


def write(name: str, svg: str) -> None:
    """Write both files of one picture."""
    FOLDER.mkdir(exist_ok=True)
    clean = with_local_font(svg)
    (FOLDER / f"{name}.svg").write_text(clean, encoding="utf-8")
    (FOLDER / f"{name}.png").write_bytes(png(clean))


def with_local_font(svg: str) -> str:
    """Nothing from the web, nor a word of it; the families that the machine has."""
    svg = _COMMENT.sub("", svg)
    return _FAMILY.sub(f"font-family: {FONT}, monospace;", _FONT_FACES.sub("", svg))


def png(svg: str) -> bytes:
    """The picture as pixels."""
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg,
            skip_system_fonts=True,
            font_dirs=[str(FONT_FOLDER)],
            font_family=FONT,
            monospace_family=FONT,
        )
    )
