"""Keys in URLs that name another bucket: only what is certainly not ours is passed over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3gc_core.config import Codec
from s3gc_core.config_create import create_config
from s3gc_core.references import BucketNames, ColumnId, KeySearch, keys_of_value

KEY = "photos/a-key-of-ours.jpg"
NAMES = BucketNames.of(create_config(bucket="ours", endpoint_url="http://127.0.0.1:9000"))
# A host that names its bucket, or one that serves many below a path of its own.
AWS = BucketNames("ours")
BELOW = BucketNames("ours", "store.test:9000", endpoint_path="s3")
COLUMN = ColumnId("main", "public.t", "k")


def is_found(text: str, names: BucketNames = NAMES) -> bool:
    return bool(KeySearch([KEY], names).mentions(COLUMN, [1], [text]))


@pytest.mark.parametrize(
    "text",
    [
        f"s3://other/{KEY}",
        f"see <s3://other/{KEY}>.",
        f"https://other.s3.amazonaws.com/{KEY}?v=1",
        f"http://127.0.0.1:9000/other/{KEY}",
        f"arn:aws:s3:::other/{KEY}",
        f"https://other.s3.amazonaws.com/{KEY}#top",
        f"https://s3.eu-west-1.amazonaws.com/other/{KEY}",
        f'<img src="https://other.s3.amazonaws.com/{KEY}">',
        f'{{"u":"{{\\"v\\":\\"https:\\/\\/other.s3.amazonaws.com\\/{KEY}\\"}}"}}',
    ],
)
def test_another_bucket_is_passed_over(text: str) -> None:
    assert not is_found(text)
    assert KeySearch([KEY]).mentions(COLUMN, [1], [text])


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"s3://ours/{KEY}",
        f"https://a.host.nobody.knows/{KEY}",
        f"/srv/files/{KEY}",
        f"s3://other/x.jpg {KEY}",
        f's3://other/x.jpg","{KEY}',
        f"s3://other/x.jpg,s3://ours/{KEY}",
        f"s3://point-abc-s3alias/{KEY}",
        f"s3a://mfzwi23gnjvgw.mrap/{KEY}",
        f"https://s3.us-east-1.amazonaws.com/point-abc-s3alias/{KEY}",
        f"http://127.0.0.1:9000/resize-abc--ol-s3/{KEY}",
        f"arn:aws:s3:::point-abc-s3alias/{KEY}",
        f"http://img.127.0.0.1:9000/{KEY}",
        f"https://other.s3.amazonaws.com/r?url=https://ours.s3.amazonaws.com/{KEY}",
        f"https://other.s3.amazonaws.com/r?url=https%3A%2F%2Fours.s3.amazonaws.com%2F{KEY}",
    ],
)
def test_whatever_may_be_ours_counts(text: str) -> None:
    assert is_found(text)


FORMER = [
    f"https://former.s3.amazonaws.com/{KEY}",
    f"https://former.s3.amazonaws.com/{KEY}?v=1",
    f"https://s3.eu-west-1.amazonaws.com/former/{KEY}",
    f"http://127.0.0.1:9000/former/{KEY}",
    f"s3://former/{KEY}",
]


@pytest.mark.parametrize("url", FORMER)
def test_the_name_that_a_bucket_had_may_be_told(url: str) -> None:
    """Rows of before a move count for nothing until somebody says so: by a base or a pattern."""
    before = url.partition(KEY)[0]
    told = [replace(NAMES, url_patterns=(f"{before}{{key}}",))]
    if not before.startswith("s3:"):
        told.append(replace(NAMES, cdn_bases=(before,)))
    for names in (NAMES, *told):
        found = names is not NAMES
        assert is_found(f"see {url} here", names) is found
        for codec in (Codec.URL, Codec.AUTO):
            assert (KEY in keys_of_value(codec, url, names)) is found
        # Nobody told of these.
        assert not is_found(url.replace("former", "other"), names)
        assert KEY not in keys_of_value(Codec.AUTO, url.replace("former", "other"), names)


ELSEWHERE = "https://other.s3.amazonaws.com/x.jpg"


@pytest.mark.parametrize(
    "between",
    [
        *(
            ",",
            ", ",
            ";",
            "|",
            "](/",
            ")![](/",
            ",url(/",
            "?orig=",
            "&bak=",
            "=",
            "#",
            "#/",
            "!",
            ":",
        ),
        *("/", "/a/", "//", "}/{", "{", "[", "(", "\u3001", "\uff0c", "\u00a0", "\u200b", "\u2014"),
        *("%20", "%2C", "%0A", "%2Fa%2F", "*", "~", "+", "@", "$", "-", "_", ".", "\\n", "\\u0026"),
    ],
)
def test_a_key_behind_a_url_of_another_bucket_counts(between: str) -> None:
    assert is_found(f"{ELSEWHERE}{between}{KEY}", AWS)


@pytest.mark.parametrize(
    "behind", [*("/", ".bak", "-2", "%2C", ",", ")", "|", "\u3001", "&x=1", "\\n", "%20(2)", ":")]
)
def test_a_key_that_is_not_all_of_the_path_counts(behind: str) -> None:
    """Whether it is by itself is another question."""
    assert is_found(f"https://other.s3.amazonaws.com/{KEY}{behind}", AWS)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://store.test:9000/s3/other/{}", False),
        ("http://store.test:9000/other/{}", True),
        ("http://store.test:9000/s3x/{}", True),
        ("http://other.store.test:9000/{}", True),
        ("http://store.test:9000/s3/other/a/{}", True),
        ("http://store.test:9000/s3/other/x.jpg/{}", True),
        ("http://store.test:9000/s3/ours/{}", True),
        ("http://other.store.test:9000/a/{}", True),
    ],
)
def test_below_the_endpoint_s_path_a_bucket_may_stand_before_the_key_and_nothing_else(
    url: str, found: bool
) -> None:
    assert is_found(url.format(KEY), BELOW) is found
