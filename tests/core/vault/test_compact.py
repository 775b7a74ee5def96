"""Compact copies by the real decoder: each verdict exact, and a decoder that may die."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from s3gc_core.replica import fetching
from s3gc_core.vault import BackupDamaged, Keyring, StoredBackup, compact
from s3gc_core.vault.compact import Compact, compacted, refuse_unlike
from s3gc_core.vault.compact_rules import MOST_PIXELS, WhyExact, most_bytes
from tests.core.vault.builders import noise
from tests.core.vault.photos import exif, jpeg, picture, png, webp

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
BIG = (1200, 900)
PHOTO = jpeg(size=BIG, quality=97)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def deep() -> bytes:
    """A PNG of 16 bits a channel in three colours, which Pillow opens as one of 8."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + crc

    rows = b"".join(b"\0" + noise(600, row) for row in range(100))
    header = (100).to_bytes(4, "big") * 2 + b"\x10\2\0\0\0"
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def frames(form: str) -> bytes:
    pictures = [picture(size=(300, 200)), picture(size=(300, 200)).rotate(90)]
    return saved(pictures[0], form, save_all=True, append_images=pictures[1:], quality=95)


def broken_png() -> bytes:
    """Whole by its structure, and not by what its pixels are packed into."""
    data = bytearray(png(size=BIG))
    data[600_000:600_100] = bytes(100)
    return bytes(data)


EXACT = {
    WhyExact.ALPHA: [png("RGBA", BIG), png("LA", BIG), png("P", BIG, transparency=3)],
    WhyExact.ANIMATED: [frames("PNG"), frames("WEBP")],
    WhyExact.COLOURS: [jpeg("CMYK", BIG), saved(Image.effect_noise(BIG, 90).convert("1"), "PNG")],
    WhyExact.DEPTH: [
        deep(),
        saved(Image.frombytes("I;16", (150, 150), noise(45_000)), "PNG"),
    ],
    WhyExact.PROFILE: [
        jpeg(size=BIG, quality=97, icc_profile=noise(5_000)),
        jpeg(size=BIG, quality=97, icc_profile=LAB),
        jpeg("L", BIG, quality=97, icc_profile=SRGB),
    ],
    WhyExact.METADATA: [PHOTO + noise(5_000)],
    WhyExact.NO_PICTURE: [
        broken_png(),
        b"\xff\xd8\xff\xda" + noise(30_000) + b"\xff\xd9",
    ],
    WhyExact.BOMB: [saved(Image.new("L", (7_100, 7_100)), "PNG", compress_level=1)],
    WhyExact.SAVES_LITTLE: [jpeg(size=BIG, quality=60), jpeg(size=BIG, quality=85)],
    WhyExact.FORMAT: [noise(30_000), jpeg(size=(60, 60))],
}
CASES = [(why, data) for why, files in EXACT.items() for data in files]


@pytest.mark.parametrize(("why", "data"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_what_stays_exact(why: WhyExact, data: bytes) -> None:
    assert compacted(data, most_bytes(len(data))) is why


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (jpeg(size=(2600, 1950), quality=95), (2048, 1536)),
        (jpeg("L", BIG, quality=97), BIG),
        (png(size=BIG), BIG),
        (png("P", BIG), BIG),
        (webp(size=BIG, lossless=True), BIG),
    ],
)
def test_what_becomes_smaller(data: bytes, size: tuple[int, int]) -> None:
    copy = compacted(data, most_bytes(len(data)))
    assert isinstance(copy, Compact)
    assert (copy.width, copy.height) == size
    assert len(copy.data) <= len(data) * 0.7
    with Image.open(io.BytesIO(copy.data)) as seen:
        assert (seen.format, seen.size) == ("JPEG", size)
    refuse_unlike(copy.data, *size)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_what_is_not_pixels_comes_along(form: str) -> None:
    """The pixels are not turned, and the orientation says so as before."""
    said = {"exif": exif(), "icc_profile": SRGB, "xmp": b"<x:xmpmeta/>"}
    if form == "PNG":
        del said["xmp"]  # Pillow writes none
    data = saved(picture(size=BIG), form, quality=97, **said)
    copy = compacted(data, most_bytes(len(data)))
    assert isinstance(copy, Compact)
    with Image.open(io.BytesIO(copy.data)) as seen:
        assert seen.size == BIG
        assert seen.getexif()[0x0112] == 6
        assert seen.info["exif"].removeprefix(b"Exif\0\0") == exif().removeprefix(b"Exif\0\0")
        assert seen.info["icc_profile"] == SRGB
        assert seen.info.get("xmp") == said.get("xmp")


def test_a_byte_less_than_is_asked_for_is_not_enough() -> None:
    copy = compacted(PHOTO, len(PHOTO))
    assert isinstance(copy, Compact)
    assert compacted(PHOTO, len(copy.data)) == copy
    assert compacted(PHOTO, len(copy.data) - 1) is WhyExact.SAVES_LITTLE


def test_a_decoder_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "MEMORY_BYTES", 64 << 20)
    data = saved(Image.linear_gradient("L").resize((6000, 4000)).convert("RGB"), "JPEG")
    assert compacted(data, len(data)) is WhyExact.LIMIT


def test_a_decoder_out_of_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "CPU_SECONDS", 0)
    assert compacted(PHOTO, len(PHOTO)) is WhyExact.LIMIT


def test_a_decoder_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "SECONDS", 0.001)
    assert compacted(PHOTO, len(PHOTO)) is WhyExact.LIMIT
    with pytest.raises(BackupDamaged):
        refuse_unlike(jpeg(), 320, 240)


def test_a_decoder_that_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []

    def kill(decoder: compact._Decoder, line: str) -> None:
        # Our only child that decodes.
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            if b"compact_decoder.py" in process.read_bytes():
                status = (process.parent / "stat").read_text().rpartition(")")[2].split()
                if int(status[1]) == os.getpid():
                    killed.append(int(process.parent.name))
                    os.kill(killed[-1], signal.SIGKILL)

    monkeypatch.setattr(compact._Decoder, "ask", kill)
    assert compacted(PHOTO, len(PHOTO)) is WhyExact.LIMIT
    assert len(killed) == 1


@pytest.mark.parametrize(
    "program",
    [
        "",
        "print('no JSON')",
        "print('[]')",
        "print('{}')",
        """print('{"format": "JPEG", "mode": "RGB", "width": "wide", "height": 1}')""",
        "print('{' * 100000)",
    ],
)
def test_a_decoder_that_was_taken_over_is_not_believed(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = tmp_path / "decoder.py"
    decoder.write_text(program)
    monkeypatch.setattr(compact, "_DECODER", decoder)
    # The last one does not read, and is not read: both wait.
    monkeypatch.setattr(compact, "SECONDS", 1.0)
    assert compacted(PHOTO, len(PHOTO)) is WhyExact.LIMIT


def test_a_copy_that_is_shorter_than_said_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = '{"format": "JPEG", "mode": "RGB", "width": 9, "height": 9, "size": 500}'
    decoder = tmp_path / "decoder.py"
    decoder.write_text(f"print('{said}')\nprint('{said}')\nprint('x' * 100)")
    monkeypatch.setattr(compact, "_DECODER", decoder)
    assert compacted(PHOTO, len(PHOTO)) is WhyExact.LIMIT


def test_the_decoder_gets_nothing_but_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No environment, so no credentials; and no descriptor of ours."""
    told = tmp_path / "told"
    decoder = tmp_path / "decoder.py"
    decoder.write_text(
        "import os\n"
        "fds = sorted(int(n) for n in os.listdir('/proc/self/fd'))[:3]\n"
        "open_ = [n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}')]\n"
        f"open({str(told)!r}, 'w').write(repr((fds, open_, sorted(os.environ))))\n"
    )
    monkeypatch.setattr(compact, "_DECODER", decoder)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert compacted(PHOTO, len(PHOTO)) is WhyExact.LIMIT
    assert "secret" not in told.read_text().lower()
    assert told.read_text().startswith("([0, 1, 2], []")


@pytest.mark.parametrize("kind", ["other size", "cut", "no picture", "png"])
def test_a_copy_that_is_not_what_was_recorded_is_damage(kind: str) -> None:
    data = {
        "other size": jpeg(size=(321, 240)),
        "cut": jpeg()[:-900],
        "no picture": noise(9_000),
        "png": png(),
    }[kind]
    refuse_unlike(jpeg(), 320, 240)
    with pytest.raises(BackupDamaged, match="no JPEG of 320 by 240 pixels"):
        refuse_unlike(data, 320, 240)


def test_two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads ask."""
    inside, most = [0], [0]
    lock = threading.Lock()
    seen = compact._Decoder.seen

    def counted(decoder: compact._Decoder) -> object:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        try:
            return seen(decoder)
        finally:
            with lock:
                inside[0] -= 1

    monkeypatch.setattr(compact._Decoder, "seen", counted)
    small = random.Random(3).sample(range(len(PHOTO)), 5)
    threads = [threading.Thread(target=compacted, args=(PHOTO, n)) for n in small]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert most[0] <= 2


def test_a_bomb_is_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the rules would have it: the decoder refuses it by itself."""
    (bomb,) = EXACT[WhyExact.BOMB]
    assert MOST_PIXELS < 7_100**2 < MOST_PIXELS * 2
    monkeypatch.setattr(compact, "why_exact", lambda _: None)
    assert compacted(bomb, len(bomb)) is WhyExact.BOMB


def test_a_copy_that_is_not_faithful_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "is_faithful", lambda *_: False)
    assert compacted(PHOTO, len(PHOTO)) is WhyExact.UNFAITHFUL


def test_the_limits_of_a_decoder() -> None:
    """By the system, so whatever a picture makes of it: not raised again, and no file opened."""
    program = (
        "import resource, sys\n"
        "from s3gc_core.vault.compact_decoder import limit\n"
        "limit(1 << 30, 20)\n"
        "names = ('AS', 'CPU', 'NOFILE', 'FSIZE', 'CORE')\n"
        "print([resource.getrlimit(getattr(resource, 'RLIMIT_' + n)) for n in names])\n"
        "try:\n"
        "    open('/dev/null')\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    limits = [(1 << 30,) * 2, (20, 20), (3, 3), (0, 0), (0, 0)]
    assert ran.stdout.splitlines() == [str(limits), str(errno.EMFILE)]


def test_from_a_replica_the_copy_itself_is_compared() -> None:
    data = jpeg()
    digest = hashlib.sha256(data).hexdigest()
    size = len(data)
    backup = StoredBackup(
        "p", "compact", 9 * size, "0" * 64, size, digest, fidelity="lossy", width=320, height=240
    )
    fetching._compare(io.BytesIO(data), backup, Keyring())
    for wrong in (data[:-1], data + b"\0", data[:-3] + b"\0" + data[-2:]):
        with pytest.raises(BackupDamaged, match="other stored bytes"):
            fetching._compare(io.BytesIO(wrong), backup, Keyring())
