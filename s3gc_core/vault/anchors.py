"""Anchors: heads of the audit log kept beside it, one JSON line each, in `anchors.jsonl`, and in a
file outside of the vault where one is configured: an old vault comes back with its old anchors.

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


class Anchor(msgspec.Struct, frozen=True, omit_defaults=True):
    """The log had, at this time (UTC), a record `seq` with this `hash` (hex) at its head.

    `signature` of that by the public `key` (Ed25519, hex both); empty where nobody signed it.
    """

    seq: int
    hash: str
    at: datetime
    key: str = ""
    signature: str = ""


def read_anchors(folder: Path, name: str = FILE) -> list[Anchor]:
    """All anchors in a file, in the order they were written. For a thread.

    A last line that a crash cut short is left out. Raises `AuditBroken` for any other line that
    is no anchor.
    """
    try:
        with _locked(folder / name, os.O_RDONLY, fcntl.LOCK_SH) as descriptor:
            lines, _ = _split(_read(descriptor))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_failure(f"reading {name}", error) from error
    return [_anchor(line, name, number) for number, line in enumerate(lines, start=1)]


def add_anchor(folder: Path, anchor: Anchor, name: str = FILE, *, synced: bool = True) -> None:
    """Append an anchor, durably where it is `synced`. For a thread.

    Raises `VaultFull`, `VaultUnreachable`.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        with _locked(folder / name, flags, fcntl.LOCK_EX) as descriptor:
            content = _read(descriptor)
            lines, torn = _split(content)
            if torn:
                os.ftruncate(descriptor, len(content) - torn)
            elif lines and not content.endswith(b"\n"):
                write_all(descriptor, b"\n")
            write_all(descriptor, msgspec.json.encode(anchor) + b"\n")
            if not synced:
                return
            os.fsync(descriptor)
        with open_folder(folder) as opened:
            os.fsync(opened)
    except OSError as error:
        raise disk_failure(f"writing {name}", error) from error


@contextmanager
def _locked(file: Path, flags: int, lock: int) -> Iterator[int]:
    descriptor = os.open(file, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
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


def _anchor(line: bytes, name: str, number: int) -> Anchor:
    try:
        return msgspec.json.decode(line, type=Anchor)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AuditBroken(f"line {number} of {name} is no anchor: {error}") from error
