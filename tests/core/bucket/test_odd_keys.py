from __future__ import annotations

import pytest

from s3gc_core.bucket import Bucket, DeleteOutcome, DeleteResult, ObjectHeaders
from s3gc_core.bucket.deleting import fits_xml
from tests.core.bucket import bytes_of, listed_keys, pieces

# Keys that both servers carry.
TAME = [
    "a",
    "a/b",
    "a/b/c",
    "A",
    "a b",
    " lead",
    "trail ",
    "\u00e9",
    "e\u0301",
    "日本語/😀",
    "a%41",
    "a%2Fb",
    "a+b",
    "a&b=c;d",
    "q'\"<x>",
    "a?b#c",
    "~!*()@:$,",
    "\u2028",
    "x" * 200 + "/" + "y" * 200 + "/" + "z" * 200 + "/" + "w" * 200 + "/" + "v" * 220,
]
# Keys that only a store without folders carries.
WILD = [
    "/leading",
    "a//b",
    "./a",
    "../a",
    "a/../b",
    "folder/",
    "new\nline",
    "carriage\rreturn",
    "tab\tbed",
    "escape\x1b[2J",
    "\x01",
    "delete\x7f",
    "next\x85line",
    "b\\c",
    "ä" * 512,
]


async def _round_trip(bucket: Bucket, keys: list[str]) -> None:
    etags = {}
    for key in keys:
        etags[key] = await bucket.put(key, pieces(key.encode()), len(key.encode()), ObjectHeaders())
    assert sorted(await listed_keys(bucket)) == sorted(keys)
    for key in keys:
        assert await bytes_of(bucket, key, etags[key]) == key.encode()
        state = await bucket.head(key)
        assert state is not None
        assert (state.key, state.etag, state.size) == (key, etags[key], len(key.encode()))
    kept = dict.fromkeys(keys[::2], '"00000000000000000000000000000000"')
    results = await bucket.delete_batch([(key, kept.get(key, etags[key])) for key in keys])
    assert {key: result.outcome for key, result in results.items()} == {
        key: DeleteOutcome.CHANGED if key in kept else DeleteOutcome.DELETED for key in keys
    }
    assert sorted(await listed_keys(bucket)) == sorted(kept)
    rest = await bucket.delete_batch([(key, etags[key]) for key in kept])
    assert rest == dict.fromkeys(kept, DeleteResult(DeleteOutcome.DELETED))
    assert await listed_keys(bucket) == []


def test_there_are_enough_odd_keys() -> None:
    assert len({*TAME, *WILD}) == len(TAME) + len(WILD) >= 28
    assert max(len(key.encode()) for key in [*TAME, *WILD]) == 1_024


async def test_tame_keys_on_seaweed(bucket: Bucket) -> None:
    await _round_trip(bucket, TAME)


async def test_all_odd_keys_where_keys_are_only_names(aws_like: Bucket) -> None:
    await _round_trip(aws_like, [*TAME, *WILD])


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("a/b", True),
        ("tab\tbed", True),
        ("new\nline", True),
        ("日本語/😀", True),
        ("carriage\rreturn", False),
        ("\x00", False),
        ("escape\x1b", False),
        ("\ufffe", False),
        ("\ud800", False),
        (" lead", False),
        ("trail ", False),
        ("trail\n", False),
    ],
)
def test_which_keys_go_into_a_batch(key: str, fits: bool) -> None:
    assert fits_xml(key) is fits
