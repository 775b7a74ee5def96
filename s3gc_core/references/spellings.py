"""Every way one key may have been written: too many spellings only keep, too few delete.

Pure functions. Closes incident group c of the field notes (same key, different spelling).
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import unquote

import xxhash

from s3gc_core.references.legacy_text import read_again
from s3gc_core.references.path_steps import without_dots

# A value in which no rule below can find another spelling: the fast path of nearly all rows.
_PLAIN = re.compile(r"[A-Za-z0-9_.\-][A-Za-z0-9_.\-/=@~,:]*+", re.ASCII)
# A URL, be its slashes one or two; a letter alone is a drive (`C:/data/a.jpg`).
_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.\-]+:/")
# Bounds the closure. Eight rules that all apply come to 256 forms; a real value has a dozen.
_MOST_FORMS = 256
# Characters in all forms together: long texts that are all escapes have fewer forms.
_MOST_CHARACTERS = 1 << 18
# A key has at most 1,024 bytes (S3 user guide); the longest escape of a byte has 8 characters.
LONGEST = 8 * 1024 + 1024


def key_hash(key: str) -> int:
    """64-bit hash of the key's UTF-8 bytes, signed as SQLite stores integers.

    A collision makes an orphan look referenced, which only keeps it.
    """
    unsigned = xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass"))
    return unsigned - (1 << 64) if unsigned >= 1 << 63 else unsigned


def key_hashes(keys: Sequence[str]) -> list[int]:
    """`key_hash` of each key, in a third of the time."""
    try:
        unsigned = array("Q", map(xxhash.xxh3_64_intdigest, map(str.encode, keys)))
    except UnicodeEncodeError:
        return [key_hash(key) for key in keys]
    return array("q", unsigned.tobytes()).tolist()


def spellings(text: str) -> set[str]:
    """All keys that `text` may stand for, `text` itself among them; never the empty string.

    Nothing for a text that is too long to be a key in any spelling.
    """
    if len(text) > LONGEST:
        return set()
    if _PLAIN.fullmatch(text) and "//" not in text and "./" not in text:
        return {text}
    most = min(_MOST_FORMS, max(32, _MOST_CHARACTERS // len(text))) if text else 1
    forms = {text}
    # In the order found: the forms that are fewest steps away are made first.
    fresh = deque(forms)
    while fresh and len(forms) < most:
        form = fresh.popleft()
        for rule in _RULES:
            other = rule(form)
            if other not in forms:
                forms.add(other)
                fresh.append(other)
    forms.discard("")
    return forms


def fold(key: str) -> str:
    """Case, Unicode form, escapes, plus signs, slashes, steps (`../`) and UTF-8 read as Latin-1
    folded: where near misses meet.
    """
    folded = html.unescape(unquote(key)) if "%" in key or "&" in key else key
    folded = folded.replace("+", " ")
    # For ASCII, nearly all keys, lower() is the same and several times as fast.
    if folded.isascii():
        folded = folded.lower()
    else:
        folded = unicodedata.normalize("NFKC", read_again(folded).casefold())
    folded = folded.replace("\\", "/")
    # Spaces at a name's ends too: its path's last steps are folded as the name alone is.
    if "//" in folded or "/ " in folded or " /" in folded:
        folded = re.sub(r" */[/ ]*", "/", folded)
    if "./" in folded:
        folded = without_dots(folded)
    return folded.strip("/ ")


def storable(text: str) -> str:
    """The text where only UTF-8 may go (SQLite): bytes that are none become visible escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def near_forms(key: str) -> Iterator[str]:
    """Folded forms under which a reference to `key` might hide: the key, and its path suffixes.

    A suffix finds the column that holds only a base name, or a path below a missing prefix. The
    key with a slash before it meets the reference that has more before it (see `reference_forms`).
    """
    folded = fold(key)
    yield folded
    yield f"/{folded}"
    yield from _suffixes(folded)


def reference_forms(key: str) -> Iterator[str]:
    """Folded forms under which a reference to `key` is met by candidates: the key, and, after a
    slash, its path suffixes.

    So `/srv/app/a/b.jpg` meets the candidate `a/b.jpg`, and never `x/b.jpg`: an equal base name
    below other folders says nothing. Nor does the end of a URL: where it may be one of this
    bucket, its path is a reference of its own.
    """
    folded = fold(key)
    yield folded
    if _URL.match(key):
        return
    for suffix in _suffixes(folded):
        yield f"/{suffix}"


def _suffixes(folded: str) -> Iterator[str]:
    """What is left without the first folders. A bare word without a dot says nothing."""
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


def _unquoted(text: str) -> str:
    """Without the quotes around it."""
    inside = text[1:-1]
    return inside if inside and (text[0] + text[-1]) in ('""', "''", "``", "<>") else text


# Padding of fixed-width columns, and a byte order mark, besides white space.
_AROUND = " \t\r\n\v\f\0\x85\xa0\ufeff\u2028\u2029"

_RULES: tuple[Callable[[str], str], ...] = (
    lambda text: text.strip().strip(_AROUND),
    _unquoted,
    lambda text: text.lstrip("/"),
    without_dots,
    lambda text: unquote(text, errors="surrogateescape"),
    lambda text: text.replace("+", " "),
    read_again,
    html.unescape,
    _unescape_json,
    lambda text: text.replace("\\", "/"),
    lambda text: re.sub(r"/{2,}", "/", text) if "//" in text else text,
    lambda text: text if text.isascii() else unicodedata.normalize("NFC", text),
    lambda text: text if text.isascii() else unicodedata.normalize("NFD", text),
)
