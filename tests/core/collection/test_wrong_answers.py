"""A store that answers a read with something else: what is not the object is no backup of it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TypedDict

import pytest

from s3gc_core.bucket import ObjectHeaders, ObjectState
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


async def answered_wrongly(world: World, proxy: Proxy, wrong: Wrong) -> World:
    """Three orphans; reading one of them is answered as `wrong` says."""
    await rows(world, "used")
    world.track({"t": ["k"]})
    for key in ("a", "b", "c", "used"):
        await world.put(key, BODY)
    world.days(10)

    async def answer(exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.path.endswith("/b") and exchange.status == 200:
            exchange.answer = wrong.get("body", exchange.answer)
            for name in exchange.answer_headers:
                if name.lower() == "etag":
                    exchange.answer_headers[name] = wrong.get("etag", f'"{MD5}"')

    proxy.after = answer
    return world


@pytest.mark.parametrize(
    ("wrong", "outcome"),
    [
        ({"body": OTHER}, "failed"),
        # Whole by its own Content-Length, and yet not all of it.
        ({"body": BODY[:-7]}, "failed"),
        ({"body": b""}, "failed"),
        ({"etag": f'"{OTHER_MD5}"'}, "changed"),
        ({"body": OTHER, "etag": f'"{OTHER_MD5}"'}, "changed"),
    ],
)
async def test_what_is_not_the_object_is_not_its_backup(
    proxied: tuple[World, Proxy], wrong: Wrong, outcome: str
) -> None:
    world = await answered_wrongly(*proxied, wrong)
    done = await world.collect()
    assert await world.outcomes(done.operation_id) == {
        "a": "deleted",
        "b": outcome,
        "c": "deleted",
    }
    assert await world.keys() == {"b", "used"}
    proxied[1].after = None
    assert (await world.restore(operation_id=done.operation_id)).counts == {"restored": 2}
    for key in ("a", "b", "c"):
        assert (await world.contents(key))[0] == BODY


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
