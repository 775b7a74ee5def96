"""Anchors: heads of the audit log kept beside it, one JSON line each, in `anchors.jsonl`.

A log whose end was cut off is a valid, shorter chain. The last anchor says how long it was.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from s3gc_core.errors import AuditBroken
from s3gc_core.vault.failures import disk_failure
from s3gc_core.vault.places import open_folder, write_all

FILE = "anchors.jsonl"


class Anchor(msgspec.Struct, frozen=True):
    """The log had, at this time (UTC), a record `seq` with this `hash` (hex) at its head."""

    seq: int
    hash: str
    at: datetime


def read_anchors(vault: Path) -> list[Anchor]:
    """All anchors, in the order they were written. For a thread.

    A last line that a crash cut short is left out. Raises `AuditBroken` for any other line that
    is no anchor.
    """
    try:
        with _locked(vault, os.O_RDONLY, fcntl.LOCK_SH) as descriptor:
            lines, _ = _split(_read(descriptor))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_failure(f"reading {FILE}", error) from error
    return [_anchor(line, number) for number, line in enumerate(lines, start=1)]


def add_anchor(vault: Path, anchor: Anchor) -> None:
    """Append an anchor, durably. For a thread. Raises `VaultFull`, `VaultUnreachable`."""
    try:
        with _locked(vault, os.O_RDWR | os.O_CREAT | os.O_APPEND, fcntl.LOCK_EX) as descriptor:
            content = _read(descriptor)
            lines, torn = _split(content)
            if torn:
                os.ftruncate(descriptor, len(content) - torn)
            elif lines and not content.endswith(b"\n"):
                write_all(descriptor, b"\n")
            write_all(descriptor, msgspec.json.encode(anchor) + b"\n")
            os.fsync(descriptor)
        with open_folder(vault) as folder:
            os.fsync(folder)
    except OSError as error:
        raise disk_failure(f"writing {FILE}", error) from error


@contextmanager
def _locked(vault: Path, flags: int, lock: int) -> Iterator[int]:
    descriptor = os.open(vault / FILE, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, lock)  # waits for the few milliseconds of another process
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    content = b""
    while chunk := os.read(descriptor, 1 << 20):
        content += chunk
    return content


def _split(content: bytes) -> tuple[list[bytes], int]:
    """Whole lines, and how many bytes at the end are a line that was cut short."""
    lines = content.split(b"\n")
    last = lines.pop()
    if not last or not _is_json(last):
        return lines, len(last)
    return [*lines, last], 0


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _anchor(line: bytes, number: int) -> Anchor:
    try:
        return msgspec.json.decode(line, type=Anchor)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AuditBroken(f"line {number} of {FILE} is no anchor: {error}") from error
