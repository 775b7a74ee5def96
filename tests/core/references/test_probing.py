"""The plain ways to write a key: each of them is read as that key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.references import BucketNames, is_probed, keys_of_value, probed_forms

AWS = BucketNames("photos", cdn_bases=("https://cdn.example/img/",))
OWN = BucketNames("photos", "store.example:9000", endpoint_path="s3")
KEYS = st.from_regex(r"[a-zé ü+%&0-9]{1,8}(/[a-z.0-9]{1,8}){0,3}\.jpg", fullmatch=True)


def test_the_forms() -> None:
    assert set(probed_forms(["a b.jpg"], AWS)) == {
        f"{base}{name}"
        for name in ("a b.jpg", "a%20b.jpg")
        for base in (
            *("", "/", "https://cdn.example/img/", "s3://photos/"),
            *("https://photos.s3.amazonaws.com/", "https://s3.amazonaws.com/photos/"),
        )
    }
    assert set(probed_forms(["a.jpg", "a.jpg"], OWN)) == {
        *("a.jpg", "/a.jpg", "s3://photos/a.jpg"),
        *(f"{scheme}://store.example:9000/s3/photos/a.jpg" for scheme in ("http", "https")),
        *(f"{scheme}://photos.store.example:9000/a.jpg" for scheme in ("http", "https")),
    }


@given(KEYS, st.sampled_from([AWS, OWN]))
def test_a_row_that_is_found_holds_the_key(key: str, names: BucketNames) -> None:
    for form in probed_forms([key], names):
        assert key in keys_of_value(Codec.AUTO, form, names), form


@pytest.mark.parametrize("codec", Codec)
def test_only_whole_values_are_asked_for(codec: Codec) -> None:
    assert is_probed(SourceConfig("t", ("k",), codec)) is (codec is Codec.KEY)
