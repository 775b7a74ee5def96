"""Keys in URLs that name another bucket: only what is certainly not ours is passed over."""

from __future__ import annotations

import pytest

from s3gc_core.config_create import create_config
from s3gc_core.references import BucketNames, ColumnId, KeySearch

KEY = "photos/a-key-of-ours.jpg"
NAMES = BucketNames.of(create_config(bucket="ours", endpoint_url="http://127.0.0.1:9000"))
COLUMN = ColumnId("main", "public.t", "k")


def is_found(text: str) -> bool:
    return bool(KeySearch([KEY], NAMES).mentions(COLUMN, [1], [text]))


@pytest.mark.parametrize(
    "text",
    [
        f"s3://other/{KEY}",
        f"see <s3://other/{KEY}>.",
        f"https://other.s3.amazonaws.com/{KEY}?v=1",
        f"http://127.0.0.1:9000/other/{KEY}",
        f"arn:aws:s3:::other/{KEY}",
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
        f"https://other.s3.amazonaws.com/r?url=https://ours.s3.amazonaws.com/{KEY}",
        f"https://other.s3.amazonaws.com/r?url=https%3A%2F%2Fours.s3.amazonaws.com%2F{KEY}",
    ],
)
def test_whatever_may_be_ours_counts(text: str) -> None:
    assert is_found(text)
