"""Which bucket a host serves: the forms of S3's user guide (virtual hosting, path-style,
dual-stack, FIPS, acceleration, websites, access points, partitions), the configured endpoint's, and
the CDN's.

Closes incident group c (same key, different spelling) where the difference is the URL's host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from urllib.parse import unquote

from s3gc_core.references.codecs.bucket_names import BucketNames, is_alias, plain_host

_REGION = r"[a-z]{2,5}(?:-[a-z]+)+-\d{1,2}"
_AWS_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?"
    rf"s3(?:[.-](?:dualstack|accelerate|fips|external-1|(?P<website>website)|{_REGION}))*"
    r"\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov)"
)
# A host name has 253 characters at most; what is longer names nothing.
_LONGEST_HOST = 300


class Serves(Enum):
    """What the path of a URL of some host holds."""

    THIS = auto()  # the bucket's keys
    BUCKETS = auto()  # a bucket's name, then its keys
    BELOW = auto()  # the same below the endpoint's path; of its other paths nobody knows
    ANOTHER = auto()  # another bucket's keys
    UNKNOWN = auto()  # nobody knows: it may be a CDN before this bucket


@dataclass(frozen=True, slots=True)
class Host:
    """What a host serves. `bases` are the CDN's paths on it, "" or with a slash behind them;
    `website` has index documents.
    """

    serves: Serves
    bases: tuple[str, ...] = ()
    website: bool = False


_NO_HOST = Host(Serves.UNKNOWN)


def host_of(authority: str, names: BucketNames) -> Host:
    """What the host of a URL serves. `authority` may hold a user and a port."""
    return _host_of(authority, names) if len(authority) <= _LONGEST_HOST else _NO_HOST


@lru_cache(maxsize=4096)
def _host_of(authority: str, names: BucketNames) -> Host:
    host = plain_host(authority)
    bases = tuple(
        below.rstrip("/") + "/" if below.strip("/") else ""
        for place, _, below in (base.partition("//")[2].partition("/") for base in names.cdn_bases)
        if plain_host(place) == host
    )
    serves, website = _serves(host, names)
    return Host(serves, bases, website)


def _serves(host: str, names: BucketNames) -> tuple[Serves, bool]:
    bucket = names.bucket.lower()
    if endpoint := names.endpoint_host:
        if host == endpoint:
            # Some endpoints name the bucket already: both ways of reading the path count.
            if host.startswith(bucket + "."):
                return Serves.UNKNOWN, False
            # Beside its path there may be the application, or a CDN.
            return (Serves.BELOW if names.endpoint_path else Serves.BUCKETS), False
        # Other names below it may be other buckets, or other services of its domain.
        if host == f"{bucket}.{endpoint}":
            return Serves.THIS, False
    aws = _AWS_HOST.fullmatch(host.partition(":")[0])
    if aws is None:
        return Serves.UNKNOWN, False
    website = aws["website"] is not None
    if aws["bucket"] is None:
        return Serves.BUCKETS, website
    if aws["bucket"] == bucket or names.any_bucket:
        return Serves.THIS, website
    return (Serves.UNKNOWN if is_alias(aws["bucket"]) else Serves.ANOTHER), website


def below_bucket(path: str, names: BucketNames) -> list[str]:
    """What follows the bucket in a path-style URL's path; nothing where it names another bucket.

    Where the endpoint has a path, it may be there or not.
    """
    path = path.lstrip("/")
    paths = [path]
    if not is_outside(path, names):
        paths.append(path[len(names.endpoint_path) + 1 :].lstrip("/"))
    found = []
    for one in paths:
        first, _, below = one.partition("/")
        named = unquote(first).lower()
        if named == names.bucket.lower() or names.any_bucket or is_alias(named):
            found.append(below)
    return found


def is_outside(path: str, names: BucketNames) -> bool:
    """Whether a path is not below the endpoint's own."""
    return not names.endpoint_path or not path.lstrip("/").startswith(names.endpoint_path + "/")
