"""Collecting from a bucket that keeps versions, and undoing it, on both servers.

SeaweedFS and ministack were both seen to tell the marker in single and in batch deletes, to bring
a version back when its marker goes, and to overwrite the null version while suspended.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from s3gc_core.actions.checks import Check
from s3gc_core.actions.doctor import examine
from s3gc_core.bucket import (
    PROBE_PREFIX,
    Bucket,
    ObjectHeaders,
    Versioning,
    probe_store,
    remove_old_probes,
)
from s3gc_core.bucket.objects import stays_noncurrent
from s3gc_core.bucket.versions import uncovered_by
from s3gc_core.clock import SystemClock
from s3gc_core.config import DRILL_PREFIX, Config
from s3gc_core.databases import DatabaseUrl, Engine
from s3gc_core.errors import S3gcError
from s3gc_core.ids import new_id
from s3gc_core.vault import OperationStarted, Restored, Result
from tests.conftest import MakeBucket
from tests.core.bucket import plain_client
from tests.core.judgement.controlled import rows
from tests.servers.app_database import AppDatabase
from tests.servers.ministack import Ministack
from tests.servers.proxy import Exchange, running_proxy
from tests.servers.seaweed import S3Server
from tests.world import World

HEADERS = ObjectHeaders(content_type="text/x", metadata={"a": "b"}, tags={"t": "1"})
# "b " goes through DeleteObject, "a" through DeleteObjects.
KEYS = ("a", "b ")
# Of these the marker does not bring back what was deleted.
CHANGED = ("covered", "expired")


@pytest.fixture(params=["seaweed", "ministack"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Each server in turn."""
    # Not async: only outside of the event loop can another async fixture be asked for by name.
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def world(make_bucket: MakeBucket, server: S3Server, tmp_path: Path) -> AsyncIterator[World]:
    """A world on each server in turn, with an object that is used."""
    config = await make_bucket(server)
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    made = World(config, database)
    await rows(made, "used")
    made.track({"t": ["k"]})
    yield made
    await database.close()


async def set_versioning(world: World, status: Literal["Enabled", "Suspended"]) -> None:
    async with plain_client(world.config) as s3:
        await s3.put_bucket_versioning(
            Bucket=world.config.bucket, VersioningConfiguration={"Status": status}
        )


async def records(world: World, operation_id: str, *kinds: str) -> list[Any]:
    async with world.collector() as collector:
        return [
            entry.record
            async for page in collector.audit.entries(operation_id=operation_id, kinds=kinds)
            for entry in page
        ]


async def markers(world: World) -> dict[str, str]:
    async with plain_client(world.config) as s3:
        answer = await s3.list_object_versions(Bucket=world.config.bucket)
        # In a versioned bucket the probe object, too, is only hidden.
        return {
            m["Key"]: m["VersionId"]
            for m in answer.get("DeleteMarkers", [])
            if not m["Key"].startswith(PROBE_PREFIX)
        }


async def test_a_marker_frees_nothing_and_is_removed_by_a_restore(world: World) -> None:
    await set_versioning(world, "Enabled")
    before = {key: await world.put(key, b"12345", HEADERS) for key in (*KEYS, *CHANGED)}
    contents = {key: await world.contents(key) for key in KEYS}
    world.days(10)
    scan = await world.scan()
    assert scan.versioning is Versioning.ENABLED
    assert scan.plan_id is not None
    done = await world.execute(scan.plan_id)
    assert (done.counts, done.bytes, done.noncurrent) == ({"deleted": 4}, 20, 20)
    results: list[Result] = await records(world, done.operation_id, "result")
    assert {r.key: r.marker for r in results} == await markers(world)
    assert {r.key: r.version_id for r in results} == {k: s.version_id for k, s in before.items()}

    # Somebody wrote and deleted since: our marker is not the latest any more.
    await world.put("covered", b"another", HEADERS)
    await world.remove("covered")
    async with plain_client(world.config) as s3:
        version = before["expired"].version_id or ""
        await s3.delete_object(Bucket=world.config.bucket, Key="expired", VersionId=version)
    left = await markers(world)

    restored = await world.restore(*KEYS, *CHANGED)
    assert (restored.outcome, restored.counts, restored.unhidden) == ("done", {"restored": 4}, 2)
    assert await markers(world) == {key: left[key] for key in CHANGED}
    assert {key: await world.contents(key) for key in KEYS} == contents
    assert {key: await world.contents(key) for key in CHANGED} == dict.fromkeys(
        CHANGED, (b"12345", HEADERS)
    )
    async with world.bucket() as bucket:
        # Version id and date too: what a restore by writing cannot give back.
        assert {key: await bucket.head(key) for key in KEYS} == {k: before[k] for k in KEYS}
    told: list[Restored] = await records(world, restored.operation_id, "restored")
    assert {r.key for r in told if "marker was removed" in r.reason} == set(KEYS)


async def test_suspended_the_null_version_is_gone_and_comes_back_from_the_backup(
    world: World,
) -> None:
    await set_versioning(world, "Enabled")
    await world.put("old", b"123", HEADERS)
    await set_versioning(world, "Suspended")
    await world.put("new", b"12345", HEADERS)
    world.days(10)
    scan = await world.scan()
    assert scan.versioning is Versioning.SUSPENDED
    assert scan.plan_id is not None
    done = await world.execute(scan.plan_id)
    # Only what has a version id of its own stays behind.
    assert (done.bytes, done.noncurrent) == (8, 3)
    results: list[Result] = await records(world, done.operation_id, "result")
    assert {r.key: r.marker for r in results} == {"old": "null", "new": "null"}
    restored = await world.restore("old", "new")
    # The null marker's id is also that of whatever is written there next: it is never deleted.
    assert (restored.counts, restored.unhidden) == ({"restored": 2}, 0)
    assert await world.contents("new") == (b"12345", HEADERS)
    assert await world.contents("old") == (b"123", HEADERS)


async def test_where_a_marker_may_not_be_removed_the_backup_is_written(
    make_bucket: MakeBucket, ministack: Ministack, tmp_path: Path
) -> None:
    """No local server knows MFA delete: the proxy refuses as AWS does without the root's code."""

    async def refuse(exchange: Exchange) -> None:
        if exchange.method == "DELETE" and "versionId=" in exchange.path:
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    config = await make_bucket(ministack)
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    async with running_proxy(config.endpoint_url) as proxy:
        proxy.before = refuse
        world = World(replace(config, endpoint_url=proxy.endpoint), database)
        await rows(world, "used")
        world.track({"t": ["k"]})
        await set_versioning(world, "Enabled")
        await world.put("a", b"12345", HEADERS)
        world.days(10)
        await world.collect()
        restored = await world.restore("a")
        assert [e for e in proxy.seen if e.method == "DELETE" and "/a?versionId=" in e.path]
        assert (restored.counts, restored.unhidden) == ({"restored": 1}, 0)
        assert await world.contents("a") == (b"12345", HEADERS)
    await database.close()


async def versions_below(world: World, prefix: str) -> list[str]:
    async with plain_client(world.config) as s3:
        answer = await s3.list_object_versions(Bucket=world.config.bucket, Prefix=prefix)
        return [
            entry["Key"]
            for entry in [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]
        ]


async def test_a_probe_leaves_no_version_behind_and_touches_no_other(world: World) -> None:
    await set_versioning(world, "Enabled")
    for body in (b"1", b"2"):
        await world.put(f"{PROBE_PREFIX}theirs", body, HEADERS)
        await world.remove(f"{PROBE_PREFIX}theirs")
    others = await versions_below(world, PROBE_PREFIX)
    assert len(others) == 4
    async with world.bucket() as bucket:
        assert (await probe_store(bucket)).versioning is Versioning.ENABLED
        assert await versions_below(world, PROBE_PREFIX) == others
        longer, ours = f"{PROBE_PREFIX}theirs-longer", f"{PROBE_PREFIX}theirs"
        await world.put(longer, b"3", HEADERS)
        left = await bucket.remove_scratch(ours, lambda key, sizes: key == ours and len(sizes) == 2)
    assert left == {}
    assert await versions_below(world, PROBE_PREFIX) == [longer]


async def test_what_a_probe_left_that_died_goes_with_all_its_versions(world: World) -> None:
    """Each of its requests may have been its last."""

    async def die_after(count: int) -> None:
        sent = 0

        async def die(exchange: Exchange) -> None:
            nonlocal sent
            if PROBE_PREFIX in exchange.path or exchange.path.endswith("?delete"):
                sent += 1
                if sent > count:
                    exchange.status = 403
                    exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

        async with running_proxy(world.config.endpoint_url) as proxy:
            proxy.before = die
            through = replace(world.config, endpoint_url=proxy.endpoint)
            async with Bucket.open(through, SystemClock()) as bucket:
                with pytest.raises(S3gcError):
                    await probe_store(bucket)

    await set_versioning(world, "Enabled")
    for count in (1, 4, 8):
        await die_after(count)
    left = await versions_below(world, PROBE_PREFIX)
    assert len({*left}) == 3
    # As long as a probe's name, in our place, of another size: nobody knows whose it is.
    strange = f"{left[0][:-1]}{'0' if left[0][-1] != '0' else '1'}"
    await world.put(strange, b"another size", HEADERS)
    await world.remove(strange)
    async with Bucket.open(world.config, SystemClock()) as bucket:
        await remove_old_probes(bucket)
    assert await versions_below(world, PROBE_PREFIX) == [strange, strange]


async def test_a_drill_leaves_no_version_behind(world: World) -> None:
    await set_versioning(world, "Enabled")
    for key in KEYS:
        await world.put(key, b"12345", HEADERS)
    world.days(10)
    await world.collect()
    theirs = f"{DRILL_PREFIX}mine"
    await world.put(theirs, b"1", HEADERS)
    await world.remove(theirs)
    async with world.collector() as collector:
        found = await collector.drill(sample=10, to=DRILL_PREFIX)
    assert (found.checked, found.differing, found.left) == (2, 0, ())
    # Of one that died only the audit log and the versions are left.
    async with world.collector() as collector:
        died = new_id()
        await collector.audit.append(died, [OperationStarted("drill", "me", "execute")])
    place = f"{DRILL_PREFIX}{died}/00000000"
    await world.put(place, b"1", HEADERS)
    await world.remove(place)
    async with world.collector() as collector:
        await collector.drill(sample=1, to=DRILL_PREFIX)
    assert await versions_below(world, DRILL_PREFIX) == [theirs, theirs]
    assert len(await markers(world)) == len({*KEYS, theirs})


async def test_versions_of_a_probe_that_may_not_be_removed_are_told(
    make_bucket: MakeBucket, ministack: Ministack, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(exchange: Exchange) -> None:
        if exchange.method == "DELETE" and "versionId=" in exchange.path:
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    config = await make_bucket(ministack)
    async with plain_client(config) as s3:
        await s3.put_bucket_versioning(
            Bucket=config.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    async with running_proxy(config.endpoint_url) as proxy:
        proxy.before = refuse
        through = replace(config, endpoint_url=proxy.endpoint)
        async with Bucket.open(through, SystemClock()) as bucket:
            with caplog.at_level("WARNING"):
                assert (await probe_store(bucket)).safe
    assert caplog.text.count("probe_versions_left") == 1


async def doctor_on_versions(config: Config) -> Check:
    return next(c for c in [c async for c in examine(config)] if c.name == "versions")


async def test_the_doctor_tells_of_versions_and_of_mfa_delete(
    make_bucket: MakeBucket, ministack: Ministack
) -> None:
    """No local server knows MFA delete: the proxy answers as the S3 API reference has it."""

    async def mfa(exchange: Exchange) -> None:
        if exchange.path.endswith("?versioning"):
            exchange.status = 200
            exchange.answer = (
                b"<VersioningConfiguration><Status>Enabled</Status>"
                b"<MfaDelete>Enabled</MfaDelete></VersioningConfiguration>"
            )

    async def denied(exchange: Exchange) -> None:
        if exchange.path.endswith("?versioning"):
            exchange.status = 403
            exchange.answer = b"<Error><Code>AccessDenied</Code></Error>"

    config = await make_bucket(ministack)
    plain = await doctor_on_versions(config)
    async with running_proxy(config.endpoint_url) as proxy:
        through = replace(config, endpoint_url=proxy.endpoint)
        proxy.before = mfa
        protected = await doctor_on_versions(through)
        proxy.before = denied
        unknown = await doctor_on_versions(through)
    assert (plain.ok, "keeps no versions" in plain.detail) == (True, True)
    assert protected.ok
    assert "frees 0 bytes" in protected.detail
    assert "MFA delete is on" in protected.detail
    assert (unknown.ok, "s3:GetBucketVersioning" in unknown.fix) == (False, True)


async def test_a_version_whose_tags_changed_is_not_called_restored(sqlite_world: World) -> None:
    """The tags of a hidden version can be changed (seen on SeaweedFS; not on ministack)."""
    world = sqlite_world
    await rows(world, "used")
    world.track({"t": ["k"]})
    await set_versioning(world, "Enabled")
    state = await world.put("a", b"12345", HEADERS)
    world.days(10)
    await world.collect()
    async with plain_client(world.config) as s3:
        await s3.put_object_tagging(
            Bucket=world.config.bucket,
            Key="a",
            VersionId=state.version_id or "",
            Tagging={"TagSet": [{"Key": "t", "Value": "2"}]},
        )
    restored = await world.restore("a")
    assert (restored.outcome, restored.counts) == ("partial", {"failed": 1})
    told: list[Restored] = await records(world, restored.operation_id, "restored")
    assert "differs in tags: restore it with --overwrite" in told[0].reason
    await world.restore("a", overwrite=True)
    assert await world.contents("a") == (b"12345", HEADERS)


def test_only_the_null_version_is_freed() -> None:
    told = {
        (version, marker): stays_noncurrent(version, marker)
        for version in (None, "null", "v1")
        for marker in (None, "null", "m1")
    }
    assert {pair for pair, stays in told.items() if not stays} == {
        (None, None),
        (None, "null"),
        ("null", None),
        ("null", "null"),
    }


def entry(version: str, at: int, *, latest: bool = False) -> dict[str, Any]:
    return {"VersionId": version, "IsLatest": latest, "LastModified": at}


@pytest.mark.parametrize(
    ("versions", "markers", "uncovered"),
    [
        ([entry("v1", 1)], [entry("m", 2, latest=True)], "v1"),
        ([entry("v2", 2), entry("v1", 1)], [entry("m", 2, latest=True)], "v2"),
        ([entry("v2", 2)], [entry("m", 3, latest=True), entry("old", 1)], "v2"),
        # Another marker is the latest, or an object is.
        ([entry("v1", 1)], [entry("other", 3, latest=True), entry("m", 2)], None),
        ([entry("v2", 3, latest=True), entry("v1", 1)], [entry("m", 2)], None),
        # Both at once, as no store should say.
        ([entry("v1", 1, latest=True)], [entry("m", 2, latest=True)], None),
        # An older marker may lie between ours and the version.
        ([entry("v1", 1)], [entry("m", 3, latest=True), entry("old", 2)], None),
        ([entry("v1", 1)], [entry("m", 3, latest=True), entry("old", 1)], None),
        # Not newest first.
        ([entry("v1", 1), entry("v2", 2)], [entry("m", 3, latest=True)], None),
        ([], [entry("m", 2, latest=True)], None),
        ([entry("v1", 1)], [], None),
    ],
)
def test_what_a_marker_hides(
    versions: list[dict[str, Any]], markers: list[dict[str, Any]], uncovered: str | None
) -> None:
    assert uncovered_by("m", versions, markers) == uncovered


def test_results_of_before_can_be_read() -> None:
    assert msgspec.json.decode(
        b'{"kind": "result", "key": "k", "outcome": "deleted"}', type=Result
    ) == Result("k", "deleted")  # type: ignore[arg-type]
