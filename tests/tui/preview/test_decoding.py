"""Decoding pictures from the outside world: limited in size, memory and time, and alone."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from PIL import features

from s3gc_tui.preview import Decoded, NotDecoded, decode, decoder, decoding
from tests.tui.preview.images import EPS, SVG, picture, png_that_claims

ROOT = Path(__file__).parents[3]


async def refused(data: bytes) -> str:
    """Why there is no picture."""
    found = await decode(data, 78, 40)
    assert isinstance(found, NotDecoded), found
    return found.why


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
async def test_pictures_become_small_grids(kind: str) -> None:
    if kind == "WEBP":
        assert features.check("webp")
    found = await decode(picture(640, 320, kind), 40, 40)
    assert isinstance(found, Decoded)
    assert (found.format, found.width, found.height) == (kind, 640, 320)
    assert (found.columns, found.rows) == (40, 20)
    red, green, blue = found.pixel(20, 10)
    assert red > 250
    assert max(green, blue) < 5
    assert found.pixel(0, 20) == (0, 0, 0)


async def test_small_pictures_are_not_blown_up() -> None:
    found = await decode(picture(3, 1), 40, 40)
    assert isinstance(found, Decoded)
    assert (found.columns, found.rows) == (3, 1)


async def test_what_can_be_seen_through_is_seen_on_black() -> None:
    found = await decode(picture(4, 4, mode="RGBA", colour=(255, 255, 255, 0)), 4, 4)
    assert isinstance(found, Decoded)
    assert found.grid == bytes(48)


async def test_what_is_no_picture() -> None:
    assert await refused(b"") == "it is empty (0 bytes)"
    assert await refused(SVG) == ""
    assert await refused(EPS) == ""
    assert await refused(os.urandom(1000)) == ""
    assert await refused(b"just text \x1b[2J") == ""


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
async def test_pictures_that_are_cut_off(kind: str) -> None:
    whole = picture(200, 200, kind)
    for length in (10, len(whole) // 2):
        found = await decode(whole[:length], 10, 10)
        assert isinstance(found, NotDecoded), (kind, length)
        assert found.why in ("", "it is damaged or cut off (OSError)") or "damaged" in found.why


async def test_bombs_are_refused_before_they_go_off() -> None:
    limit = decoder.MOST_PIXELS
    assert "bomb" in await refused(png_that_claims(60_000, 60_000))
    assert await refused(png_that_claims(limit // 1000 + 1, 1000)) == (
        "it has more than 40 million pixels"
    )
    # Few pixels by its head, and very many bytes behind it: those are not unpacked.
    found = await decode(png_that_claims(10, 10, bytes(200 << 20)), 8, 8)
    assert isinstance(found, Decoded)
    assert (found.columns, found.rows) == (8, 8)


async def test_one_that_takes_too_long_is_killed() -> None:
    before = await children()
    found = await decode(picture(), 10, 10, seconds=0.001)
    assert found == NotDecoded("decoding took longer than 0.001 s")
    assert await children() == before


async def children() -> set[str]:
    """The decoders that run, of ours."""
    mine = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if parent == str(os.getpid()) and b"decoder.py" in words:
            mine.add(process.name)
    return mine


async def test_a_decoding_that_is_cancelled_leaves_no_process() -> None:
    before = await children()
    task = asyncio.create_task(decode(picture(3000, 3000), 10, 10))
    async with asyncio.timeout(30):
        while await children() == before:  # noqa: ASYNC110 - the system tells of no new process
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await children() == before


async def test_memory_is_limited() -> None:
    """The limit is real: a process with it cannot have more."""
    code = (
        "import runpy; d = runpy.run_path('s3gc_tui/preview/decoder.py'); d['limit']();"
        " bytearray(d['MEMORY_BYTES'])"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", code, cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, complaints = await process.communicate()
    assert process.returncode == 1
    assert b"MemoryError" in complaints


async def test_the_decoder_gets_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}
    real = asyncio.create_subprocess_exec

    async def noted(*program: str, **options: object) -> asyncio.subprocess.Process:
        seen.update(options, program=program)
        return await real(*program, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    assert isinstance(await decode(picture(), 4, 4), Decoded)
    assert seen["env"] == {}
    assert "-I" in seen["program"]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (b"", "without a word"),
        (b"\xff\xfe\n", "without a word"),
        (b'{"columns": 2, "rows": 2}\nshort', "not complete"),
        (b'{"columns": 4000, "rows": 1}\n' + bytes(12_000), "not complete"),
        (b'{"columns": 0, "rows": 0}\n', "not complete"),
        (b'{"why": "' + b"x" * 999 + b'"}\n', "x" * 200),
    ],
)
def test_a_decoder_that_a_picture_took_over_is_not_believed(told: bytes, why: str) -> None:
    found = decoding._understood(told, 10, 10)
    assert isinstance(found, NotDecoded)
    assert why in found.why
    assert len(found.why) <= 200
