"""From a column's value to the keys it may refer to. Pure functions; each gives too many rather
than too few, because a key too many only keeps an object.

`key`       the whole value is a key
`url`       the value is a URL of this bucket; another bucket's URL is no reference to this one
`json`      every string inside, names included; what does not parse is read as text
`text`      every URL and key-like token in free text, HTML, Markdown
`template`  the key is computed from columns of the row
`auto`      all of the above that take one value
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import Formatter
from urllib.parse import urlsplit

from s3gc_core.config import Codec, Config, SourceConfig
from s3gc_core.databases.protocol import Value
from s3gc_core.references.spellings import LONGEST, spellings

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.\-][A-Za-z0-9_.\-/]*", re.ASCII)
# Steps that a path may hold besides names.
_RELATIVE = re.compile(r"//|^\./")
_SCHEME = re.compile(r"(?:https?:|s3[an]?:)?//", re.IGNORECASE)
_HOST = re.compile(r"[\w\-]+(?:\.[\w\-]+)+(?::\d+)?")
_AWS_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?:dualstack|accelerate|website|fips|[a-z]{2}(?:-[a-z]+)+-\d))*"
    r"\.amazonaws\.com(?:\.cn)?",
    re.IGNORECASE,
)
# Tokens of free text: once broken at white space, once only at marks that enclose (so that a name
# with a space inside quotes or brackets stays whole).
_WORDS = re.compile(r"[^\s\"'<>()\[\]{}|,;`]+")
_ENCLOSED = re.compile(r"[^\r\n\t\"'<>()\[\]{}|`]+")
_URLS = re.compile(r"(?:https?|s3[an]?)://[^\s\"<>`|{}\\^]+", re.IGNORECASE)
# What stands between two quotes of one kind or in angle brackets, whatever other marks it holds.
_QUOTED = re.compile(r"\"([^\"\r\n]+)(?=\")")
_APOSTROPHES = re.compile(r"'([^'\r\n]+)(?=')")
_ANGLED = re.compile(r"<([^<>\r\n]+)(?=>)")
_TRAILING = ".,;:!?)]}'\""


@dataclass(frozen=True, slots=True)
class BucketNames:
    """How a URL may name this bucket."""

    bucket: str
    endpoint_host: str | None = None
    cdn_bases: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Config) -> BucketNames:
        """The names that a configuration gives its bucket."""
        host = urlsplit(config.endpoint_url).netloc.lower() if config.endpoint_url else None
        return cls(config.bucket, host, config.cdn_bases)


def keys_of_row(source: SourceConfig, values: Sequence[Value], names: BucketNames) -> set[str]:
    """Keys that a row refers to through `source`; `values` in the order of `source.columns`."""
    if source.codec is Codec.TEMPLATE:
        return template_keys(source, values)
    return keys_of_value(source.codec, values[0], names)


def broad_keys_of_row(
    source: SourceConfig, values: Sequence[Value], names: BucketNames
) -> set[str]:
    """As `keys_of_row`, and besides all that `auto` finds in each value.

    The database layer asks this way, so that a codec declared wrongly costs nothing.
    """
    found = keys_of_row(source, values, names)
    for value in values:
        found |= keys_of_value(Codec.AUTO, value, names)
    return found


def keys_of_value(codec: Codec, value: Value, names: BucketNames) -> set[str]:
    """Keys that one value refers to; NULL and the empty string refer to nothing."""
    text = _text(value) if value else ""
    if not text:
        return set()
    match codec:
        case Codec.KEY:
            return spellings(text)
        case Codec.URL:
            return set(url_keys(text, names))
        case Codec.JSON:
            return json_keys(text, names)
        case Codec.TEXT:
            return text_keys(text, names)
        case _:
            return auto_keys(text, names)


def auto_keys(text: str, names: BucketNames) -> set[str]:
    """Every codec that takes one value, tried on `text`."""
    if len(text) <= LONGEST and _PLAIN_KEY.fullmatch(text) and not _RELATIVE.search(text):
        return {text, *_without_host(text, names)}
    found = _single(text, names)
    if text.lstrip()[:1] in ("[", "{", '"'):
        found |= json_keys(text, names)
    return found | text_keys(text, names)


def url_keys(text: str, names: BucketNames) -> Iterator[str]:
    """Keys of this bucket that the URL `text` names; nothing where it names another bucket.

    A URL of an unknown host may be a CDN before this bucket: its path counts (doubt keeps).
    """
    text = text.strip()
    if not _SCHEME.match(text):
        return
    scheme, _, rest = text.partition("//")
    authority, _, path = rest.partition("/")
    host = _host(authority)
    if scheme.lower().startswith("s3"):
        if host == names.bucket.lower():
            yield from _path_keys(path)
        return
    yield from _http_keys(host, path, names)


def _host(authority: str) -> str:
    host = authority.rpartition("@")[2].lower()
    return host.removesuffix(":443").removesuffix(":80")


def _http_keys(host: str, path: str, names: BucketNames) -> Iterator[str]:
    for base in names.cdn_bases:
        authority, _, below = base.partition("//")[2].partition("/")
        if host == _host(authority) and path.startswith(below):
            yield from _path_keys(path[len(below) :])
    bucket = names.bucket.lower()
    first, _, below = path.partition("/")
    aws = _AWS_HOST.fullmatch(host.partition(":")[0])
    hosted = aws["bucket"] if aws else None
    path_style = aws is not None and hosted is None
    if names.endpoint_host and host == names.endpoint_host:
        path_style = True
    elif names.endpoint_host and host.endswith("." + names.endpoint_host):
        hosted = host.removesuffix("." + names.endpoint_host)
    if path_style:
        if first == names.bucket:
            yield from _path_keys(below)
    elif hosted is not None:
        if hosted == bucket:
            yield from _path_keys(path)
    else:
        yield from _path_keys(path)
        if first == names.bucket:
            yield from _path_keys(below)


def _path_keys(path: str) -> Iterator[str]:
    """Keys of a URL's path: without query and fragment, and whole (a key may hold `?` or `#`)."""
    yield from spellings(path.partition("#")[0].partition("?")[0])
    yield from spellings(path)


def json_keys(text: str, names: BucketNames) -> set[str]:
    """Every string inside a JSON text, member names included; other text is read as free text."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text_keys(text, names) | _single(text, names)
    found: set[str] = set()
    waiting = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            found |= auto_keys(item, names) if item != text else _single(item, names)
        elif isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
    return found


def text_keys(text: str, names: BucketNames) -> set[str]:
    """Every URL and every key-like token (it has a dot or a slash) in free text."""
    found: set[str] = set()
    unescaped = html.unescape(text)
    for layer in {text, unescaped}:
        for token in _tokens(layer):
            for form in {token, token.rstrip(_TRAILING)}:
                if "." in form or "/" in form:
                    found |= _single(form, names)
    return found


def _tokens(text: str) -> Iterator[str]:
    for pattern in (_URLS, _WORDS, _ENCLOSED, _QUOTED, _APOSTROPHES, _ANGLED):
        yield from pattern.findall(text)


def template_keys(source: SourceConfig, values: Sequence[Value]) -> set[str]:
    """The key computed from the row's columns; a NULL among them refers to nothing."""
    if source.template is None:
        raise ValueError(f"{source.name} has codec template but no template")
    fields: dict[str, str] = {}
    for column, value in zip(source.columns, values, strict=True):
        if value is None:
            return set()
        fields[column] = (
            value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
        )
    return spellings(Formatter().vformat(source.template, (), fields))


def _text(value: str | bytes) -> str:
    """Bytes that are not UTF-8 stay apart from every key, and what is readable in them is read."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _single(text: str, names: BucketNames) -> set[str]:
    """`text` as one URL where it is one, otherwise as one key."""
    if _SCHEME.match(text.strip()):
        # Kept as written too: nothing forbids a key that looks like a URL.
        whole = spellings(text) if text.lstrip().startswith("//") else {text}
        found = {*whole, *url_keys(text, names)}
    else:
        found = {*spellings(text), *_without_host(text, names)}
    return {key for key in found if len(key) <= LONGEST}


def _without_host(text: str, names: BucketNames) -> Iterable[str]:
    """What follows a host name written without scheme, as in `cdn.example.org/a.jpg`."""
    first, slash, rest = text.partition("/")
    if not (slash and rest and _HOST.fullmatch(first)):
        return ()
    return {*spellings(rest), *url_keys("//" + text, names)}
