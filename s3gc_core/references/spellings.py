"""Every way one key may have been written: too many spellings only keep, too few delete.

Pure functions. Closes incident group c of the field notes (same key, different spelling).
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import xxhash

# A value in which no rule below can find another spelling: the fast path of nearly all rows.
_PLAIN = re.compile(r"[A-Za-z0-9_.\-][A-Za-z0-9_.\-/=@~,:]*", re.ASCII)
# Bounds the closure; ten rules rarely give more than a dozen forms.
_MOST_FORMS = 64
# A key has at most 1,024 bytes (S3 user guide); the longest escape of a byte has 8 characters.
LONGEST = 8 * 1024 + 1024


def key_hash(key: str) -> int:
    """64-bit hash of the key's UTF-8 bytes, signed as SQLite stores integers.

    A collision makes an orphan look referenced, which only keeps it.
    """
    unsigned = xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass"))
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


def spellings(text: str) -> set[str]:
    """All keys that `text` may stand for, `text` itself among them; never the empty string.

    Nothing for a text that is too long to be a key in any spelling.
    """
    if len(text) > LONGEST:
        return set()
    if _PLAIN.fullmatch(text) and "//" not in text and not text.startswith("./"):
        return {text}
    forms = {text}
    fresh = [text]
    while fresh and len(forms) < _MOST_FORMS:
        form = fresh.pop()
        for rule in _RULES:
            other = rule(form)
            if other not in forms:
                forms.add(other)
                fresh.append(other)
    forms.discard("")
    return forms


def fold(key: str) -> str:
    """The form under which near misses meet: case, Unicode form, percent signs, slashes folded."""
    folded = unquote(key)
    # For ASCII, nearly all keys, lower() is the same and several times as fast.
    if folded.isascii():
        folded = folded.lower()
    else:
        folded = unicodedata.normalize("NFKC", folded.casefold())
    folded = folded.replace("\\", "/")
    return (re.sub(r"/{2,}", "/", folded) if "//" in folded else folded).strip("/ ")


def near_forms(key: str) -> Iterator[str]:
    """Folded forms under which a reference to `key` might hide: the key, and its path suffixes.

    A suffix finds the column that holds only a base name, or a path below a missing prefix. A
    suffix without a dot is a bare word and says nothing.
    """
    folded = fold(key)
    yield folded
    rest = folded
    while "/" in rest:
        rest = rest.partition("/")[2]
        if "." in rest.rpartition("/")[2] or "/" in rest:
            yield rest


def _unescape_json(text: str) -> str:
    """Undo JSON string escapes (`\\/`, `\\uXXXX`), taking the text for the inside of a string."""
    if "\\" not in text:
        return text
    try:
        decoded = json.loads(f'"{text}"', strict=False)
    except ValueError:
        return text
    return decoded if isinstance(decoded, str) else text


_RULES: tuple[Callable[[str], str], ...] = (
    str.strip,
    lambda text: text.lstrip("/"),
    lambda text: text.removeprefix("./"),
    lambda text: unquote(text, errors="surrogateescape"),
    lambda text: text.replace("+", " "),
    html.unescape,
    _unescape_json,
    lambda text: text.replace("\\", "/"),
    lambda text: re.sub(r"/{2,}", "/", text),
    lambda text: unicodedata.normalize("NFC", text),
    lambda text: unicodedata.normalize("NFD", text),
)
