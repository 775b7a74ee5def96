"""Whether a key that was found in a text is part of a URL that names another bucket. Pure."""

from __future__ import annotations

import re

from s3gc_core.references.codecs import BucketNames, url_keys
from s3gc_core.references.spellings import LONGEST

_BEGIN = re.compile(rb"(?:s3[an]?|https?)://|arn:[a-z0-9-]+:s3:", re.IGNORECASE)
_END = re.compile(rb"[\s\"'<>`\0\\]")


def is_elsewhere(text: bytes, start: int, end: int, names: BucketNames) -> bool:
    """Whether the key at `start:end` is in a URL of which `url_keys` says that it names no key of
    this bucket. A host that is not known may stand for this one: its URLs count.
    """
    begin = None
    for found in _BEGIN.finditer(text, max(0, start - LONGEST), start):
        begin = found
    if begin is None or _END.search(text, begin.end(), end):
        return False
    after = _END.search(text, end)
    try:
        url = text[begin.start() : after.start() if after else len(text)].decode()
    except UnicodeDecodeError:
        return False
    return not url_keys(url, names)
