"""How a key may stand written in a text: the inverse of `spellings`, for a search of everything.

Pure. What is not among these forms is not found by the search; too many forms only cost time.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from s3gc_core.references.legacy_text import legacy_bytes, misread

# A plain key without folders has one form, with folders four; one of all oddities some thirty.
MOST_FORMS = 30
# What browsers and JavaScript (encodeURI, encodeURIComponent) leave as it is (RFC 3986, pchar).
_PATH = "/!$&'()*+,;=:@"
_COMPONENT = "!*'()"
# Each escaped form has one of these: where a text has none, it need not be searched for them.
ESCAPES = (b"%", b"\\", b"&", b"+")
# How a slash is escaped.
SLASHES = (b"%2F", b"%2f", b"\\/")
# A key in which nothing but the slash is ever escaped, as nearly all are.
_PLAIN = re.compile(r"[A-Za-z0-9_.\-~/]*", re.ASCII)
_CODE = re.compile(r"\\u[0-9a-f]{4}")


def plain_forms(key: str) -> list[str]:
    """The key, and where its Unicode can be composed in another way, that; each also misread as
    Latin-1. None of it escaped.
    """
    if key.isascii():
        return [key]
    normal = _normal_forms(key)
    return list(dict.fromkeys([*normal, *(form for one in normal for form in misread(one))]))


def _normal_forms(key: str) -> list[str]:
    normal = (unicodedata.normalize(form, key) for form in ("NFC", "NFD"))
    return list(dict.fromkeys([key, *normal]))


def sought_forms(key: str) -> list[str | bytes]:
    """`plain_forms`, and the key in Windows-1252 where that has its characters and it is not the
    same.
    """
    plain: list[str | bytes] = list(plain_forms(key))
    if not key.isascii() and (legacy := legacy_bytes(unicodedata.normalize("NFC", key))):
        plain.append(legacy)
    return plain


def escaped_forms(key: str) -> list[str]:
    """The key as URLs, JSON and HTML write it, where they write it in another way than it is."""
    if not is_odd(key):
        return [key.replace("/", slash.decode()) for slash in SLASHES] if "/" in key else []
    plain = plain_forms(key)
    found: dict[str, None] = {}
    # What is misread and escaped is found once its escapes are undone.
    for form in _normal_forms(key):
        found |= dict.fromkeys(_escaped(form))
    for form in plain:
        found.pop(form, None)
    return list(found)[: MOST_FORMS - len(plain)]


def written_forms(key: str) -> list[str]:
    """All forms of a key, itself first, at most `MOST_FORMS`."""
    return [*plain_forms(key), *escaped_forms(key)]


def is_odd(key: str) -> bool:
    """Whether more of the key than its slashes is escaped somewhere."""
    return _PLAIN.fullmatch(key) is None


def _escaped(key: str) -> Iterator[str]:
    """The commonest first."""
    urls = [quote(key, safe=safe, errors="surrogatepass") for safe in ("/", _PATH, "", _COMPONENT)]
    urls.append(quote_plus(key, safe="/", errors="surrogatepass"))
    urls.append(quote_plus(key, errors="surrogatepass"))
    yield from urls
    # Python and PHP write small letters, others capitals; PHP escapes slashes, unless told not to.
    small = json.dumps(key)[1:-1]
    capital = _CODE.sub(lambda found: found[0][:2] + found[0][2:].upper(), small)
    as_it_is = json.dumps(key, ensure_ascii=False)[1:-1]
    yield from (as_it_is, small, as_it_is.replace("/", "\\/"), small.replace("/", "\\/"))
    yield from (capital, capital.replace("/", "\\/"))
    yield from (html.escape(key, quote=False), html.escape(key))
    yield from map(_lower_escapes, urls)


def _lower_escapes(url: str) -> str:
    """`%2F` as `%2f`; the key's own letters stay."""
    head, *pieces = url.split("%")
    return head + "".join(f"%{piece[:2].lower()}{piece[2:]}" for piece in pieces)
