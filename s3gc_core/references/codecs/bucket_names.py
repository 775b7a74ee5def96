"""How a URL may name the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from s3gc_core.config import Config
from s3gc_core.url_pattern import UrlPattern, parse_pattern

# Names under which AWS serves an access point: nobody can tell from them which bucket is behind.
_ALIASES = ("-s3alias", "--ol-s3", "--op-s3", "--xa-s3", ".mrap")


@dataclass(frozen=True, slots=True)
class BucketNames:
    """How a URL may name this bucket.

    `endpoint_host` is the object store's host with its port, `endpoint_path` what its URLs have
    before the bucket (without slashes around it). `url_patterns` say where a resizer's URLs have
    the key.
    """

    bucket: str
    endpoint_host: str | None = None
    cdn_bases: tuple[str, ...] = ()
    url_patterns: tuple[str, ...] = ()
    endpoint_path: str = ""

    @classmethod
    def of(cls, config: Config) -> BucketNames:
        """The names that a configuration gives its bucket."""
        endpoint = urlsplit(config.endpoint_url) if config.endpoint_url else None
        return cls(
            config.bucket,
            plain_host(endpoint.netloc) if endpoint else None,
            config.cdn_bases,
            config.url_patterns,
            endpoint.path.strip("/") if endpoint else "",
        )

    @property
    def patterns(self) -> tuple[UrlPattern, ...]:
        """The patterns, parsed."""
        return _parsed(self.url_patterns)

    @property
    def any_bucket(self) -> bool:
        """Whether the bucket's own name is not known: it is configured as an access point."""
        return is_alias(self.bucket)


@lru_cache(maxsize=64)
def _parsed(patterns: tuple[str, ...]) -> tuple[UrlPattern, ...]:
    return tuple(parse_pattern(pattern) for pattern in patterns)


def is_alias(bucket: str) -> bool:
    """Whether the name may stand for any bucket: an access point's ARN or alias."""
    return bucket.startswith("arn:") or bucket.endswith(_ALIASES)


def plain_host(authority: str) -> str:
    """The host of a URL in lower case, without user, and without a port that says nothing."""
    host = authority.rpartition("@")[2].lower().removesuffix(":443").removesuffix(":80")
    return host.removesuffix(".") if host.endswith(".") else host
