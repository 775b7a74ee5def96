"""Incidents of other collectors (field report, section 1.3; groups a, d, e, f and g), each by name.

What happened there must not happen here. Where another test plays the same story, `ELSEWHERE`
names it.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from importlib import import_module
from typing import Any

import pytest

from s3gc_core.bucket import ListingIncomplete
from s3gc_core.config import GuardLimits
from s3gc_core.config_create import create_config
from s3gc_core.errors import (
    BucketUnreachable,
    ConfigurationError,
    DatabaseUnreachable,
    SourceMissing,
)
from tests.servers.proxy import Exchange, Proxy, running_proxy
from tests.stories.staging import before_reading, picture, rows, upload
from tests.world import World

_FALSE = "tests.stories.test_predecessor_false_positives"
_RACES = "tests.stories.test_predecessor_races"
_DAMAGE = "tests.stories.test_predecessor_damage"
_CONTROLS = "tests.core.judgement.test_guard_controls"
_LAYERS = "tests.core.judgement.test_layer_controls"
_MODES = "tests.stories.test_modes"
ELSEWHERE = {
    "posthog 2026-02: a replica that knows nothing": (_FALSE, "test_an_empty_replica"),
    "gitea 36227: an empty database": (_FALSE, "test_a_table_that_was_emptied"),
    "gitea 36227: another database": (_FALSE, "test_another_database"),
    "arcadedb 6294: a gap in marking": (
        "tests.core.references.test_applying_model",
        "test_any_history",
    ),
    "immich 30933: a stale report": (_RACES, "test_row_inserted_between_verify_and_delete"),
    "quay 6318: deletes race with writers": (_RACES, "test_hard_working_writer"),
    "harbor 23116, sentry 55257: used again while it is collected": (
        _DAMAGE,
        "test_object_overwritten_between_backup_and_delete",
    ),
    "thanos 1577, gitaly 4416, geolens 1401: late uploads": (
        _LAYERS,
        "test_retention_layer_keeps_what_is_young",
    ),
    "opencompany 694: another tenant's bucket": (_DAMAGE, "test_two_buckets_and_one_vault"),
    "atlassian 2022: no dry run": (_MODES, "test_dry_run_is_the_default"),
    "opndrive 73: errors inside of a 200": (
        "tests.core.collection.test_lost_answers",
        "test_a_key_the_store_is_silent_about_or_lies_about",
    ),
    "mastodon 33948: ten times what was expected": (_CONTROLS, "test_budget"),
}

USED, LOST = "p/used.jpg", "p/lost.jpg"


@pytest.mark.parametrize("incident", ELSEWHERE)
def test_the_story_is_told_elsewhere(incident: str) -> None:
    module, name = ELSEWHERE[incident]
    assert callable(getattr(import_module(module), name))


async def staged(world: World, *orphans: str, **settings: Any) -> None:
    """One object in use, these orphans, and all of them old enough."""
    await upload(world, {USED, *orphans})
    await rows(world, "files", [USED])
    world.track({"files": ["k"]}, **settings)
    world.days(30)


async def planned_nothing(world: World, keys: set[str]) -> None:
    async with world.collector() as collector:
        assert await collector.plans() == []
    assert await world.keys() == keys


@pytest.fixture
async def proxied(sqlite_world: World) -> AsyncIterator[tuple[World, Proxy]]:
    """One object in use and one orphan, behind a proxy that is still honest."""
    async with running_proxy(sqlite_world.config.endpoint_url) as proxy:
        sqlite_world.config = replace(sqlite_world.config, endpoint_url=proxy.endpoint)
        await staged(sqlite_world, LOST)
        yield sqlite_world, proxy


def is_listing(exchange: Exchange) -> bool:
    return exchange.method == "GET" and "list-type=2" in exchange.path


# a. The live set is incomplete, and nobody says so


_CANCEL = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'
"""


async def test_tinybird_a_time_out_in_a_snapshot(postgres_world: World) -> None:
    world = postgres_world
    await staged(world, LOST)
    world.track({"files": [{"column": "k", "where": "pg_sleep(60) IS NOT NULL"}]})

    async def end_it() -> None:
        # As the server does with what takes too long.
        while not await world.app.execute(_CANCEL):
            pass

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        ending = group.create_task(end_it())
        with pytest.raises(DatabaseUnreachable, match="cancel"):
            await world.scan()
        await ending
    await planned_nothing(world, {USED, LOST})


async def test_mastra_2025_one_question_of_several_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await staged(world, LOST)
    await rows(world, "notes", [LOST])
    world.track({"files": ["k"], "notes": ["k"]})
    assert (await world.scan()).plan_id is None
    await world.app.execute("DELETE FROM notes WHERE k = 'p/lost.jpg'")
    await world.app.execute("INSERT INTO notes VALUES (2, 'p/used.jpg')")
    world.days(30)
    await world.scan()
    world.days(30)
    summary = await world.scan()
    assert summary.plan_id is not None, await world.verdicts()

    is_gone = False

    async def it_is_gone() -> None:
        nonlocal is_gone
        if not is_gone:
            await world.app.execute("ALTER TABLE notes RENAME COLUMN k TO was_k")
        is_gone = True

    before_reading(monkeypatch, it_is_gone)
    with pytest.raises(SourceMissing):
        await world.execute(summary.plan_id)
    assert await world.keys() == {USED, LOST}


async def test_distribution_2872_the_listing_returns_nothing(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    summary = await world.scan()
    assert (summary.listed, summary.blocked) == (2, [])

    async def nothing_there(exchange: Exchange) -> None:
        if is_listing(exchange):
            exchange.answer = (
                b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount>'
                b"<IsTruncated>false</IsTruncated></ListBucketResult>"
            )

    proxy.after = nothing_there
    summary = await world.scan()
    assert (summary.listed, summary.plan_id) == (0, None)
    assert "listing-incomplete" in [trip.label for trip in summary.blocked]


async def test_datajoint_1506_restic_3273_a_part_of_the_listing(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied

    async def cut(exchange: Exchange) -> None:
        if is_listing(exchange):
            told = exchange.answer
            exchange.answer = told.replace(b"<IsTruncated>false<", b"<IsTruncated>true<")
            assert exchange.answer != told

    proxy.after = cut
    with pytest.raises(ListingIncomplete):
        await world.scan()
    proxy.after = None
    await planned_nothing(world, {USED, LOST})


async def test_pages_that_overlap(proxied: tuple[World, Proxy]) -> None:
    """A key that comes twice counts twice, and hides that another one is missing."""
    world, proxy = proxied
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    first = b""

    async def overlap(exchange: Exchange) -> None:
        nonlocal first
        if is_listing(exchange) and "continuation-token" in exchange.path:
            entries = re.findall(b"(?s)<Contents>.*?</Contents>", first)
            assert len(entries) > 1
            count = b"<KeyCount>%d</KeyCount>" % (len(entries) - 1)
            told = re.sub(b"<KeyCount>.*?</KeyCount>", count, first)
            exchange.answer = told.replace(entries[0], b"")
        elif is_listing(exchange) and "start-after" not in exchange.path:
            first = exchange.answer
            exchange.answer = first.replace(b"<IsTruncated>false</IsTruncated>", more)

    proxy.after = overlap
    with pytest.raises(ListingIncomplete, match="listed twice"):
        await world.scan()
    proxy.after = None
    await planned_nothing(world, {USED, LOST})


async def test_kopia_552_the_provider_is_partly_away(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    summary = await world.scan()
    assert summary.plan_id is not None

    async def reads_fail(exchange: Exchange) -> None:
        if exchange.method == "GET" and exchange.path.endswith(LOST):
            exchange.status, exchange.answer = 403, b""

    proxy.after = reads_fail
    try:
        done = await world.execute(summary.plan_id)
    except BucketUnreachable:
        pass
    else:
        assert await world.outcomes(done.operation_id) == {LOST: "failed"}
    proxy.after = None
    assert await world.keys() == {USED, LOST}


# d. Races, and decisions that are stale


async def test_bk_lite_5191_a_row_that_comes_during_a_long_listing(
    proxied: tuple[World, Proxy],
) -> None:
    world, proxy = proxied
    came = False

    async def meanwhile(exchange: Exchange) -> None:
        nonlocal came
        if is_listing(exchange) and not came:
            came = True
            await world.app.execute("INSERT INTO files VALUES (2, ?)", LOST)

    proxy.after = meanwhile
    summary = await world.scan()
    assert came
    assert (summary.candidates, summary.referenced, summary.plan_id) == (0, 2, None)


async def test_s3_orchestrator_1527_a_later_object_at_the_same_key(sqlite_world: World) -> None:
    world = sqlite_world
    await staged(world, LOST, "p/other.jpg")
    summary = await world.scan()
    assert summary.plan_id is not None
    await world.put(LOST, b"a later one")
    done = await world.execute(summary.plan_id)
    assert await world.outcomes(done.operation_id) == {LOST: "changed", "p/other.jpg": "deleted"}
    assert (await world.contents(LOST))[0] == b"a later one"


# e. The wrong scope


async def test_nessie_12363_dvc_7610_another_application_shares_the_bucket(
    sqlite_world: World,
) -> None:
    world = sqlite_world
    others = {f"other-app/{n}.jpg" for n in range(9)}
    await staged(world, *others, guards={})
    summary = await world.scan()
    assert summary.orphans == 9
    assert [trip.label for trip in summary.blocked] == ["budget"]
    await planned_nothing(world, {USED, *others})
    world.track({"files": ["k"]}, guards={}, exclude_prefixes=["other-app/"])
    summary = await world.scan()
    assert (summary.orphans, summary.kept, summary.blocked) == (0, 9, [])


async def test_auxx_1817_what_is_not_there_was_not_deleted(sqlite_world: World) -> None:
    world = sqlite_world
    await staged(world, LOST, "p/other.jpg")
    summary = await world.scan()
    assert summary.plan_id is not None
    await world.remove(LOST)
    done = await world.execute(summary.plan_id)
    assert await world.outcomes(done.operation_id) == {LOST: "vanished", "p/other.jpg": "deleted"}


# f. A guard that is off, or broken


@pytest.mark.parametrize("value", [0, -1, False, None])
def test_posthog_78455_the_guard_against_young_files_cannot_be_off(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="retention_days"):
        create_config(bucket="photos", retention_days=value)


@pytest.mark.parametrize("name", [field.name for field in fields(GuardLimits)])
@pytest.mark.parametrize("value", [math.nan, math.inf, "nan"])
def test_ifc_lite_2794_no_limit_is_not_a_number(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        create_config(bucket="photos", guards={name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, "nan", "7 days", ""])
def test_ifc_lite_2794_nor_is_the_retention(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="retention_days"):
        create_config(bucket="photos", retention_days=value)


# g. A result that is not true


async def test_delta_rs_4646_deleted_and_still_there(proxied: tuple[World, Proxy]) -> None:
    world, proxy = proxied
    summary = await world.scan()
    assert summary.plan_id is not None

    async def say_so(exchange: Exchange) -> None:
        if (
            exchange.method == "POST"
            and "delete" in exchange.path
            and LOST.encode() in exchange.body
        ):
            exchange.status = 200
            exchange.answer_headers = {"Content-Type": "application/xml"}
            exchange.answer = (
                b'<?xml version="1.0"?><DeleteResult><Deleted><Key>p/lost.jpg</Key></Deleted>'
                b"</DeleteResult>"
            )

    proxy.before = say_so
    done = await world.execute(summary.plan_id)
    assert done.outcome == "partial"
    assert await world.outcomes(done.operation_id) == {LOST: "failed"}
    assert set(await picture(world)) == {USED, LOST}
