"""URLs by which applications name an object: one `Way` each (see `writing`)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from tests.worlds.model import BUCKET, CDN_BASE, ENDPOINT_HOST
from tests.worlds.writing import Way, fully, no, one, path, trimmed

HOSTED = (
    "{bucket}.s3.amazonaws.com",
    "{bucket}.s3.eu-west-1.amazonaws.com",
    "{bucket}.s3-eu-west-1.amazonaws.com",
    "{bucket}.s3.us-gov-west-1.amazonaws.com",
    "{bucket}.s3.cn-north-1.amazonaws.com.cn",
    "{bucket}.s3.dualstack.eu-central-1.amazonaws.com",
    "{bucket}.s3-accelerate.amazonaws.com",
    "{bucket}.s3-accelerate.dualstack.amazonaws.com",
    "{bucket}.s3-website-us-east-1.amazonaws.com",
    "{bucket}.s3-website.eu-central-1.amazonaws.com",
    "{bucket}.s3-fips.us-east-1.amazonaws.com",
    "reports-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
)
PATH_STYLE = (
    "s3.amazonaws.com/{bucket}",
    "s3.eu-west-1.amazonaws.com/{bucket}",
    "s3-eu-west-1.amazonaws.com/{bucket}",
    "s3.dualstack.eu-west-1.amazonaws.com/{bucket}",
    "s3-fips.dualstack.us-east-2.amazonaws.com/{bucket}",
)


_FIRST = HOSTED[0].format(bucket=BUCKET)
_SIGNED = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab%2Fcd&x=/y.jpg#top"


def under(base: str, encode: Callable[[str], str] = path) -> Callable[[str], str]:
    """Writes the key below a base."""
    return lambda key: base + encode(key)


def _plus(key: str) -> str:
    return quote_plus(key, safe="/")


# URLs that mean an object of this bucket.
URL: tuple[Way, ...] = (
    *(
        one(f"https, {place}", under(f"https://{place.format(bucket=BUCKET)}/"))
        for place in (*HOSTED, *PATH_STYLE)
    ),
    one("endpoint, path style", under(f"http://{ENDPOINT_HOST}/{BUCKET}/")),
    one("endpoint, virtual host", under(f"http://{BUCKET}.{ENDPOINT_HOST}/")),
    one("protocol-relative", under(f"//{_FIRST}/")),
    one("capital scheme and host", under(f"HTTPS://{_FIRST.upper()}/")),
    one("with a port", under(f"https://{_FIRST}:443/")),
    one("with a user", under(f"https://someone:word@{_FIRST}/")),
    one("presigned", lambda key: f"https://{_FIRST}/{path(key)}{_SIGNED}"),
    one("URL with a version", lambda key: f"https://{_FIRST}/{path(key)}?versionId=3%2Fx"),
    one("URL percent-encoded twice", under(f"https://{_FIRST}/", lambda key: path(path(key)))),
    one("URL with + for a space", under(f"https://{_FIRST}/", _plus)),
    one("URL with a double slash", under(f"https://{_FIRST}//")),
    one("URL with a step up", under(f"https://{_FIRST}/posts/../")),
    one("URL with a step up, percent-encoded", under(f"https://{_FIRST}/posts/%2e%2e/")),
    one("s3 scheme, percent-encoded", under(f"s3://{BUCKET}/")),
    one("CDN", under(CDN_BASE)),
    one("CDN with a query", lambda key: f"{CDN_BASE}{path(key)}?w=200&amp;v=3"),
    one("unknown host", under("https://images.example.net/")),
    one("unknown host, bucket first", under(f"https://proxy.example.net/{BUCKET}/")),
)
# URLs with the key in them as it is, as the tools of data lakes write them.
RAW_URL: tuple[Way, ...] = tuple(
    one(name, under(f"{name}{BUCKET}/", str), no("?#", inside=trimmed))
    for name in ("s3://", "s3a://", "s3n://", "arn:aws:s3:::")
)


def _encoded(key: str) -> str:
    return base64.urlsafe_b64encode(f"s3://{BUCKET}/{path(key)}".encode()).decode().rstrip("=")


def _quoted(key: str) -> str:
    return quote(f"https://{_FIRST}/{path(key)}", safe="")


RESIZER_PATTERNS = (
    "https://img.example.org/*/plain/{key}@*",
    "https://fit.example.org/cdn-cgi/image/*/{key}",
    "https://wp.example.org/{key}-300x200",
)
RESIZER: tuple[Way, ...] = (
    one("imgproxy", lambda key: f"https://img.example.org/s/rs:fit:30/plain/{fully(key)}@webp"),
    one("cdn-cgi", lambda key: f"https://fit.example.org/cdn-cgi/image/w=80,q=75/{path(key)}"),
    one("size at the end", lambda key: f"https://wp.example.org/{path(key)}-300x200"),
    # Those that need no pattern.
    one("imgproxy, base64", lambda key: f"https://i.example.net/s/rs:fit/{_encoded(key)}.png"),
    one("thumbor", lambda key: f"https://t.example.net/unsafe/300x200/smart/{path(key)}"),
    one("URL in a query", lambda key: f"https://n.example.net/_next/image?url={_quoted(key)}&w=3"),
    one("key in a query", lambda key: f"/media.php?w=80&amp;file={quote(key, safe='')}"),
)


# URLs that name another bucket outright, and so mean no object of this one.
OTHER_BUCKETS: tuple[Callable[[str], str], ...] = (
    under("https://other-bucket.s3.amazonaws.com/"),
    under("https://s3.eu-west-1.amazonaws.com/other-bucket/"),
    under(f"http://{ENDPOINT_HOST}/other-bucket/"),
    under("s3://other-bucket/"),
)
