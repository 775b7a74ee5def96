"""What a process of s3gc is handed on its standard input (`--config -`): its whole configuration,
and on whose word it acts. Neither a command line nor a file shows a password of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from s3gc_core.config import Config
from s3gc_core.errors import ConfigurationError, Problem
from s3gc_core.jobs import Acting

# The configuration file's name that stands for standard input.
HANDED = Path("-")
# More than any configuration takes.
_LIMIT_BYTES = 16 << 20


class Handed(msgspec.Struct, frozen=True):
    """A configuration as it stands, with nothing of the environment to be laid over it."""

    config: Config
    acting: Acting


def to_bytes(handed: Handed) -> bytes:
    """What `read_handed` reads."""
    return msgspec.json.encode(handed, enc_hook=_plain)


def read_handed(stream: BinaryIO) -> Handed:
    """Raises `ConfigurationError` where it is not whole: its starter may have died meanwhile."""
    problem = ""
    try:
        return msgspec.json.decode(stream.read(_LIMIT_BYTES), type=Handed, dec_hook=_typed)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        problem = type(error).__name__
    # Raised out here: what cannot be read may hold a password.
    allowed = f"what s3gc hands to a process that it starts ({problem})"
    raise ConfigurationError([Problem("--config -", "this input", allowed)])


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"a {type(value).__name__} in a configuration")


def _typed(kind: type, value: Any) -> Path:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"a {kind.__name__} in a configuration")
