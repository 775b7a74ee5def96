"""A store that answers a read with something else: what is not the object is no backup of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TypedDict

import pytest

from s3gc_core.bucket import ObjectHeaders, ObjectState
from s3gc_core.bucket.failures import StoreFailed
from s3gc_core.collection.backup import other_bytes, other_object
from s3gc_core.vault import Outcome, Result
from tests.core.judgement.controlled import rows
from tests.core.judgement.evidence import item
from tests.servers.proxy import Exchange, Proxy
from tests.world import World

THEN = datetime(2026, 11, 1, tzinfo=UTC)
BODY = b"an orphan's own bytes " * 30
OTHER = b"another object's bytes" * 30
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
OTHER_MD5 = hashlib.md5(OTHER, usedforsecurity=False).hexdigest()
assert len(BODY) == len(OTHER)


class Wrong(TypedDict, total=False):
    """What the answer holds instead of the object's own."""

    body: bytes
    etag: str


# What reading each object is answered with, and how that object ends.
WRONG: dict[str, tuple[Wrong, str]] = {
    "other-bytes": ({"body": OTHER}, "failed"),
    # Whole by its own Content-Length, and yet not all of it.
    "cut": ({"body": BODY[:-7]}, "failed"),
    "empty": ({"body": b""}, "failed"),
    "other-etag": ({"etag": f'"{OTHER_MD5}"'}, "changed"),
    "other-object": ({"body": OTHER, "etag": f'"{OTHER_MD5}"'}, "changed"),
    "right": ({}, "deleted"),
}


async def test_what_is_not_the_object_is_not_its_backup(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    await rows(world, "used")
    world.track({"t": ["k"]})
    for key in ("used", *WRONG):
        await world.put(key, BODY)
    world.days(10)

    async def answer(exchange: Exchange) -> None:
        wrong, _ = WRONG.get(exchange.path.rpartition("/")[2], (Wrong(), ""))
        if exchange.method == "GET" and exchange.status == 200:
            exchange.answer = wrong.get("body", exchange.answer)
            for name in exchange.answer_headers:
                if name.lower() == "etag":
                    told = exchange.answer_headers[name]
                    exchange.answer_headers[name] = wrong.get("etag", told)

    proxy.after = answer
    done = await world.collect()
    assert await world.outcomes(done.operation_id) == {k: ended for k, (_, ended) in WRONG.items()}
    assert await world.keys() == {"used", *WRONG} - {"right"}
    proxy.after = None
    assert (await world.restore(operation_id=done.operation_id)).counts == {"restored": 1}
    for key in WRONG:
        assert (await world.contents(key))[0] == BODY


async def test_an_empty_answer_is_not_taken_for_no_tags(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    await world.put("a", BODY)

    async def empty(exchange: Exchange) -> None:
        if exchange.path.endswith("?tagging"):
            exchange.answer = b""

    proxy.after = empty
    async with world.bucket() as bucket:
        with pytest.raises(StoreFailed, match="not even no tags"):
            await bucket.tags("a")


def state(
    etag: str = f'"{MD5}"', size: int = len(BODY), encryption: str | None = None
) -> ObjectState:
    headers = ObjectHeaders(encryption=encryption)
    return ObjectState("k", etag, size, THEN, None, 0, headers)


@pytest.mark.parametrize(
    ("found", "result"),
    [
        (state(), None),
        (state(etag=MD5), None),  # some stores leave the quotes out in one place
        (
            state(etag=f'"{OTHER_MD5}"'),
            Result(
                "k",
                Outcome.CHANGED,
                f'asked for ETag "{MD5}", the store answered "{OTHER_MD5}"',
            ),
        ),
        (
            state(size=7),
            Result("k", Outcome.FAILED, f"the store listed {len(BODY)} bytes and answered 7"),
        ),
    ],
)
def test_the_headers_say_which_object_it_is(found: ObjectState, result: Result | None) -> None:
    assert other_object(item("k", etag=f'"{MD5}"', size=len(BODY)), found) == result


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (state(), True),
        (state(encryption="AES256"), True),
        # What is no MD5 tells nothing: in parts, or encrypted by another key than S3's own.
        (state(etag=f'"{MD5}-1"'), False),
        (state(encryption="aws:kms"), False),
        (state(encryption="aws:kms:dsse"), False),
        (state(etag='"0x8DC-an-azure-gateway"'), False),
    ],
)
def test_the_etag_says_which_bytes(found: ObjectState, told: bool) -> None:
    assert other_bytes(found, MD5) is None
    assert (other_bytes(found, OTHER_MD5) is not None) is told
