"""How applications write the key of an object into a column: one function a way.

Written from S3's documentation and from what web frameworks do; shares nothing with the codecs.
"""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

from s3gc_core.config import Codec
from s3gc_core.references import BucketNames

BUCKET = "photos"
ENDPOINT = "s3.example.org:9000"
CDN = "https://cdn.example.org/static/"
NAMES = BucketNames(BUCKET, ENDPOINT, (CDN,))

Writing = Callable[[str], str]

# Whole values: found by the codec that is named, and by `auto`.
AS_KEY: dict[str, Writing] = {
    "plain": lambda key: key,
    "percent-encoded": lambda key: quote(key, safe="/"),
    "percent-encoded with its slashes": lambda key: quote(key, safe=""),
    "form-encoded": quote_plus,
    "leading slash": lambda key: "/" + quote(key, safe="/"),
    "NFC": lambda key: unicodedata.normalize("NFC", key),
    "NFD": lambda key: unicodedata.normalize("NFD", key),
    "HTML-escaped": html.escape,
    "inside of a JSON string": lambda key: json.dumps(key)[1:-1],
    "spaces around": lambda key: f"  {quote(key, safe='/')}\n",
}

# Hosts under which AWS serves a bucket (S3 user guide: virtual hosting, dual-stack, transfer
# acceleration, website endpoints, FIPS), and the prefix of the path there.
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
    "{bucket}." + ENDPOINT,
)
PATH_STYLE = (
    "s3.amazonaws.com/{bucket}",
    "s3.eu-west-1.amazonaws.com/{bucket}",
    "s3-eu-west-1.amazonaws.com/{bucket}",
    "s3.dualstack.eu-west-1.amazonaws.com/{bucket}",
    "s3-fips.dualstack.us-east-2.amazonaws.com/{bucket}",
    ENDPOINT + "/{bucket}",
)


def url_writings(bucket: str) -> dict[str, Writing]:
    """URLs that name `bucket` outright."""

    def under(base: str) -> Writing:
        return lambda key: base + quote(key, safe="/")

    places = {place: place.format(bucket=bucket) for place in (*HOSTED, *PATH_STYLE)}
    first = HOSTED[0].format(bucket=bucket)
    return {
        **{f"https {name}": under(f"https://{place}/") for name, place in places.items()},
        "http": under(f"http://{first}/"),
        "capital scheme and host": under(f"HTTPS://{first.upper()}/"),
        "protocol-relative": under(f"//{first}/"),
        "with a port": under(f"https://{first}:443/"),
        "with a user": under(f"https://someone@{first}/"),
        "presigned": lambda key: (
            f"https://{first}/{quote(key, safe='/')}?X-Amz-Signature=ab%2Fcd&x=/y.jpg#top"
        ),
        "s3 scheme": lambda key: f"s3://{bucket}/{key}",
        "s3a scheme": lambda key: f"s3a://{bucket}/{key}",
    }


AS_URL: dict[str, Writing] = {
    **url_writings(BUCKET),
    "CDN base": lambda key: CDN + quote(key, safe="/"),
    "CDN base with a query": lambda key: f"{CDN}{quote(key, safe='/')}?w=200",
    "unknown host": lambda key: "https://images.example.net/" + quote(key, safe="/"),
    "unknown host, bucket in the path": lambda key: (
        f"https://proxy.example.net/{BUCKET}/{quote(key, safe='/')}"
    ),
}

AS_JSON: dict[str, Writing] = {
    "string": json.dumps,
    "string as it is": lambda key: json.dumps(key, ensure_ascii=False),
    "escaped slashes": lambda key: json.dumps(key).replace("/", "\\/"),
    "member": lambda key: json.dumps({"image": {"src": key, "width": 200}}),
    "member name": lambda key: json.dumps({key: True}),
    "list with spaces around": lambda key: f"\n {json.dumps(['x', [key]])} ",
    "JSON inside JSON": lambda key: json.dumps(json.dumps({"a": [key]})),
    "URL inside": lambda key: json.dumps({"u": CDN + quote(key, safe="/")}),
}

AS_TEXT: dict[str, Writing] = {
    "HTML attribute": lambda key: f'<p>Hello<img src="{html.escape(key)}" alt="x">!</p>',
    "HTML attribute, single quotes": lambda key: f"<a href='{html.escape(key)}'>x</a>",
    "URL in an HTML attribute": lambda key: (
        f'<img src="https://{BUCKET}.s3.amazonaws.com/{quote(key, safe="/")}?v=1&amp;w=2">'
    ),
    "Markdown image": lambda key: f"# A\n![alt text]({quote(key, safe='/')}) more",
    "Markdown link with a title": lambda key: f'[x](/{quote(key, safe="/")} "a title")',
    "srcset": lambda key: f'<img srcset="{quote(key, safe="/")} 1x, other.jpg 2x">',
    "style": lambda key: f"<div style='background: url({quote(key, safe='/')})'>",
    "sentence": lambda key: f"It is at https://{BUCKET}.s3.amazonaws.com/{quote(key, safe='/')}.",
}

DECLARED: list[tuple[Codec, str, Writing]] = [
    (codec, name, writing)
    for codec, writings in (
        (Codec.KEY, AS_KEY),
        (Codec.URL, AS_URL),
        (Codec.JSON, AS_JSON),
        (Codec.TEXT, AS_TEXT),
    )
    for name, writing in writings.items()
]

_PLAIN = st.characters(codec="utf-8", categories=["L", "N"])
_ODD = st.sampled_from([*" %+&#?=~@:,;!$*'\\_-.", "%20", "%25", "&amp;", "é", "e\u0301", "\\u00e9"])
_PART = st.lists(_PLAIN | _ODD, min_size=1, max_size=6).map("".join)


def _normal(key: str) -> bool:
    """One Unicode form, as one upload writes it; no part that is a step of a path."""
    return all(part not in (".", "..") and part == part.strip() for part in key.split("/")) and (
        key in (unicodedata.normalize("NFC", key), unicodedata.normalize("NFD", key))
    )


# Keys as applications make them: a few folders, and a name with an extension.
KEYS = (
    st.builds(
        lambda parts, extension: "/".join(parts) + extension,
        st.lists(_PART, min_size=1, max_size=3),
        st.sampled_from([".jpg", ".tar.gz", ".é"]),
    )
    .filter(_normal)
    .filter(lambda key: len(key.encode()) <= 1024)
)
