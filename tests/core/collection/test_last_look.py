"""Right before the delete: the same bytes, uploaded once more after the backup, are not deleted."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from s3gc_core.bucket import ListedObject, ObjectHeaders, ObjectState, last_look
from s3gc_core.bucket.last_look import changed_since, is_listed_as
from s3gc_core.collection import execute
from tests.core.bucket import pieces
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.world import World

BODY = b"an orphan's bytes " * 20
PLAIN = ObjectHeaders(content_type="text/plain", metadata={"from": "a test"})
OLD = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
READ = ObjectState("k", '"e"', 5, OLD, None, 0, PLAIN)
BUSY = b"<Error><Code>SlowDown</Code><Message>no</Message></Error>"


@dataclass(frozen=True, slots=True)
class Behind:
    """A world behind a proxy with so many orphans, `direct` without it."""

    world: World
    direct: World
    proxy: Proxy

    async def fill(self, count: int) -> set[str]:
        self.world.track({"files": ["path"]})
        await self.world.app.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT)")
        await self.world.app.execute("INSERT INTO files (path) VALUES ('used.txt')")
        orphans = {f"{n:03}.bin" for n in range(count)}
        async with self.direct.bucket() as bucket:
            for key in ("used.txt", *orphans):
                await bucket.put(key, pieces(BODY), len(BODY), PLAIN)
        self.world.days(10)
        return orphans

    def heads(self) -> list[str]:
        """Which objects were looked at, once for each HEAD."""
        paths = [e.path.split("/", 2) for e in self.proxy.seen if e.method == "HEAD"]
        return [path[2] for path in paths if len(path) == 3]


@pytest.fixture
async def behind(sqlite_world: World) -> AsyncIterator[Behind]:
    direct = replace(sqlite_world)
    async with running_proxy(sqlite_world.config.endpoint_url) as proxy:
        sqlite_world.config = replace(sqlite_world.config, endpoint_url=proxy.endpoint)
        yield Behind(sqlite_world, direct, proxy)


def is_of_plan(exchange: Exchange) -> bool:
    return exchange.method == "POST" and b"000.bin" in exchange.body


async def upload_again(world: World, key: str) -> None:
    """The same bytes and headers; ends once the store dates them to another second."""
    deadline = time.monotonic() + 10
    async with world.bucket() as bucket:
        before = now = await bucket.head(key)
        assert before is not None
        while now is None or now.last_modified == before.last_modified:
            assert time.monotonic() < deadline
            await bucket.put(key, pieces(BODY), len(BODY), PLAIN, if_match=before.etag)
            now = await bucket.head(key)


@pytest.mark.parametrize("count", [2, last_look.WORTH_A_PAGE + 10], ids=["looked-at", "listed"])
async def test_what_was_uploaded_again_since_its_backup_is_kept(behind: Behind, count: int) -> None:
    """Once the same in all but its age, and once with other headers."""
    orphans = await behind.fill(count)
    new = ObjectHeaders(content_type="image/png", metadata={"owner": "alice"})
    touched: set[str] = set()

    async def application(exchange: Exchange) -> None:
        key = exchange.path.rsplit("/", 1)[-1]
        if exchange.method == "GET" and key in ("000.bin", "001.bin") and key not in touched:
            touched.add(key)
            if key == "000.bin":
                await upload_again(behind.direct, key)
            else:
                await behind.direct.put(key, BODY, new)

    behind.proxy.after = application
    done = await behind.world.collect()
    assert touched == {"000.bin", "001.bin"}
    outcomes = await behind.world.outcomes(done.operation_id)
    assert {key for key, outcome in outcomes.items() if outcome == "changed"} == touched
    assert {key for key, outcome in outcomes.items() if outcome == "deleted"} == orphans - touched
    assert await behind.direct.keys() == {"used.txt", *touched}
    assert (await behind.direct.contents("001.bin"))[1] == new
    # What lies close together is looked at by listing it: a few HEADs for all of them.
    assert len(behind.heads()) < 16


async def test_who_cannot_be_looked_at_is_judged_again_first(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is committed while the store is too busy for the look is seen before it."""
    await behind.fill(3)
    refused = 0

    async def too_busy(exchange: Exchange) -> None:
        nonlocal refused
        was_read = any(e.method == "GET" and e.path.endswith("/000.bin") for e in behind.proxy.seen)
        if was_read and exchange.method == "HEAD" and exchange.path.endswith("/000.bin"):
            refused += 1
            if refused == 1:
                await behind.world.app.execute("INSERT INTO files (path) VALUES ('000.bin')")
                exchange.status, exchange.answer = 503, BUSY

    behind.proxy.before = too_busy
    done = await behind.world.collect()
    assert await behind.world.outcomes(done.operation_id) == {
        "000.bin": "kept", "001.bin": "deleted", "002.bin": "deleted"
    }  # fmt: skip
    assert refused == 1
    assert not any(is_of_plan(exchange) for exchange in behind.proxy.seen)


@pytest.mark.parametrize("late", ["look", "judgement"])
async def test_a_judgement_that_is_too_old_deletes_nothing(
    behind: Behind, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """As where the machine slept between the last check and the delete."""
    orphans = await behind.fill(2)
    if late == "look":
        monkeypatch.setattr(last_look, "WITHIN_SECONDS", -1.0)
    else:
        monkeypatch.setattr(execute, "JUDGED_LASTS_SECONDS", -1.0)
    monkeypatch.setattr(execute, "IN_VAIN", 1)
    done = await behind.world.collect()
    assert done.counts == {"failed": 2}
    assert await behind.direct.keys() == {"used.txt", *orphans}
    assert not any(is_of_plan(exchange) for exchange in behind.proxy.seen)


@pytest.mark.parametrize(
    ("now", "names"),
    [
        ({}, []),
        ({"etag": '"f"'}, ["ETag"]),
        ({"size": 6}, ["size"]),
        ({"last_modified": OLD + timedelta(seconds=1)}, ["LastModified"]),
        ({"version_id": "v2"}, ["version"]),
        ({"tag_count": 1}, ["tags"]),
        ({"headers": ObjectHeaders(content_type="image/png")}, ["headers"]),
        ({"headers": msgspec.structs.replace(PLAIN, tags={"a": "b"}, part_size=5)}, []),
    ],
)
def test_in_what_an_object_differs(now: dict[str, object], names: list[str]) -> None:
    assert changed_since(READ, msgspec.structs.replace(READ, **now)) == names


def test_a_listing_settles_only_what_it_shows_unchanged() -> None:
    shown = ListedObject("k", 5, '"e"', OLD + timedelta(milliseconds=7))
    assert is_listed_as(READ, shown)
    others: list[dict[str, object]] = [
        {"size": 6}, {"etag": '"f"'}, {"storage_class": "GLACIER"},
        {"last_modified": OLD + timedelta(seconds=1)},
    ]  # fmt: skip
    assert not any(is_listed_as(READ, msgspec.structs.replace(shown, **one)) for one in others)
    assert not is_listed_as(None, shown)
    tagged = msgspec.structs.replace(PLAIN, tags={"a": "b"})
    assert not is_listed_as(msgspec.structs.replace(READ, headers=tagged), shown)
