"""Codec `template`: the keys are computed from columns of the row (see `key_template`).

Closes incident group b (a kind of reference that nobody told the collector about: content-addressed
stores and derived files, whose keys stand in no column).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from s3gc_core.config import SourceConfig
from s3gc_core.databases.protocol import Value
from s3gc_core.key_template import parse_template
from s3gc_core.references.spellings import spellings

# Bytes of MD5 and UUIDs, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
_DIGESTS = (16, 20, 28, 32, 48, 64)


def template_keys(source: SourceConfig, values: Sequence[Value]) -> set[str]:
    """The keys computed from the row's columns; a NULL among them refers to nothing.

    Raises ValueError where the source has no template.
    """
    if source.template is None:
        raise ValueError(f"{source.name} has codec template but no template")
    template = parse_template(source.template)
    if None in values:
        return set()
    found: set[str] = set()
    for texts in _readings([value for value in values if value is not None]):
        for key in template.keys(dict(zip(source.columns, texts, strict=True))):
            found |= spellings(key)
    return found


def _readings(values: Sequence[str | bytes]) -> Iterator[list[str]]:
    """The values as texts: bytes as UTF-8, and as applications write hashes and UUIDs into keys."""
    yield [_utf_8(value) for value in values]
    if any(isinstance(value, bytes) and _is_binary(value) for value in values):
        yield [value if isinstance(value, str) else value.hex() for value in values]
        yield [value if isinstance(value, str) else _uuid(value) for value in values]


def _is_binary(value: bytes) -> bool:
    """A digest or a UUID may be all letters by chance; what is no text is binary in any length."""
    return len(value) in _DIGESTS or not _utf_8(value).isprintable()


def _utf_8(value: str | bytes) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _uuid(value: bytes) -> str:
    return str(UUID(bytes=value)) if len(value) == 16 else value.hex()
