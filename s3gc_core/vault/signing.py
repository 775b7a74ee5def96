"""Signatures of anchors (Ed25519, RFC 8032), by a key of the operator that is not in the vault.

Whoever can write to the vault can make a whole new log, and anchors that fit it. They cannot sign.
By PyNaCl, an extra: the smallest library of those that people already trust with keys.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from s3gc_core.errors import AnchorKeyUnusable, AuditBroken
from s3gc_core.vault.anchors import Anchor
from s3gc_core.vault.keyring import write_secret

if TYPE_CHECKING:
    from nacl.signing import SigningKey

_SECRET = re.compile(r"S3GC-ANCHOR-KEY-([0-9a-f]{64})\n?")
_MOST = 1 << 12


class Signing:
    """Signs anchors by the key in `key_file` (empty: none is here), and trusts what that key, or
    one of `public_keys` (64 hex digits each), has signed. Without any of them nothing is asked for.
    """

    def __init__(self, key_file: str = "", public_keys: Iterable[str] = ()) -> None:
        self._key_file = key_file
        self._others = frozenset(public_keys)

    @property
    def is_on(self) -> bool:
        """Whether anchors have to be signed."""
        return bool(self._key_file or self._others)

    @property
    def signs(self) -> bool:
        """Whether there is a key here."""
        return bool(self._key_file)

    def signed(self, anchor: Anchor) -> Anchor:
        """The anchor with our signature. For a thread. Raises `AnchorKeyUnusable`."""
        key = read_key(Path(self._key_file))
        signature = key.sign(_message(anchor)).signature.hex()
        return msgspec.structs.replace(anchor, key=bytes(key.verify_key).hex(), signature=signature)

    def signed_upto(self, anchors: Iterable[Anchor]) -> int:
        """The highest record that a trusted signature speaks of; 0 for none. For a thread.

        Raises `AuditBroken` where one that claims to be of a trusted key is not, and
        `AnchorKeyUnusable`.
        """
        from_nacl = _nacl()
        trusted = set(self._others)
        if self._key_file:
            trusted.add(bytes(read_key(Path(self._key_file)).verify_key).hex())
        top = 0
        for anchor in anchors:
            if anchor.key not in trusted:
                continue  # of somebody else, or of nobody: it says nothing about who wrote it
            try:
                from_nacl.signing.VerifyKey(bytes.fromhex(anchor.key)).verify(
                    _message(anchor), bytes.fromhex(anchor.signature)
                )
            except (from_nacl.exceptions.BadSignatureError, ValueError, TypeError) as error:
                what = f"the signature of the anchor at record {anchor.seq} is forged"
                raise AuditBroken(what) from error
            top = max(top, anchor.seq)
        return top


def check_signed(signed_upto: int, anchors: Iterable[Anchor], head: int) -> None:
    """Refuse a log whose last anchor nobody signed whom we trust. Raises `AuditBroken`.

    A log with records, and without any anchor, is one whose anchors were taken away.
    """
    top = max((anchor.seq for anchor in anchors), default=0)
    if head and (not signed_upto or top > signed_upto):
        raise AuditBroken(
            f"the last anchor, at record {top}, is not signed by a key that is trusted here"
            if top
            else f"the log has {head} records, and no anchor",
            why="without the operator's signature anybody may have written log and anchors anew",
            next_step="compare the log with the replica or an older copy; where it is known to be"
            " right (signing was only now turned on, or a first run was killed): s3gc vault audit"
            " sign",
        )


def read_key(path: Path) -> SigningKey:
    """The signing key in a file. Raises `AnchorKeyUnusable`; nothing of its contents is told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
                raise AnchorKeyUnusable(
                    f"{path} is no file for its owner alone",
                    next_step=f"chmod 600 {path}, then run again",
                )
            text = file.read(_MOST).decode("ascii", "replace")
    except OSError as error:
        raise AnchorKeyUnusable(f"{path} cannot be read: {error.strerror}") from error
    match = _SECRET.fullmatch(text)
    if match is None:
        raise AnchorKeyUnusable(f"{path} holds something else than a key for anchors")
    key: SigningKey = _nacl().signing.SigningKey(bytes.fromhex(match[1]))
    return key


def generate_anchor_key(path: Path) -> str:
    """Write a new signing key to a new file (0600), durably; returns its public key (hex).

    Raises `FileExistsError` where anything is there, `VaultUnreachable`, `AnchorKeyUnusable`.
    """
    key = _nacl().signing.SigningKey.generate()
    write_secret(path, f"S3GC-ANCHOR-KEY-{bytes(key).hex()}\n")
    return bytes(key.verify_key).hex()


def _message(anchor: Anchor) -> bytes:
    at = anchor.at.astimezone(UTC).isoformat(timespec="microseconds")
    return f"s3gc anchor 1\n{anchor.seq}\n{anchor.hash}\n{at}\n".encode()


def _nacl() -> Any:
    """PyNaCl, imported only when it is needed: it is an extra."""
    try:
        import nacl.exceptions
        import nacl.signing
    except ImportError as error:
        raise AnchorKeyUnusable(
            f"PyNaCl is not installed ({error})",
            next_step='pip install "s3gc[sign]", then run again',
        ) from error
    return nacl
