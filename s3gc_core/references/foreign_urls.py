"""Whether a key that was found in a text is the object of a URL that names another bucket. Pure."""

from __future__ import annotations

import re

from s3gc_core.references.codecs import BucketNames, url_keys
from s3gc_core.references.codecs.hosts import Serves, host_of
from s3gc_core.references.spellings import LONGEST

_BEGIN = re.compile(rb"(?:s3[an]?|https?)://|arn:[a-z0-9-]+:s3:", re.IGNORECASE)
_END = re.compile(rb"[\s\"'<>`\0\\]")
# What may stand right behind the whole path of a URL. What else does may be a part of the path, or
# the border of another text: then the key may be ours.
_PATH_END = re.compile(rb"[ \t\r\n\"'<>`\0?#]|\\+[\"']|\Z")
# All that may stand between where a URL begins and its key: a host or a bucket, or both.
_BEFORE_KEY = re.compile(
    rb"(?:(?P<scheme>s3[an]?|https?)://(?P<host>[A-Za-z0-9.\-]+(?::\d+)?)/(?P<folders>[A-Za-z0-9._\-/]*)"
    rb"|arn:[a-z0-9-]+:s3:[a-z0-9-]*:\d*:[A-Za-z0-9.\-]+/)",
    re.IGNORECASE,
)


def is_elsewhere(text: bytes, start: int, end: int, names: BucketNames) -> bool:
    """Whether the key at `start:end` is all of the path of a URL, behind its host or bucket, and
    `url_keys` says that this names no key of this bucket.

    A host that is not known may stand for this one: its URLs count. So does a key anywhere else
    in such a URL, or behind it: lists, queries and links stand in texts without a space.
    """
    begin = None
    for found in _BEGIN.finditer(text, max(0, start - LONGEST), start):
        begin = found
    if begin is None or not _PATH_END.match(text, end):
        return False
    before = _BEFORE_KEY.fullmatch(text, begin.start(), start)
    if before is None or not _is_bucket_before(before, names):
        return False
    after = _END.search(text, end)
    try:
        url = text[begin.start() : after.start() if after else len(text)].decode()
    except UnicodeDecodeError:
        return False
    return not url_keys(url, names)


def _is_bucket_before(before: re.Match[bytes], names: BucketNames) -> bool:
    """Whether what stands between a URL's host and the key is a bucket, where the host serves
    several, and else nothing.
    """
    if before["host"] is None:
        return True
    serves = host_of(before["host"].decode(), names).serves
    folders = before["folders"].decode()
    if serves not in (Serves.BUCKETS, Serves.BELOW):
        return not folders
    if serves is Serves.BELOW:
        folders = folders.removeprefix(f"{names.endpoint_path}/")
    return folders.count("/") == 1 and folders.endswith("/")
