"""The process that decodes a picture from the outside world, and nothing else.

Run by its path, isolated (`python -I`) and with an empty environment: it holds no credentials, it
imports nothing of s3gc, and the system takes it down where a picture wants too much of anything.
Standard input: the picture. Arguments: columns and rows of the grid, at most. Standard output: a
line of JSON, and then the grid as RGB bytes.
"""

from __future__ import annotations

import io
import json
import resource
import sys

# Only what decodes in itself: no format that would call another program, such as EPS.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MOST_PIXELS = 40_000_000
MEMORY_BYTES = 1 << 30
CPU_SECONDS = 8


def limit() -> None:
    """Give up what a decoder does not need; the limits cannot be raised again."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    """Decode what is on standard input."""
    # Before anything of the picture is looked at, but after the code that has to be loaded.
    from PIL import Image, UnidentifiedImageError

    limit()
    columns, rows = int(sys.argv[1]), int(sys.argv[2])
    data = sys.stdin.buffer.read()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            head: dict[str, object] = {
                "format": picture.format,
                "width": width,
                "height": height,
                "frames": 1,
            }
            if width * height > MOST_PIXELS:
                tell({**head, "why": f"it has more than {MOST_PIXELS // 1_000_000} million pixels"})
                return
            picture.draft("RGB", (columns * 2, rows * 2))
            scale = min(columns / width, rows / height, 1.0)
            size = max(1, round(width * scale)), max(1, round(height * scale))
            # What can be seen through is seen on black.
            small = picture.convert("RGBA").resize(size)
            grid = Image.new("RGB", size)
            grid.paste(small, mask=small.getchannel("A"))
        tell({**head, "columns": size[0], "rows": size[1]})
        sys.stdout.buffer.write(grid.tobytes())
    except MemoryError:
        tell({"why": "it needs more memory than a preview gets"})
    except Image.DecompressionBombError:
        tell({"why": "it is a decompression bomb"})
    except UnidentifiedImageError:
        tell({"why": ""})
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # What Pillow raises for broken pictures, by its documentation and its decoders.
        tell({"why": f"it is damaged or cut off ({type(error).__name__})"})
    finally:
        sys.stdout.buffer.flush()


def tell(head: dict[str, object]) -> None:
    """Write the head."""
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")


if __name__ == "__main__":
    main()
