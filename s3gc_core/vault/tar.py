"""The few bytes of the tar format that packs need (POSIX ustar), made by hand: `tar` reads them."""

from __future__ import annotations

BLOCK = 512
# Two empty blocks end an archive.
END = bytes(2 * BLOCK)
_NAME_BYTES = 100
_CHECKSUM = slice(148, 156)


def header(name: str, size: int) -> bytes:
    """The block before a member's bytes. `name` is ASCII, at most 100 bytes; `size` under 8 GiB.

    Owner and time are left out: what belongs to the object is in the batch's own member.
    """
    encoded = name.encode("ascii")
    if len(encoded) > _NAME_BYTES or size >= 1 << 33:
        raise ValueError(f"no tar member: {name!r} of {size} bytes")
    block = bytearray(BLOCK)
    block[: len(encoded)] = encoded
    block[100:108] = b"0000400\0"
    block[108:116] = block[116:124] = b"0000000\0"
    block[124:136] = b"%011o\0" % size
    block[136:148] = b"00000000000\0"
    block[_CHECKSUM] = b" " * 8
    block[156:157] = b"0"
    block[257:265] = b"ustar\x0000"
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def padding(size: int) -> bytes:
    """What fills a member's last block."""
    return bytes(-size % BLOCK)


def end_of(offset: int, size: int) -> int:
    """Where a member ends, its padding included, whose bytes begin at `offset`."""
    return offset + size + -size % BLOCK
