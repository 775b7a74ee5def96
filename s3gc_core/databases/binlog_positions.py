"""Places in a binary log: files by their numbers, offsets, and the text of both."""

from __future__ import annotations

from s3gc_core.databases.binlog_events import Undecodable


def position(index: int, offset: int) -> str:
    """A position that compares as text."""
    return f"{index:010d}:{offset:012d}"


def split_position(text: str) -> tuple[int, int]:
    """File and offset of a position. Raises `ValueError`."""
    index, offset = text.split(":")
    return int(index), int(offset)


def split_file(name: str) -> tuple[str, int]:
    """The base name of a log file, and its number. Raises `Undecodable`."""
    base, dot, number = name.rpartition(".")
    if not dot or not number.isdecimal():
        raise Undecodable(f"a log file is called {name!r}")
    return base, int(number)


def file_name(base: str, index: int) -> str:
    """The name of a log file."""
    return f"{base}.{index:06d}"
