"""One text that is a URL or a key: what the parts of lists and documents are read as.

Closes incident group c (same key, different spelling): a URL without its scheme, or with it hidden
behind escapes and quotes.
"""

from __future__ import annotations

import re
from collections.abc import Set

from s3gc_core.references.codecs.bucket_names import BucketNames
from s3gc_core.references.codecs.url import SCHEME, path_keys, relative_keys, url_keys
from s3gc_core.references.spellings import LONGEST, spellings

_NOTHING: Set[str] = frozenset()
_HOST = re.compile(r"[\w\-]+(?:\.[\w\-]+)+(?::\d+)?")
# A scheme, or what may hide one.
_HIDING = re.compile(r"[:%\\&\"'<`\0\ufeff]")


def single_keys(text: str, names: BucketNames) -> set[str]:
    """`text` as one URL where it is one, otherwise as one key."""
    stripped = text.strip()
    if SCHEME.match(stripped):
        # Kept as written too: nothing forbids a key that looks like a URL.
        found = spellings(text) if stripped.startswith("//") else {text}
        found |= url_keys(text, names)
    else:
        found = path_keys(text)
        if names.url_patterns or stripped.startswith("/") or _HIDING.search(text[:32]):
            found |= url_keys(text, names)
        elif "?" in text:
            found |= relative_keys(stripped, names)
        found |= without_host(text, names)
    return {key for key in found if len(key) <= LONGEST}


def without_host(text: str, names: BucketNames) -> Set[str]:
    """What follows a host name written without scheme, as in `cdn.example.org/a.jpg`."""
    first, slash, rest = text.partition("/")
    if not (slash and rest and "." in first and _HOST.fullmatch(first)):
        return _NOTHING
    return spellings(rest) | url_keys("//" + text, names)
