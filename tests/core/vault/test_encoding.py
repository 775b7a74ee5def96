"""Encoding: what is worth compressing, exact round trips, damage that never passes."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.vault import BackupDamaged, Encoder, choose_codec, decode
from s3gc_core.vault.encoding import DECODE_CHUNK, PROBE_BYTES, StoredCodec
from s3gc_core.vault.frames import FrameEnd
from tests.core.vault.builders import noise, prose


def encoded(data: bytes, codec: StoredCodec = "zstd", level: int = 3) -> bytes:
    encoder = Encoder(codec, level, len(data))
    return b"".join([*map(bytes, encoder.encode(data)), encoder.finish()])


def decoded(data: bytes, codec: str = "zstd") -> bytes:
    return b"".join(decode(io.BytesIO(data), codec))


def test_the_bytes_choose_the_codec() -> None:
    assert choose_codec(b"") == "raw"
    assert choose_codec(b"tiny") == "raw"
    assert choose_codec(noise(100_000)) == "raw"
    assert choose_codec(prose(100_000)) == "zstd"


def test_a_gain_below_three_per_cent_stays_raw() -> None:
    def mixed(zeros: int) -> bytes:
        return noise(1_000_000 - zeros) + bytes(zeros)

    assert choose_codec(mixed(25_000)) == "raw"
    assert choose_codec(mixed(35_000)) == "zstd"


def test_only_the_first_mebibyte_is_probed() -> None:
    assert choose_codec(noise(PROBE_BYTES) + bytes(10 * PROBE_BYTES)) == "raw"


@given(st.lists(st.binary(max_size=5_000), max_size=5), st.sampled_from(["raw", "zstd"]))
def test_pieces_of_any_size_come_back(pieces: list[bytes], codec: StoredCodec) -> None:
    whole = b"".join(pieces)
    encoder = Encoder(codec, 3, len(whole))
    out = [bytes(part) for piece in pieces for part in encoder.encode(piece)]
    assert decoded(b"".join([*out, encoder.finish()]), codec) == whole


def test_a_frame_carries_its_size_and_a_checksum_and_any_zstd_reads_it() -> None:
    data = prose(3 << 20)
    parameters = zstandard.get_frame_parameters(encoded(data))
    assert parameters.content_size == len(data)
    assert parameters.has_checksum
    assert zstandard.ZstdDecompressor().decompress(encoded(data)) == data


def test_an_unknown_size_is_fine() -> None:
    encoder = Encoder("zstd", 3, None)
    frame = b"".join([*map(bytes, encoder.encode(b"ab" * 500)), encoder.finish()])
    assert decoded(frame) == b"ab" * 500
    with pytest.raises(BackupDamaged):
        decoded(frame[:-1])


def test_a_frame_cut_anywhere_is_damaged() -> None:
    frame = encoded(prose(400_000) + noise(3_000))
    steps = {*range(40), *range(0, len(frame), 97), *range(len(frame) - 40, len(frame))}
    for length in sorted(steps):
        with pytest.raises(BackupDamaged):
            decoded(frame[:length])
    assert len(decoded(frame)) == 403_000


def test_the_decoder_alone_would_take_a_cut_frame_for_a_short_one() -> None:
    frame = encoded(noise(300_000) + bytes(100_000))
    reader = zstandard.ZstdDecompressor().stream_reader(frame[:150_000])
    assert len(b"".join(iter(lambda: reader.read(1 << 16), b""))) < 400_000


@pytest.mark.parametrize("tail", [b"\0", b"garbage", encoded(b""), encoded(b"more")])
def test_bytes_after_the_frame_are_damage(tail: bytes) -> None:
    with pytest.raises(BackupDamaged):
        decoded(encoded(prose(10_000)) + tail)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x28\xb5\x2f", noise(1000)])
def test_what_is_no_frame_is_damage(data: bytes) -> None:
    with pytest.raises(BackupDamaged):
        decoded(data)


def test_an_unknown_codec_is_damage() -> None:
    with pytest.raises(BackupDamaged, match="lz4"):
        decoded(b"", "lz4")


def test_a_changed_checksum_is_damage() -> None:
    frame = bytearray(encoded(prose(10_000)))
    frame[-1] ^= 1
    with pytest.raises(BackupDamaged, match="decoded"):
        decoded(bytes(frame))


def test_chunks_stay_small_however_far_a_frame_expands() -> None:
    frame = encoded(bytes(64 << 20))
    assert len(frame) < 10_000
    sizes = [len(chunk) for chunk in decode(io.BytesIO(frame), "zstd")]
    assert max(sizes) <= DECODE_CHUNK
    assert sum(sizes) == 64 << 20


@given(
    st.binary(max_size=3_000),
    st.integers(1, 400),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 19]),
)
def test_the_end_of_a_frame_is_found_whatever_its_header(
    data: bytes, repeat: int, checksum: bool, sized: bool, level: int
) -> None:
    whole = data * repeat
    compressor = zstandard.ZstdCompressor(
        level=level, write_checksum=checksum, write_content_size=sized
    )
    frame = compressor.compress(whole)
    for step in (1, 7, len(frame)):
        end = FrameEnd()
        for start in range(0, len(frame), step):
            assert not end.reached
            end.follow(frame[start : start + step])
        assert end.reached
    with pytest.raises(BackupDamaged):
        end.follow(b"x")


def test_a_file_decodes_as_well(tmp_path: Path) -> None:
    path = tmp_path / "frame.zst"
    path.write_bytes(encoded(prose(5 << 20)))
    with path.open("rb") as file:
        assert b"".join(decode(file, "zstd")) == prose(5 << 20)
