"""A store that refuses to write some objects: those fail with its reason, the others come back.

No local server refuses so: the proxy answers as S3 documents it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from s3gc_core.bucket import WriteDenied
from s3gc_core.errors import BucketUnreachable, S3gcError
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import World

BODY = b"an orphan's bytes"
REFUSALS = {
    "disabled": (400, "KMS.DisabledException", "the key is disabled"),
    "no-kms": (
        403,
        "AccessDenied",
        "not authorized to perform: kms:GenerateDataKey on resource: k",
    ),
    "denied": (403, "AccessDenied", "Access Denied"),
    "invalid": (400, "InvalidRequest", "no"),
}
OTHERS = {"a", "z"}
KEYS = (*REFUSALS, *OTHERS)


@pytest.fixture
async def collected(sqlite_world: World) -> AsyncIterator[tuple[World, Proxy]]:
    """Deleted objects, and an honest proxy before their bucket."""
    world = sqlite_world
    async with running_proxy(world.config.endpoint_url) as proxy:
        world.config = replace(world.config, endpoint_url=proxy.endpoint)
        world.track({"files": ["path"]})
        await world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
        await world.app.execute("INSERT INTO files (path) VALUES ('used')")
        for key in ("used", *KEYS):
            await world.put(key, BODY)
        world.days(10)
        assert (await world.collect()).counts == {"deleted": len(KEYS)}
        yield world, proxy


def refuse(proxy: Proxy, world: World, refusals: dict[str, tuple[int, str, str]]) -> None:
    """From now on writing these keys is refused."""
    by_path = {f"/{world.config.bucket}/{key}": refusal for key, refusal in refusals.items()}

    async def before(exchange: Exchange) -> None:
        refusal = by_path.get(exchange.path.split("?")[0])
        if exchange.method == "PUT" and refusal is not None:
            exchange.status, code, message = refusal
            error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
            exchange.answer = error.encode()

    proxy.before = before


async def test_refused_objects_fail_and_the_others_come_back(
    collected: tuple[World, Proxy],
) -> None:
    world, proxy = collected
    refuse(proxy, world, REFUSALS)
    done = await world.restore(*KEYS)
    assert (done.outcome, done.counts) == ("partial", {"restored": 2, "failed": 4})
    assert await world.keys() == {"used", *OTHERS}
    reasons = await told(world, done.operation_id)
    assert {key for key, reason in reasons.items() if reason} == set(REFUSALS)
    for key, (status, code, message) in REFUSALS.items():
        assert f"({status} {code}: {message})" in reasons[key]

    proxy.before = None
    again = await world.restore(*KEYS)
    assert again.counts == {"already-there": 2, "restored": 4}


async def test_a_locked_object_is_not_overwritten_and_stops_nothing(
    collected: tuple[World, Proxy],
) -> None:
    world, proxy = collected
    for key in OTHERS:
        await world.put(key, b"newer")
    refuse(proxy, world, {"a": (403, "AccessDenied", "object protected by object lock")})
    done = await world.restore(*KEYS, overwrite=True)
    assert done.counts == {"restored": 5, "failed": 1}
    bodies = {key: (await world.contents(key))[0] for key in KEYS}
    assert bodies == {**dict.fromkeys(KEYS, BODY), "a": b"newer"}


async def test_what_concerns_the_whole_bucket_stops_the_restore(
    collected: tuple[World, Proxy],
) -> None:
    world, proxy = collected
    stopping: list[tuple[int, str, type[S3gcError]]] = [
        (403, "AccessDenied", WriteDenied),
        (404, "NoSuchBucket", BucketUnreachable),
        (403, "InvalidAccessKeyId", BucketUnreachable),
    ]
    for status, code, error in stopping:
        refuse(proxy, world, dict.fromkeys(KEYS, (status, code, "no")))
        with pytest.raises(error) as caught:
            await world.restore(*KEYS)
        assert caught.value.exit_code == 6
        assert await world.keys() == {"used"}
    proxy.before = None
    assert (await world.restore(*KEYS)).counts == {"restored": len(KEYS)}


async def told(world: World, operation_id: str) -> dict[str, str]:
    """The reason of each restored key, as the audit log has it."""
    async with world.collector() as collector:
        reasons = {}
        async for page in collector.audit.entries(operation_id=operation_id, kinds=("restored",)):
            for entry in page:
                reasons[entry.record.key] = entry.record.reason  # type: ignore[union-attr]
        return reasons
