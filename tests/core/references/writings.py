"""How applications write the key of an object into a column: one function a way.

Written from S3's documentation and from what web frameworks do; shares nothing with the codecs.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import pickle
import re
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
BytesWriting = Callable[[str], bytes]

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
    "percent-encoded twice": lambda key: quote(quote(key, safe="/"), safe="/"),
    "in quotes": lambda key: f'"{key}"',
    "in single quotes": lambda key: f"'{quote(key)}'",
    "JSON string": json.dumps,
    "padded with zeros": lambda key: f"{key}\0\0",
    "with a query": lambda key: f"/{quote(key)}?v=3",
    "HTML-escaped, numbers": lambda key: re.sub(r"\W", lambda c: f"&#{ord(c[0])};", key),
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
    "{bucket}.s3-fips.dualstack.us-gov-east-1.amazonaws.com",
    "{bucket}.s3-fips-us-gov-west-1.amazonaws.com",
    "{bucket}.s3-website.cn-northwest-1.amazonaws.com.cn",
    "{bucket}.s3-external-1.amazonaws.com",
    "{bucket}." + ENDPOINT,
)
PATH_STYLE = (
    "s3.amazonaws.com/{bucket}",
    "s3.eu-west-1.amazonaws.com/{bucket}",
    "s3-eu-west-1.amazonaws.com/{bucket}",
    "s3.dualstack.eu-west-1.amazonaws.com/{bucket}",
    "s3-fips.dualstack.us-east-2.amazonaws.com/{bucket}",
    "s3.cn-north-1.amazonaws.com.cn/{bucket}",
    "s3-us-gov-west-1.amazonaws.com/{bucket}",
    "s3-external-1.amazonaws.com/{bucket}",
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
        "s3n scheme, encoded": lambda key: f"s3n://{bucket}/{quote(key, safe='/')}",
        "ARN": lambda key: f"arn:aws:s3:::{bucket}/{key}",
        "ARN in China": lambda key: f"arn:aws-cn:s3:::{bucket}/{key}",
        "ARN in GovCloud": lambda key: f"arn:aws-us-gov:s3:::{bucket}/{key}",
        "encoded as a whole": lambda key: quote(f"https://{first}/{quote(key)}", safe=""),
        "in JSON, slashes escaped": lambda key: json.dumps(f"https://{first}/{quote(key)}").replace(
            "/", "\\/"
        ),
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

# Names under which only AWS knows which bucket is meant: these may be this one.
ACCESS_POINTS = (
    "media-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
    "media-123456789012.s3-accesspoint.dualstack.eu-west-1.amazonaws.com",
    "media-123456789012.s3-accesspoint-fips.us-east-1.amazonaws.com",
    "media-abcdefgh1234-s3alias.s3.eu-west-1.amazonaws.com",
    "mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com",
    "resize-123456789012.s3-object-lambda.eu-west-1.amazonaws.com",
    "resize-abcdefgh1234--ol-s3.s3.eu-west-1.amazonaws.com",
    "media-123456789012.s3-accesspoint.cn-north-1.amazonaws.com.cn",
)
AS_URL |= {
    f"access point {point}": lambda key, point=point: f"https://{point}/{quote(key, safe='/')}"  # type: ignore[misc]
    for point in ACCESS_POINTS
}
AS_URL |= {
    "access point's ARN": lambda key: (
        f"arn:aws:s3:eu-west-1:123456789012:accesspoint/media/object/{key}"
    ),
    "s3 scheme with an access point's ARN": lambda key: (
        f"s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/media/{key}"
    ),
    "another scheme": lambda key: f"public://{key}",
    "another scheme with the bucket": lambda key: f"gs://{BUCKET}/{key}",
    "relative": lambda key: f"/{quote(key)}?v=3",
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
    "JSON inside JSON inside JSON": lambda key: json.dumps(
        {"a": json.dumps({"b": json.dumps(key)})}
    ),
}


def array(*elements: str, bare: bool = False) -> str:
    """A PostgreSQL array literal; `bare` leaves out the quotes where that is allowed."""

    def element(text: str) -> str:
        if bare and not re.search(r"[{}\",\\\s]", text) and text.upper() not in ("", "NULL"):
            return text
        return '"' + re.sub(r"([\"\\])", r"\\\1", text) + '"'

    return "{" + ",".join(map(element, elements)) + "}"


AS_ARRAY: dict[str, Writing] = {
    "one": array,
    "several": lambda key: array("x.jpg", key, "NULL"),
    "as the server writes it": lambda key: array("x.jpg", key, bare=True),
    "nested": lambda key: "{" + array("x") + "," + array(key, bare=True) + "}",
    "with NULL and bounds": lambda key: "[0:1]={NULL," + array(key)[1:-1] + "}",
    "spaces": lambda key: "{ " + array(key)[1:-1] + " , NULL }",
    "JSON": lambda key: json.dumps(["x.jpg", key]),
    "JSON, nested": lambda key: json.dumps([["x.jpg"], [[key]]], indent=1),
    "URLs": lambda key: array(CDN + quote(key), "x"),
}


def csv_line(*fields: str, separator: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=quoting).writerow(fields)  # type: ignore[arg-type]
    return out.getvalue()


AS_CSV: dict[str, Writing] = {
    "one": csv_line,
    "several": lambda key: csv_line("x.jpg", key, "y.jpg"),
    "all quoted": lambda key: csv_line("x", key, quoting=csv.QUOTE_ALL),
    "spaces round separators": lambda key: f'"x" , {csv_line(key, quoting=csv.QUOTE_ALL)[:-2]} , z',
    "several lines": lambda key: csv_line("a.jpg", "b.jpg") + csv_line("c", key) + csv_line("d"),
    "percent-encoded": lambda key: f"a.jpg, {quote(key)},b.jpg",
    "URLs": lambda key: f"{CDN}a.jpg,{CDN}{quote(key)}",
    "lines": lambda key: f"a.jpg\n{quote(key)}\nb.jpg\n",
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


def php(value: object) -> str:
    """PHP's serialize: the lengths of strings are in bytes."""
    match value:
        case dict():
            inside = "".join(php(name) + php(member) for name, member in value.items())
            return f"a:{len(value)}:{{{inside}}}"
        case int():
            return f"i:{value};"
        case _:
            return f's:{len(str(value).encode())}:"{value}";'


def wordpress(key: str) -> dict[str, object]:
    """An attachment's metadata: the main file with its folder, the sizes without."""
    base = key.rpartition("/")[2]
    size = {"file": base, "width": 150, "mime-type": "image/jpeg"}
    folder = key.removesuffix(base)
    return {"width": 9, "file": f"{folder}main.jpg", "sizes": {"small": size, "large": size}}


def yaml_folded(key: str) -> str:
    """A double-quoted scalar as Psych and PyYAML fold it, at its spaces."""
    return ":image: " + json.dumps(key, ensure_ascii=False).replace(" ", "\\\n    \\ ")


AS_TEXT |= {
    "PHP string": php,
    "PHP array": lambda key: php({"a": 1, "image": {"src": key}}),
    "PHP in PHP": lambda key: php({"options": php({"image": key})}),
    "PHP, slashed by SQL": lambda key: php({"a": quote(key)}).replace('"', '\\"'),
    "attachment of WordPress": lambda key: php(wordpress(key)),
    "attachment of WordPress as JSON": lambda key: json.dumps(wordpress(key)),
    "YAML, double quotes": lambda key: f"---\n:image: {json.dumps(key)}\n:x: 1\n",
    "YAML, single quotes": lambda key: "---\n- a: 1\n  b: '" + key.replace("'", "''") + "'\n",
    "YAML, plain": lambda key: f"---\n- path: {quote(key, safe='/ ')}\n  x: 1\n",
    "YAML, folded": yaml_folded,
    "YAML, binary": lambda key: (
        f"---\nimage: !binary |-\n  {base64.b64encode(key.encode()).decode()}\n"
    ),
    "backticks": lambda key: f"the file `{key}` is here",
    "JSON in a script": lambda key: f"<script>var x={json.dumps({'s': quote(key)})};</script>",
    "commas": lambda key: f'<img srcset="/{quote(key, safe="/,;")} 1x, /x.jpg 2x">',
    "style, quoted": lambda key: f'.a {{ background: url("{quote(key)}") }}',
    "URL, slashes escaped": lambda key: (
        '{"a":"' + f"https://{BUCKET}.s3.amazonaws.com/{quote(key)}".replace("/", "\\/") + '"'
    ),
}

AS_BYTES: dict[str, BytesWriting] = {
    **{
        f"pickle {protocol}": lambda key, protocol=protocol: pickle.dumps(  # type: ignore[misc]
            {"image": {"src": key, "n": 1}}, protocol
        )
        for protocol in range(6)
    },
    "pickle of Python 2": lambda key: (
        b"}q\x00U\x03srcq\x01T" + len(key.encode()).to_bytes(4, "little") + key.encode() + b"s."
    ),
    "length, text, mark": lambda key: (
        b"\x0a" + len(key.encode()).to_bytes(2, "big") + key.encode() + b"\x12\x01\xff"
    ),
    "UTF-8": lambda key: key.encode(),
    "JSON": lambda key: json.dumps([key]).encode(),
}

AS_ANYTHING: dict[str, Writing] = {
    "base64 of JSON": lambda key: base64.b64encode(json.dumps({"key": key}).encode()).decode(),
    "base64 of a URL": lambda key: base64.b64encode((CDN + quote(key)).encode()).decode(),
    "list of URLs": lambda key: f"{CDN}a.jpg; {CDN}{quote(key)}",
}

DECLARED: list[tuple[Codec, str, Writing]] = [
    (codec, name, writing)
    for codec, writings in (
        (Codec.KEY, AS_KEY),
        (Codec.URL, AS_URL),
        (Codec.JSON, AS_JSON),
        (Codec.TEXT, AS_TEXT),
        (Codec.ARRAY, AS_ARRAY),
        (Codec.CSV, AS_CSV),
        (Codec.AUTO, AS_ANYTHING),
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


# As long as S3 lets them be: 1,024 bytes, of what is written longest.
LONG_KEYS = (
    "\u65e5\u672c/" * 145 + "photo.jpg",
    "a%20b & 'c' + \"d\"/" * 56 + "1\\2.jpg!!!!!!!!!",
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
