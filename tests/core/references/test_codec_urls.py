"""Codec url: each host says which bucket it serves, exactly; doubt counts as this bucket."""

from __future__ import annotations

import pytest

from s3gc_core.config import Codec, Config
from s3gc_core.references import BucketNames, keys_of_value
from s3gc_core.references.codecs.hosts import Serves, host_of
from tests.core.references.writings import ACCESS_POINTS, ENDPOINT, HOSTED, NAMES, PATH_STYLE

AWS = BucketNames("photos")


def url(text: str, names: BucketNames = AWS) -> set[str]:
    return keys_of_value(Codec.URL, text, names)


@pytest.mark.parametrize("place", HOSTED)
def test_a_virtual_host_serves_its_own_bucket(place: str) -> None:
    assert host_of(place.format(bucket="photos"), NAMES).serves is Serves.THIS
    # Below an endpoint of one's own there may be a CDN.
    others = Serves.UNKNOWN if place.endswith(ENDPOINT) else Serves.ANOTHER
    for other in ("other", "photos2", "my.photos", "photos.x", "xphotos"):
        assert host_of(place.format(bucket=other), NAMES).serves is others


@pytest.mark.parametrize("place", PATH_STYLE)
def test_a_path_style_host_serves_every_bucket(place: str) -> None:
    assert host_of(place.partition("/")[0], NAMES).serves is Serves.BUCKETS


@pytest.mark.parametrize(
    "host",
    [
        *ACCESS_POINTS,
        "cdn.example.net",
        "s3.example.org",  # the endpoint's host without its port: a proxy, perhaps
        "photos.s3.amazonaws.com.evil.example",
        "bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce.amazonaws.com",
        "s3.console.aws.amazon.com",
        "a" * 400 + ".s3.amazonaws.com",
        "",
    ],
)
def test_of_other_hosts_nobody_knows(host: str) -> None:
    assert host_of(host, NAMES).serves is Serves.UNKNOWN


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("https://s3.amazonaws.com//photos/a.jpg", {"a.jpg"}),
        ("https://s3.amazonaws.com/PHOTOS/a.jpg", {"a.jpg"}),
        ("https://s3.amazonaws.com/ph%6ftos/a.jpg", {"a.jpg"}),
        ("https://s3.amazonaws.com/photos2/a.jpg", set()),
        ("https://photos.s3.amazonaws.com./a.jpg", {"a.jpg"}),
        ("https://photos.s3.amazonaws.com:80/a.jpg", {"a.jpg"}),
        ("https:/photos.s3.amazonaws.com/a.jpg", {"a.jpg"}),
        ("s3:/photos/a.jpg", {"a.jpg"}),
        ("https:/other.s3.amazonaws.com/a.jpg", set()),
        ("https://photos.s3.amazonaws.com/a.jpg#top", {"a.jpg", "a.jpg#top"}),
        ("s3:///a/b.jpg", {"a/b.jpg"}),
        ("s3://key:secret@photos/a.jpg", {"a.jpg"}),
        ("s3://s3.amazonaws.com/photos/a.jpg", {"a.jpg"}),
        ("s3://photos.s3.amazonaws.com/a.jpg", {"a.jpg"}),
        ("s3://s3.amazonaws.com/other/a.jpg", set()),
        ("S3A://Photos/a.jpg", {"a.jpg"}),
        ("https://photos.s3.amazonaws.com/a/../b.jpg", {"a/../b.jpg", "b.jpg"}),
        ("https://photos.s3.amazonaws.com/../b.jpg", {"../b.jpg", "b.jpg"}),
        ("https://s3.amazonaws.com/other/../photos/a.jpg", {"a.jpg"}),
        ("https://s3.amazonaws.com/other/%2E%2e/photos/a.jpg", {"a.jpg"}),
        ("https://s3.amazonaws.com/other/x/../a.jpg", set()),
        ("s3://point-abc-s3alias/a.jpg", {"a.jpg"}),
        ("s3a://Mfzwi23gnjvgw.mrap/a.jpg", {"a.jpg"}),
        ("s3://zoned--use1-az4--xa-s3/a.jpg", {"a.jpg"}),
        ("s3://other--use1-az4--x-s3/a.jpg", set()),
        ("https://s3.us-east-1.amazonaws.com/point-abc-s3alias/a.jpg", {"a.jpg"}),
        ("https://s3.us-east-1.amazonaws.com/point-abc%2Ds3alias/a.jpg", {"a.jpg"}),
        ("arn:aws:s3:::point-abc-s3alias/a.jpg", {"a.jpg"}),
        ("arn:aws:s3:::photos", set()),
        ("arn:aws:s3:::photos/", set()),
        ("arn:aws:s3:::other/a.jpg", set()),
        ("arn:aws:sqs:eu-west-1:1:photos/a.jpg", set()),
        ("arn:aws:s3::123456789012:accesspoint/x.mrap/object/a/b.jpg", {"a/b.jpg"}),
        ("https://x.example/v1/public/photos/a.jpg", {"v1/public/photos/a.jpg", "a.jpg"}),
        ("https://x.example/photos/photos/a", {"photos/photos/a", "photos/a", "a"}),
        (
            "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com/photos/a.jpg",
            {"photos/a.jpg", "a.jpg"},
        ),
        ("https://photos.s3-website.eu-west-1.amazonaws.com/docs/", {"docs/", "docs/index.html"}),
        ("http://photos.s3-website-us-east-1.amazonaws.com", {"index.html"}),
        ("http://other.s3-website-us-east-1.amazonaws.com/", set()),
        ("gs://photos/a.jpg", {"photos/a.jpg", "a.jpg"}),
        ("public://2024/a.jpg", {"2024/a.jpg", "a.jpg"}),
        ("ftp://photos/a.jpg", set()),
        ("wss://photos/a.jpg", set()),
        ("/media/a.jpg?v=2", {"media/a.jpg", "media/a.jpg?v=2"}),
        ("media/a.jpg", set()),
        ('"https://photos.s3.amazonaws.com/a.jpg"', {"a.jpg"}),
        ("<https://photos.s3.amazonaws.com/a.jpg>", {"a.jpg"}),
        ("https:\\/\\/photos.s3.amazonaws.com\\/a.jpg", {"a.jpg"}),
        ("https&#58;&#47;&#47;photos.s3.amazonaws.com&#47;a.jpg", {"a.jpg"}),
        ("https%253A%252F%252Fphotos.s3.amazonaws.com%252Fa.jpg", {"a.jpg"}),
        ("https%3A%2F%2Fother.s3.amazonaws.com%2Fa.jpg", set()),
    ],
)
def test_urls(text: str, keys: set[str]) -> None:
    assert url(text) == keys


ARN = "arn:aws:s3:eu-west-1:123456789012:accesspoint/media"


@pytest.mark.parametrize("bucket", [ARN, "media-abcdefgh1234-s3alias", "resize-abc--ol-s3"])
@pytest.mark.parametrize("place", [*HOSTED, *PATH_STYLE])
def test_behind_an_access_point_may_be_any_bucket(bucket: str, place: str) -> None:
    """The bucket's own name is not known, so no URL of S3 can be said to name another one."""
    names = BucketNames(bucket, ENDPOINT)
    assert "a/b c.jpg" in url(f"https://{place.format(bucket='anything')}/a/b%20c.jpg", names)
    assert "a/b.jpg" in url("s3://anything/a/b.jpg", names)
    assert "a/b.jpg" in url("arn:aws:s3:::anything/a/b.jpg", names)


SUPABASE = "https://ref.supabase.co/storage/v1/s3"


@pytest.mark.parametrize(
    ("endpoint", "text", "found"),
    [
        (f"http://{ENDPOINT}/base", f"http://{ENDPOINT}/base/photos/a.jpg", True),
        (f"http://{ENDPOINT}/base/", f"http://{ENDPOINT}/base/photos/a.jpg", True),
        (f"http://{ENDPOINT}/base", f"http://{ENDPOINT}/photos/a.jpg", True),
        (f"http://{ENDPOINT}/base", f"http://{ENDPOINT}/base/other/a.jpg", False),
        (f"http://{ENDPOINT}", f"http://{ENDPOINT}/base/photos/a.jpg", False),
        ("https://photos.fra1.example.com", "https://photos.fra1.example.com/a.jpg", True),
        ("https://photos.fra1.example.com", "https://photos.fra1.example.com/photos/a.jpg", True),
        ("https://S3.Example.com:443/", "http://s3.example.com/photos/a.jpg", True),
        ("https://s3.example.com", "https://photos.s3.example.com/a.jpg", True),
        ("https://s3.example.com", "https://img.s3.example.com/a.jpg", True),
        ("https://s3.example.com", "https://s3.example.com/other/a.jpg", False),
        ("https://s3.eu-west-1.amazonaws.com", "https://o.s3.eu-west-1.amazonaws.com/a.jpg", False),
        ("https://example.com/photos", "https://example.com/photos/a.jpg", True),
        ("https://example.com/photos", "https://example.com/photos/photos/a.jpg", True),
        ("https://example.com/s3", "https://cdn.example.com/a.jpg", True),
        ("https://example.com/s3", "https://example.com/s3/other/a.jpg", False),
        ("https://example.com/s3", "https://s3.amazonaws.com/other/a.jpg", False),
        (SUPABASE, f"{SUPABASE}/photos/a.jpg", True),
        (SUPABASE, "https://ref.supabase.co/storage/v1/object/public/photos/a.jpg", True),
        (SUPABASE, "https://ref.supabase.co/storage/v1/render/image/public/photos/a.jpg", True),
    ],
)
def test_the_configured_endpoint(endpoint: str, text: str, found: bool) -> None:
    names = BucketNames.of(Config("photos", endpoint_url=endpoint))
    assert ("a.jpg" in url(text, names)) is found


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("https://example.com/media/a.jpg", {"media/a.jpg"}),
        ("https://example.com/a.jpg?v=1", {"a.jpg", "a.jpg?v=1"}),
        ("https://example.com/s3x/a.jpg", {"s3x/a.jpg"}),
        ("https://cdn.example.com/media/a.jpg", {"media/a.jpg"}),
        ("https://photos.example.com/a.jpg", {"a.jpg"}),
        ("https://example.com/s3/other/a.jpg", set()),
    ],
)
def test_the_application_beside_its_endpoint(text: str, keys: set[str]) -> None:
    """What is not below the endpoint's path may be a URL by which the application serves keys."""
    names = BucketNames.of(Config("photos", endpoint_url="https://example.com/s3"))
    assert url(text, names) == keys


@pytest.mark.parametrize("base", ["https://c.example/img", "https://c.example/img/"])
def test_a_cdn_base_ends_at_a_slash(base: str) -> None:
    names = BucketNames("photos", None, (base,))
    assert url("https://c.example/img/a.jpg", names) == {"img/a.jpg", "a.jpg"}
    assert url("https://c.example/img2/a.jpg", names) == {"img2/a.jpg"}
    assert url("https://c.example/images", names) == {"images"}


def test_a_cdn_base_counts_whatever_its_host_looks_like() -> None:
    names = BucketNames("photos", None, ("https://other.s3.amazonaws.com/x/",))
    assert "a.jpg" in url("https://other.s3.amazonaws.com/x/a.jpg", names)
    assert url("https://another.s3.amazonaws.com/x/a.jpg", names) == set()


def test_a_url_inside_of_another_bucket_s_url_counts() -> None:
    inner = "https%3A%2F%2Fphotos.s3.amazonaws.com%2Fa%2520b.jpg"
    assert url(f"https://other.s3.amazonaws.com/view.html?u={inner}&w=1") == {
        "a%20b.jpg",
        "a b.jpg",
    }
    # Only a URL does: a bare path in the query is one of that other bucket.
    assert url("https://other.s3.amazonaws.com/view.html?url=a.jpg&key=/b.jpg") == set()
