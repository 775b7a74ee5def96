"""From a row to the keys it refers to: the one predicate of scan, database layer and re-check."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import Value
from s3gc_core.errors import SourceUnreadable
from s3gc_core.references.codecs import arrays, documents, expressions, separated, serialised
from s3gc_core.references.codecs.automatic import auto_keys, each_key, text_keys
from s3gc_core.references.codecs.bucket_names import BucketNames
from s3gc_core.references.codecs.single import single_keys
from s3gc_core.references.codecs.templates import template_keys
from s3gc_core.references.codecs.url import path_keys, url_keys


def keys_of_row(source: SourceConfig, values: Sequence[Value], names: BucketNames) -> set[str]:
    """Keys that a row refers to through `source`; `values` in the order of `source.columns`.

    Raises `SourceUnreadable` where the source's pattern takes too long on a value.
    """
    codec = source.codec
    if codec is Codec.TEMPLATE:
        return template_keys(source, values)
    if codec is Codec.KEY or codec is Codec.AUTO:
        return keys_of_value(codec, values[0], names)  # nearly all sources, millions of rows
    try:
        return keys_of_value(
            codec,
            values[0],
            names,
            path=source.path,
            pattern=source.pattern,
            separator=source.separator,
        )
    except TimeoutError:
        length = len(values[0] or "")
        raise SourceUnreadable(
            f"{source.name}: its pattern takes more than {expressions.SECONDS:g} seconds on a value"
            f" of {length} characters",
            next_step="write the pattern without repetitions inside of repetitions",
        ) from None


def is_broad(source: SourceConfig) -> bool:
    """Whether `keys_of_row` finds all that `broad_keys_of_row` does."""
    return source.codec is Codec.AUTO


def broad_keys_of_row(
    source: SourceConfig, values: Sequence[Value], names: BucketNames
) -> set[str]:
    """As `keys_of_row`, and besides all that `auto` finds in each value.

    The database layer asks this way, so that a codec declared wrongly costs nothing.
    """
    found = keys_of_row(source, values, names)
    if is_broad(source):
        return found
    for value in values:
        found |= keys_of_value(Codec.AUTO, value, names)
    return found


def keys_of_value(
    codec: Codec,
    value: Value,
    names: BucketNames,
    *,
    path: str | None = None,
    pattern: str | None = None,
    separator: str = ",",
) -> set[str]:
    """Keys that one value refers to; NULL and the empty string refer to nothing.

    `path` goes with codec json, `pattern` with regex (which must have one), `separator` with csv.
    Raises `TimeoutError` where the pattern takes too long, ValueError where there is none.
    """
    if not value:
        return set()
    # Bytes that are not UTF-8 stay apart from every key, and what is readable in them is read.
    text = value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
    if codec is Codec.KEY:
        return path_keys(text)
    if codec is Codec.AUTO:
        found = auto_keys(text, names)
        return found | _binary(value, names) if isinstance(value, bytes) else found
    match codec:
        case Codec.URL:
            return url_keys(text, names)
        case Codec.JSON:
            return _inside(documents.strings(text, path), text, value, names)
        case Codec.ARRAY:
            return _inside(arrays.elements(text), text, value, names)
        case Codec.CSV:
            return each_key(separated.fields(text, separator), text, names)
        case Codec.REGEX:
            if pattern is None:
                raise ValueError("codec regex needs a pattern")
            return set().union(*(single_keys(m, names) for m in expressions.matches(text, pattern)))
        case Codec.TEXT:
            return text_keys(text, names) | _binary(value, names)
        case _:
            raise ValueError(f"codec {codec} takes a row")


def _inside(
    strings: Sequence[str] | None, text: str, value: str | bytes, names: BucketNames
) -> set[str]:
    """The keys of a value's parts; where it has none of the expected form, of it as free text."""
    if strings is None:
        return text_keys(text, names) | single_keys(text, names) | _binary(value, names)
    return each_key(strings, text, names)


def _binary(value: str | bytes, names: BucketNames) -> set[str]:
    """Keys in a value of bytes that is not all text."""
    if isinstance(value, str):
        return set()
    found: set[str] = set()
    for string in serialised.binary_strings(value):
        if "." in string or "/" in string:
            found |= single_keys(string, names) | text_keys(string, names)
    return found
