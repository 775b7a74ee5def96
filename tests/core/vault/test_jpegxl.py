"""JPEG as JPEG XL: byte for byte or not at all, within bounds, and never a guess."""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.errors import CodecMissing, ExitCode
from s3gc_core.vault import BackupDamaged, BackupFiles, StoredBackup, jpegxl
from s3gc_core.vault.encoding import most_as_jpegxl
from s3gc_core.vault.jpeg_header import has_few_scans, pixels_of
from s3gc_core.vault.jpegxl import MOST_BYTES, MOST_PIXELS, may_transcode, transcoded
from tests.core.vault.builders import OPERATION, noise, prose
from tests.core.vault.photos import EXACT, OTHERWISE, jpeg, picture

LARGE = jpeg(size=(2600, 2000), quality=97)


@pytest.fixture
def files(vault: Path) -> BackupFiles:
    return BackupFiles(vault)


async def backed_up(files: BackupFiles, key: str, data: bytes) -> StoredBackup:
    """Written a MiB at a time, settled and read back."""
    await files.create_operation(OPERATION)
    writer = files.open_writer(OPERATION, key, 3, len(data), jpegxl=True)
    for start in range(0, len(data), 1 << 20):
        writer.write(data[start : start + (1 << 20)])
    (settled,) = await files.settle(OPERATION, [writer.close()])
    await files.verify(settled)
    assert b"".join(files.open_raw(settled)) == data
    return settled


@pytest.mark.parametrize("kind", EXACT)
async def test_every_kind_comes_back_byte_for_byte(files: BackupFiles, kind: str) -> None:
    data = EXACT[kind]
    backup = await backed_up(files, "a.jpg", data)
    assert (backup.codec, backup.encoding, backup.raw_size) == ("jxl", "jxl", len(data))
    assert backup.stored_size <= len(data) * 0.97
    assert backup.member is not None
    assert backup.member.endswith(".jxl")


@pytest.mark.parametrize("kind", OTHERWISE)
async def test_what_jpeg_xl_cannot_do_better_is_stored_otherwise(
    files: BackupFiles, kind: str
) -> None:
    assert (await backed_up(files, "a.jpg", OTHERWISE[kind])).codec in ("raw", "zstd")


async def test_only_what_begins_as_jpeg_is_looked_at(
    files: BackupFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jpegxl, "_imagecodecs", None)
    assert (await backed_up(files, "a.jpg", noise(5_000))).codec == "raw"
    assert (await backed_up(files, "b.jpg", prose(3 << 20))).codec == "zstd"
    assert (await backed_up(files, "c.jpg", b"")).codec == "raw"


@pytest.mark.parametrize("packed_below", [0, 128 << 10])
async def test_a_large_one_has_a_file_of_its_own(vault: Path, packed_below: int) -> None:
    assert len(LARGE) > 1 << 20
    files = BackupFiles(vault, packed_below=packed_below)
    backup = await backed_up(files, "p/large.JPG", LARGE)
    assert (backup.codec, backup.offset) == ("jxl", None)
    assert backup.path.endswith(".jxl")
    assert (vault / backup.path).stat().st_size == backup.stored_size


async def test_without_the_setting_nothing_of_it_is_used(files: BackupFiles) -> None:
    await files.create_operation(OPERATION)
    writer = files.open_writer(OPERATION, "a.jpg", 3, len(EXACT["colour"]))
    writer.write(EXACT["colour"])
    assert writer.close().codec in ("raw", "zstd")


def test_what_does_not_come_back_exactly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    data = EXACT["colour"]
    assert transcoded(data, len(data)) is not None
    wrong = bytearray(data)
    wrong[-3] ^= 1
    monkeypatch.setattr(jpegxl, "_decoded", lambda *_: bytes(wrong))
    assert transcoded(data, len(data)) is None


def test_three_per_cent_and_what_zstd_would_save() -> None:
    data = EXACT["colour"]
    encoded = transcoded(data, len(data))
    assert encoded is not None
    assert transcoded(data, len(encoded)) == encoded
    assert transcoded(data, len(encoded) - 1) is None
    assert most_as_jpegxl(noise(10_000)) == 9_700
    assert most_as_jpegxl(noise(5_000) + bytes(5_000)) < 5_100


async def test_a_damaged_one_never_reaches_the_decoder(
    vault: Path, files: BackupFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = await backed_up(files, "large.jpg", LARGE)
    path = vault / backup.path
    stored = path.read_bytes()
    seen: list[bytes] = []
    monkeypatch.setattr(jpegxl, "reconstructed", seen.append)
    flipped = stored[:9_000] + bytes([stored[9_000] ^ 1]) + stored[9_001:]
    for wrong in (stored[:-1], stored + b"\0", flipped):
        path.write_bytes(wrong)
        with pytest.raises(BackupDamaged, match=r"another stored size|other stored bytes"):
            await files.verify(backup)
    assert seen == []


async def test_where_the_decoder_is_missing_no_backup_is_called_damaged(
    files: BackupFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = await backed_up(files, "a.jpg", EXACT["colour"])
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "imagecodecs", None)
        with pytest.raises(CodecMissing) as missing:
            await files.verify(backup)
        with pytest.raises(CodecMissing):
            await files.verify_packed([backup])
    assert missing.value.exit_code is ExitCode.USAGE
    assert 'pip install "s3gc[images]"' in missing.value.next_step
    await files.verify(backup)


def test_stored_bytes_that_are_no_picture_are_damage() -> None:
    encoded = transcoded(EXACT["colour"], 1 << 20)
    assert encoded is not None
    for wrong in (b"", b"\xff\x0a", noise(500), encoded[:200]):
        with pytest.raises(BackupDamaged, match="cannot be decoded"):
            jpegxl.reconstructed(wrong)


@pytest.mark.parametrize("size", [(1, 1), (320, 200), (7, 1001)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_pixels_are_read_from_the_header(size: tuple[int, int], mode: str) -> None:
    assert pixels_of(jpeg(mode, size)) == size[0] * size[1]
    assert picture(mode, size).size == size


def header(height: int, width: int, frame: int = 0xC0, precision: int = 8) -> bytes:
    body = (
        bytes([precision]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x01\1\x11\0"
    )
    return b"\xff\xd8\xff" + bytes([frame]) + (len(body) + 2).to_bytes(2, "big") + body


def test_beyond_the_bounds_it_is_left_alone() -> None:
    assert MOST_PIXELS == 6000 * 4000
    assert may_transcode(header(4000, 6000), 1000)
    assert may_transcode(header(4000, 6000), MOST_BYTES)
    assert not may_transcode(header(4000, 6001), 1000)
    assert not may_transcode(header(65535, 65535), 1000)
    assert not may_transcode(header(4000, 6000), MOST_BYTES + 1)
    assert not may_transcode(header(4000, 6000), None)
    assert not may_transcode(header(0, 6000), 1000)


@pytest.mark.parametrize("frame", [0xC3, 0xC5, 0xC9, 0xCB, 0xCF, 0xDA, 0xD9, 0xD8])
def test_odd_frames_are_none_of_ours(frame: int) -> None:
    assert pixels_of(header(10, 10)) == 100
    assert pixels_of(header(10, 10, frame)) == 0
    assert pixels_of(header(10, 10, precision=12)) == 0
    assert pixels_of(header(10, 10)[:-1]) == 0


@given(st.binary(max_size=300))
def test_no_header_breaks_the_parser(tail: bytes) -> None:
    assert pixels_of(b"\xff\xd8\xff" + tail) >= 0
    assert pixels_of(tail) in (0, pixels_of(tail))


def test_thousands_of_scans_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is worked through over all pixels: a small file would take hours."""
    bomb = EXACT["progressive"] + b"\xff\xda\0\x08\1\1\0\0\0\0" * 1000
    assert has_few_scans(EXACT["progressive"])
    assert not has_few_scans(bomb)
    monkeypatch.setattr(jpegxl, "_imagecodecs", None)
    assert transcoded(bomb, len(bomb)) is None


def test_pictures_wait_for_room() -> None:
    room, sizes = jpegxl._Room(10), [4, 6, 10, 3, 3, 3, 5, 1]
    together = threading.Barrier(2)
    lock = threading.Lock()
    inside: list[int] = []
    most: list[int] = []

    def work(pixels: int, barrier: threading.Barrier | None) -> None:
        with room.of(pixels):
            with lock:
                inside.append(pixels)
                most.append(sum(inside))
            if barrier is not None:
                barrier.wait(20)
            with lock:
                inside.remove(pixels)

    # Two of five are inside together, or the barrier breaks.
    threads = [threading.Thread(target=work, args=(5, together)) for _ in range(2)]
    threads += [threading.Thread(target=work, args=(size, None)) for size in sizes]
    random.Random(1).shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert max(most) <= 10
    assert not together.broken
