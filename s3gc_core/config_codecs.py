"""What the options of a codec may be, and which codec takes which."""

from __future__ import annotations

from collections.abc import Mapping

from s3gc_core import config_rules as rules
from s3gc_core import url_pattern as patterns
from s3gc_core.config import Codec
from s3gc_core.config_rules import Findings, Unusable, Where

DEFAULT_SEPARATOR = ","


def json_path(value: object) -> str:
    """A JSONPath as RFC 9535 has it."""
    # Here and not above: most configurations have none, and the import takes a fifth of a second.
    from jsonpath import JSONPathEnvironment, JSONPathError

    written = rules.text(value)
    try:
        JSONPathEnvironment(strict=True).compile(written)
    except JSONPathError:
        raise Unusable('a JSONPath (RFC 9535) such as "$.images[*].src"') from None
    return written


def expression(value: object) -> str:
    """A regular expression; its group `key`, group 1 or the whole match is the key."""
    import regex

    written = rules.text(value)
    try:
        compiled = regex.compile(written)
    except (regex.error, RecursionError, OverflowError) as error:
        raise Unusable(f"a regular expression ({error})") from None
    if compiled.groups > 1 and "key" not in compiled.groupindex:
        raise Unusable("a regular expression with one group, or with one named (?P<key>...)")
    return written


def separator(value: object) -> str:
    """The one character between the fields of codec csv."""
    if not isinstance(value, str) or len(value) != 1 or value in "\r\n\0\"'":
        raise Unusable('one character, such as ";" or "\\t"; no quote and no end of a line')
    return value


def url_pattern(value: object) -> str:
    """A URL with `{key}` where the key stands."""
    if not isinstance(value, str):
        raise Unusable(patterns.ALLOWED)
    try:
        patterns.parse_pattern(value)
    except patterns.BadPattern:
        raise Unusable(patterns.ALLOWED) from None
    return value


def read_options(
    values: Mapping[object, object], codec: Codec, where: Where, findings: Findings
) -> tuple[str | None, str | None, str]:
    """The source's `path`, `pattern` and `separator`; each belongs to one codec only."""
    for name, of in (("path", Codec.JSON), ("pattern", Codec.REGEX), ("separator", Codec.CSV)):
        if values.get(name) is not None and codec is not of:
            findings.add((*where, name), values[name], f"left out, or together with codec {of}")
    path, pattern = values.get("path"), values.get("pattern")
    written = values.get("separator")
    return (
        findings.take((*where, "path"), json_path, path, "")
        if codec is Codec.JSON and path is not None
        else None,
        findings.take((*where, "pattern"), expression, pattern, "")
        if codec is Codec.REGEX
        else None,
        findings.take((*where, "separator"), separator, written, DEFAULT_SEPARATOR)
        if codec is Codec.CSV and written is not None
        else DEFAULT_SEPARATOR,
    )
