"""URLs of image resizers and proxies: the original inside is the reference."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from s3gc_core.config import Codec
from s3gc_core.references import BucketNames, keys_of_value
from tests.core.references.test_codec_round_trips import ODD_KEYS
from tests.core.references.writings import CDN, NAMES

S3 = "https://photos.s3.amazonaws.com/"
CODECS = (Codec.URL, Codec.AUTO, Codec.TEXT)
Resized = Callable[[str], str]


def whole(key: str) -> str:
    return quote(S3 + quote(key), safe="")


def base64_url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def cut(text: str) -> str:
    return "/".join(text[at : at + 16] for at in range(0, len(text), 16))


# What the resizers' own documentation calls the URL of a resized picture.
RESIZED: dict[str, Resized] = {
    "Next.js": lambda key: f"/_next/image?url={quote('/' + quote(key), safe='')}&w=640&q=75",
    "Next.js, other order": lambda key: f"/_next/image?w=640&url={whole(key)}&q=75",
    "Next.js on a host": lambda key: f"https://w.example/_next/image?url={whole(key)}&w=640",
    "Next.js in HTML": lambda key: f"/_next/image?w=640&amp;url={whole(key)}&amp;q=75",
    "Vercel": lambda key: f"https://w.example/_vercel/image?url={whole(key)}&w=640",
    "Netlify": lambda key: f"https://w.example/.netlify/images?url=/{quote(quote(key))}&w=50",
    "Cloudflare": lambda key: f"https://w.example/cdn-cgi/image/width=80,fit=cover/{quote(key)}",
    "Cloudflare, relative": lambda key: f"/cdn-cgi/image/width=80/{quote(key)}",
    "Cloudflare, URL": lambda key: f"https://w.example/cdn-cgi/image/width=80/{S3}{quote(key)}",
    "imgproxy plain": lambda key: f"https://i.example/sig/rs:fit:300/plain/{quote(key)}@webp",
    "imgproxy plain s3": lambda key: f"https://i.example/s/w:9/plain/s3://photos/{quote(key)}@png",
    "imgproxy plain, encoded": lambda key: f"https://i.example/insecure/w:9/plain/{whole(key)}",
    "imgproxy at the root": lambda key: f"https://i.example/plain/{quote(key)}",
    "imgproxy base64": lambda key: f"https://i.example/s/w:9/{base64_url(S3 + quote(key))}.webp",
    "imgproxy base64, cut": lambda key: (
        f"https://i.example/s/w:9/{cut(base64_url(S3 + quote(key)))}"
    ),
    "imgproxy base64 s3": lambda key: f"https://i.example/s/{base64_url('s3://photos/' + key)}.png",
    "AWS image handler": lambda key: (
        "https://d1.cloudfront.net/"
        + base64_url(json.dumps({"bucket": "photos", "key": key, "edits": {"resize": {}}}))
    ),
    "thumbor": lambda key: f"https://t.example/unsafe/300x200/smart/{quote(key)}",
    "thumbor, signed": lambda key: (
        f"https://t.example/{'Ab-_' * 6}Abc=/fit-in/-300x0/filters:quality(80)/{quote(key)}"
    ),
    "thumbor, URL": lambda key: f"https://t.example/unsafe/300x200/{S3}{quote(key)}",
    "thumbor, host": lambda key: (
        f"https://t.example/unsafe/trim/9x9/photos.s3.amazonaws.com/{quote(key)}"
    ),
    "Cloudinary": lambda key: f"https://res.example/c/image/fetch/w_300,f_auto/{whole(key)}",
    "Cloudinary, plain": lambda key: f"https://res.example/c/image/fetch/w_300/{S3}{quote(key)}",
    "ImageKit": lambda key: f"https://ik.example/id/tr:w-300,h-200/{quote(key)}",
    "IPX": lambda key: f"/_ipx/w_200&f_webp/{quote(key)}",
    "IPX, URL": lambda key: f"/_ipx/s_200x200/{S3}{quote(key)}",
    "imgix proxy": lambda key: f"https://x.imgix.example/{whole(key)}?w=300&s=0123",
    "imgix": lambda key: f"https://x.imgix.example/{quote(key)}?w=300&auto=format",
    "Photon": lambda key: f"https://i0.example/photos.s3.amazonaws.com/{quote(key)}?w=300",
    "Photon, CDN": lambda key: f"https://i0.example/{CDN.partition('//')[2]}{quote(key)}?ssl=1",
    "merged slashes": lambda key: f"https://p.example/300/{S3.replace('//', '/')}{quote(key)}",
    "console": lambda key: (
        f"https://eu-west-1.console.example/s3/object/photos?region=eu-west-1&prefix={quote(key)}"
    ),
    **{
        f"parameter {name}": lambda key, name=name: (  # type: ignore[misc]
            f"https://r.example/resize?w=1&{name}={quote(key, safe='')}&h=2"
        )
        for name in ("url", "src", "image", "file", "key", "path", "image[src]", "URL")
    },
    "two proxies": lambda key: (
        "https://a.example/?url="
        + quote(f"https://b.example/_next/image?url={whole(key)}&w=1", safe="")
    ),
}


@pytest.mark.parametrize("resized", RESIZED.values(), ids=list(RESIZED))
def test_the_original_is_found(resized: Resized) -> None:
    lost = [
        (codec, key, resized(key))
        for key in ODD_KEYS
        for codec in CODECS
        if key not in keys_of_value(codec, resized(key), NAMES)
    ]
    assert lost == []


@pytest.mark.parametrize(
    "text",
    [
        "https://a.example/?url=" + quote("https://other.s3.amazonaws.com/users/a.jpg", safe=""),
        "https://a.example/300/https://other.s3.amazonaws.com/users/a.jpg",
        "https://a.example/plain/s3://other/users/a.jpg@webp",
        "https://a.example/unsafe/3x3/other.s3.amazonaws.com/users/a.jpg",
        "https://i.example/" + base64_url("https://other.s3.amazonaws.com/users/a.jpg"),
    ],
)
def test_the_original_in_another_bucket_is_none(text: str) -> None:
    assert "users/a.jpg" not in keys_of_value(Codec.URL, text, NAMES)
    assert "users/a.jpg" in keys_of_value(Codec.URL, text.replace("other", "photos"), NAMES) or (
        "users/a.jpg"
        in keys_of_value(
            Codec.URL,
            "https://i.example/" + base64_url("https://photos.s3.amazonaws.com/users/a.jpg"),
            NAMES,
        )
    )


PATTERNS = (
    "https://img.example.org/*/original/{key}@*",
    "/thumb?of={key}&**",
    "https://**.shop.example/i/{key}/zoom",
    "drupal://{key}",
    "uploads|{key}|*",
)
WITH_PATTERNS = BucketNames("photos", None, (), PATTERNS)
BY_PATTERN: dict[str, Resized] = {
    "prefix and suffix": lambda key: f"https://img.example.org/w300/original/{quote(key)}@webp",
    "http, capital host": lambda key: f"http://IMG.example.org/w300/original/{quote(key)}@webp",
    "protocol-relative": lambda key: f"//img.example.org/w300/original/{quote(key)}@webp",
    "URL inside": lambda key: f"https://img.example.org/w/original/{S3}{quote(key)}@webp",
    "relative": lambda key: f"/thumb?of={quote(key, safe='')}&w=200&h=1/2",
    "on any host": lambda key: f"https://x.example/thumb?of={quote(key, safe='')}&w=200",
    "sub-domain": lambda key: f"https://a.b.shop.example/i/{quote(key)}/zoom",
    "another scheme": lambda key: f"drupal://{quote(key)}",
}


@pytest.mark.parametrize("resized", BY_PATTERN.values(), ids=list(BY_PATTERN))
def test_a_configured_pattern(resized: Resized) -> None:
    lost = [
        (codec, key)
        for key in ODD_KEYS
        for codec in CODECS
        if key not in keys_of_value(codec, resized(key), WITH_PATTERNS)
    ]
    assert lost == []


def test_without_the_pattern_it_is_not_found() -> None:
    """The tests above are only worth something where nothing else finds the key."""
    for name in ("prefix and suffix", "sub-domain"):
        assert "u/a.jpg" not in keys_of_value(Codec.AUTO, BY_PATTERN[name]("u/a.jpg"), AWS), name


AWS = BucketNames("photos")


def test_a_pattern_over_a_whole_value() -> None:
    assert "a/b.jpg" in keys_of_value(Codec.AUTO, "uploads|a/b.jpg|1", WITH_PATTERNS)
    assert "a/b.jpg" in keys_of_value(Codec.URL, "uploads|a/b.jpg|1", WITH_PATTERNS)


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example/" + "plain/" * 1500,
        "https://x.example/?" + "url=https%3A%2F%2Fx.example%2F%3F&" * 400,
        "https://x.example/?url=" * 600,
        "https://x.example/" + "unsafe/3x3/" * 900,
        "https://x.example/" + ("eyJ" + "a" * 20 + "/") * 400,
        "https://x.example/" + "photos/" * 1300,
        "/cdn-cgi/image/a/" * 600,
    ],
)
def test_hostile_urls_take_bounded_time(text: str) -> None:
    began = time.process_time()
    for codec in CODECS:
        assert "" not in keys_of_value(codec, text, WITH_PATTERNS)
    # Far above what it takes; far below what a tree of URLs in URLs would.
    assert time.process_time() - began < 20
