"""Files of real kinds for the demo world, made on the spot and always the same."""

from __future__ import annotations

import io
import json
import random

from PIL import Image, ImageDraw


def jpeg(seed: int, size: tuple[int, int] = (160, 120)) -> bytes:
    """A noisy photograph with EXIF data: what does not compress and must not be re-encoded."""
    picture = Image.frombytes("RGB", size, random.Random(seed).randbytes(size[0] * size[1] * 3))
    exif = Image.Exif()
    exif[0x010E] = f"demo picture {seed}"
    exif[0x0112] = 6
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85, exif=exif)
    return out.getvalue()


def png(seed: int) -> bytes:
    """A drawing with an alpha channel."""
    chance = random.Random(seed)
    picture = Image.new("RGBA", (96, 96), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y = chance.randrange(70), chance.randrange(70)
        colour = (*(chance.randrange(256) for _ in range(3)), chance.randrange(60, 255))
        draw.ellipse((x, y, x + 25, y + 25), fill=colour)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def pdf(title: str) -> bytes:
    """A one-page PDF with a line of text."""
    text = f"BT /F1 24 Tf 72 720 Td ({title}) Tj ET".encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        body
        + b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    )


def settings_json(seed: int) -> bytes:
    """A JSON document that compresses well."""
    layers = [{"id": n, "visible": n % 2 == 0, "opacity": 0.5} for n in range(seed % 40 + 10)]
    return json.dumps({"album": seed, "layers": layers}, indent=2).encode()


def note(seed: int) -> bytes:
    """A plain text."""
    return f"Note {seed}\n".encode() + b"A line of text that says little.\n" * (seed % 50 + 1)
