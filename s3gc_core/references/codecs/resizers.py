"""What a URL of an image resizer or proxy is about: the key or URL of the original inside it.

Closes incident group c (same key, different spelling) where a picture is only ever named by the
URL of its resized copy. Each of the places gives too many strings rather than too few.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import unquote, unquote_plus

from s3gc_core.references.codecs import documents
from s3gc_core.references.codecs.bucket_names import BucketNames
from s3gc_core.url_pattern import UrlPattern, parse_pattern

# Resizers whose URLs have the original behind a word of their own.
_KNOWN = tuple(
    map(
        parse_pattern,
        (
            "/**/cdn-cgi/image/*/{key}",  # Cloudflare
            "/**/_ipx/*/{key}",  # Nuxt, IPX
            "/**/plain/{key}",  # imgproxy
            "/**/plain/{key}@*",
            "/**/tr:*/{key}",  # ImageKit
            "/**/image/fetch/**/{key}",  # Cloudinary
        ),
    )
)
# Base64 of what begins like a URL, and like JSON.
ENCODED = ("aHR0c", "czM6Ly", "czNhOi", "eyJ", "WyJ")
# What every one of the places below has in it.
_SIGNS = re.compile(
    rf"[?:%=]|/(?:cdn-cgi|_ipx|plain|image/fetch|unsafe|{'|'.join(map(re.escape, ENCODED))})"
)
# Parameters that hold a key, or the path below the bucket.
_KEY_PARAMETERS = frozenset(
    [
        *("file", "filename", "href", "image", "image_url", "imageurl", "img", "imgurl", "key"),
        *("name", "object", "path", "photo", "prefix", "source", "src", "u", "uri", "url"),
    ]
)
# A URL inside a path: as it is, percent-encoded once or twice, its slashes merged into one.
_INNER_URL = re.compile(
    r"(?:https?|s3[an]?)(?::|%3A|%253A)(?:/|%2F|%252F){1,3}(?=[^/\s])", re.IGNORECASE
)
_THUMBOR = re.compile(r"(?:^|/)(?:unsafe|[A-Za-z0-9_\-]{27}=)/")
_THUMBOR_OPTION = re.compile(
    r"trim(?::.*)?|meta|debug|(?:full-|adaptive-)*fit-in|-?\d*x-?\d*|\d+x\d+:\d+x\d+|smart|"
    r"left|right|center|top|bottom|middle|filters:.*|orig",
)
_MOST_INNER = 8


def originals(path: str, names: BucketNames, host: str = "") -> Iterator[str]:
    """Keys or URLs of originals in a URL's path (with its query, without its first slash)."""
    rooted = "/" + path
    if names.url_patterns:
        yield from of_patterns(names.patterns, "//", f"//{host}{rooted}")
        yield from of_patterns(names.patterns, "/", rooted)
    if not _SIGNS.search(rooted):
        return  # nearly every path is only a path
    yield from of_patterns(_KNOWN, "/", "/" + rooted)
    folders, question, query = path.partition("?")
    if question:
        yield from _parameters(query)
    for match in islice(_INNER_URL.finditer(path), _MOST_INNER):
        yield _as_url(path[match.start() :])
    yield from _thumbor(folders)
    yield from _encoded(folders)


def of_patterns(patterns: Iterable[UrlPattern], anchor: str, text: str) -> Iterator[str]:
    """What the patterns with this anchor find in `text`."""
    for pattern in patterns:
        if pattern.anchor == anchor:
            yield from pattern.keys(text)


def urls_in_query(path: str) -> Iterator[str]:
    """URLs inside the query of a URL's path."""
    for value in _parameters(path.partition("?")[2]):
        if _INNER_URL.match(value):
            yield value


def _parameters(query: str) -> Iterator[str]:
    for parameter in re.split("[&;]", query.partition("#")[0]):
        name, equals, value = parameter.partition("=")
        if not (equals and value):
            continue
        # `url` is also written `image[url]`.
        for decoded in {unquote(value), unquote_plus(value)}:
            named = re.split(r"[\[\]]", unquote(name).lower())
            if not _KEY_PARAMETERS.isdisjoint(named) or _INNER_URL.match(decoded):
                yield decoded


def _as_url(text: str) -> str:
    """The URL that begins `text`, decoded where it is encoded, with both of its slashes."""
    for _ in range(2):
        if re.match(r"\w+%", text):
            text = unquote(text)
    return re.sub(r"^(\w+):/+", r"\1://", text)


def _thumbor(folders: str) -> Iterator[str]:
    for match in islice(_THUMBOR.finditer(folders), _MOST_INNER):
        segments = folders[match.end() :].split("/")
        while len(segments) > 1 and _THUMBOR_OPTION.fullmatch(segments[0]):
            segments.pop(0)
        yield "/".join(segments)


def _encoded(folders: str) -> Iterator[str]:
    """Originals in URL-safe base64, in one segment or several (imgproxy, AWS's image handler)."""
    segments = folders.split("/")
    for number, segment in enumerate(segments):
        if not segment.startswith(ENCODED):
            continue
        decoded = decode_base64("".join(segments[number:]).partition(".")[0])
        if decoded is None:
            continue
        inside = documents.strings(decoded)
        yield from (decoded,) if inside is None else inside


def decode_base64(text: str) -> str | None:
    """The printable text that `text` is the base64 of (either alphabet), or None."""
    if len(text) < 12:
        return None
    padded = text.rstrip("=").replace("+", "-").replace("/", "_")
    padded += "=" * (-len(padded) % 4)
    try:
        decoded = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return decoded if "".join(decoded.split()).isprintable() else None
