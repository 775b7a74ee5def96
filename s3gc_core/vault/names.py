"""Names of backup files: safe on any file system, different for any two keys."""

from __future__ import annotations

import hashlib
import re

_SLUG_LENGTH = 40
_HASH_LENGTH = 32  # hex digits, 128 bits: no two keys meet by chance
_EXTENSIONS = {"zstd": ".zst", "raw": ".bin", "jxl": ".jxl", "compact": ".lossy.jpg"}
_NOT_IN_A_SLUG = re.compile(r"[^a-z0-9._]+")

# What a name of ours looks like; nothing else in the vault is opened as a backup.
NAME = re.compile(
    r"(?:[a-z0-9_][a-z0-9._-]{0,39}-)?[0-9a-f]{32}\.(?:zst|bin|jxl|lossy\.jpg)(?:\.age)?"
)
PACK_NAME = re.compile(r"pack-[0-9]{6,9}\.tar")


def pack_name(number: int) -> str:
    """The name of an operation's pack, from 1."""
    return f"pack-{number:06}.tar"


def backup_name(key: str, codec: str, *, sealed: bool = False) -> str:
    """`<slug>-<32 hex of SHA-256 of the key>.zst`; `.bin` for codec `raw`, `.jxl` for `jxl`,
    `.lossy.jpg` for `compact`; `.age` behind that where it is `sealed`.

    The slug only helps people; the hash tells keys apart, also where the file system ignores case
    or Unicode forms, for the name is lower-case ASCII. At most 87 of the 255 bytes a name may have.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()[:_HASH_LENGTH]
    slug = slug_of(key)
    extension = _EXTENSIONS[codec] + (".age" if sealed else "")
    return f"{slug}-{digest}{extension}" if slug else digest + extension


def slug_of(key: str) -> str:
    """The readable end of a key: up to 40 of `[a-z0-9._-]`, no dot or dash first; may be empty."""
    # More than is kept gets cleaned, for runs of other characters shrink to one dash.
    tail = _NOT_IN_A_SLUG.sub("-", key[-4 * _SLUG_LENGTH :].lower())
    return tail[-_SLUG_LENGTH:].lstrip(".-").rstrip("-")
