"""What is asked just before each delete batch: whom, how, and what stops it."""

from __future__ import annotations

import pytest

from s3gc_core.actions.doctor import examine
from s3gc_core.actions.holding_streams import streams_held
from s3gc_core.collection import LastCheck
from s3gc_core.database_url import Engine
from s3gc_core.errors import GuardBlocked
from s3gc_core.jobs import EventKind, job_events
from tests.core.judgement.controlled import silent
from tests.follow.application import without_jit
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer
from tests.stories.staging import before_reading, go_on
from tests.world import World

ORPHANS = ("p/a.jpg", "p/b.jpg", "p/c.jpg", "p/d.jpg")
# Of fewer than twenty for each text that is asked for, all are read.
ROWS = 2_000
_SERIES = {
    Engine.POSTGRESQL: "SELECT n, 'k/' || n || '.jpg' FROM generate_series(1, ?::int) n",
    Engine.MYSQL: "SELECT seq, CONCAT('k/', seq, '.jpg') FROM seq_1_to_2000 WHERE seq <= ?",
    Engine.SQLITE: "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ?)"
    " SELECT n, 'k/' || n || '.jpg' FROM s",
}
# A way to write the key that no probe asks for.
ODD = "p//c.jpg"
# Texts, with a key of the plan in each for `%s`, of which a codec once took none for a reference.
TEXTS = (
    "see **%s** please",
    "\u201c%s\u201d",
    "\u8bf7\u770b%s\uff0c\u8c22\u8c22",
    "/x/y.jpg%%2C%s",
)
_CATCH_UP = "s3gc_core.collection.last_check.LastCheck._catch_up"


@pytest.fixture(params=["postgres", "mariadb"])
def app_server(request: pytest.FixtureRequest) -> PostgresServer | MariadbServer:
    """The server of `app_database`: those with a change stream."""
    server: PostgresServer | MariadbServer = request.getfixturevalue(request.param)
    return server


async def filled(world: World, *, index: bool = True, cdc: bool = True, codec: str = "key") -> str:
    """Many rows, one of which has its object, and an approved plan of objects that nobody uses."""
    await without_jit(world.app)
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(200))")
    await world.app.execute(f"INSERT INTO t {_SERIES[world.app.engine]}", ROWS)
    if index:
        await world.app.execute("CREATE INDEX t_k ON t (k)")
    if world.app.engine is not Engine.SQLITE:
        table = "TABLE " if world.app.engine is Engine.MYSQL else ""
        await world.app.execute(f"ANALYZE {table}t")
    for key in ("k/1.jpg", *ORPHANS):
        await world.put(key)
    world.track(tracked(codec), database={"url": world.app.url, "cdc": cdc})
    world.days(30)
    summary = await world.scan(("reverse-match:main:t.k",))
    assert summary.blocked == []
    assert summary.plan_id is not None
    async with world.collector() as collector:
        await collector.approve(summary.plan_id, reason="a test")
    return summary.plan_id


def tracked(codec: str = "key") -> dict[str, object]:
    """The column, whose values may be texts unless they are said to be keys."""
    return {"t": [{"column": "k", "codec": codec}]}


async def refer(world: World, *values: str) -> None:
    """The application comes to use objects of the plan."""
    for number, value in enumerate(values, start=ROWS + 1):
        await world.app.execute("INSERT INTO t VALUES (?, ?)", number, value)


async def executed(world: World, plan_id: str) -> tuple[dict[str, str], list[str]]:
    """What became of each object, and how the sources were asked."""
    summary = await go_on(world, plan_id)
    events = job_events(world.config.vault_path, summary.operation_id).events
    told = [f"{e.subject} {e.reason}" for e in events if e.kind is EventKind.ASKED]
    return await world.outcomes(summary.operation_id), told


async def blind(_check: LastCheck, *_: object) -> None:
    """No registry is brought up to now."""


async def test_a_probe_asks_and_the_registry_knows_the_rest(world: World) -> None:
    plan_id = await filled(world)
    await refer(world, "p/b.jpg", ODD)
    kept = {"p/b.jpg": "kept", "p/c.jpg": "kept"}
    outcomes, asked = await executed(world, plan_id)
    assert outcomes == dict.fromkeys(ORPHANS, "deleted") | kept
    assert asked == ["main:t.k probe by index t_k"]
    assert await world.keys() == {"k/1.jpg", *kept}


async def test_without_the_registry_an_odd_spelling_is_overlooked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the test before; the plain spelling is found by the probe alone."""
    plan_id = await filled(world)
    await refer(world, "p/b.jpg", ODD)
    monkeypatch.setattr(_CATCH_UP, blind)
    outcomes, asked = await executed(world, plan_id)
    assert outcomes == dict.fromkeys(ORPHANS, "deleted") | {"p/b.jpg": "kept"}
    assert asked == ["main:t.k probe by index t_k"]


@pytest.mark.parametrize(
    ("app_server", "codec"), [("postgres", "auto"), ("mariadb", "text")], indirect=["app_server"]
)
async def test_a_key_is_seen_wherever_it_stands_in_a_text(
    world: World, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """Whatever the codecs make of it, and though the column has an index."""
    plan_id = await filled(world, codec=codec)
    await refer(world, *(text % key for text, key in zip(TEXTS, ORPHANS, strict=True)))
    # The registry may know some of them by now.
    monkeypatch.setattr(_CATCH_UP, blind)
    monkeypatch.setattr("s3gc_core.references.reading.broad_keys_of_row", nothing)
    outcomes, asked = await executed(world, plan_id)
    assert outcomes == dict.fromkeys(ORPHANS, "kept")
    assert asked == [f"main:t.k one pass: codec {codec}"]
    assert await world.keys() == {"k/1.jpg", *ORPHANS}


def nothing(*_: object) -> set[str]:
    """No codec finds a key."""
    return set()


@pytest.mark.parametrize("app_server", ["postgres"], indirect=True)
async def test_without_an_index_one_pass_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads every spelling, so that it needs no registry."""
    plan_id = await filled(world, index=False)
    await refer(world, "p/b.jpg", ODD)
    monkeypatch.setattr(_CATCH_UP, blind)
    outcomes, asked = await executed(world, plan_id)
    assert outcomes == dict.fromkeys(ORPHANS, "deleted") | {"p/b.jpg": "kept", "p/c.jpg": "kept"}
    assert asked == ["main:t.k one pass: no index"]


async def test_a_file_is_read_as_a_whole(sqlite_world: World) -> None:
    plan_id = await filled(sqlite_world)
    await refer(sqlite_world, "p/b.jpg", ODD)
    outcomes, asked = await executed(sqlite_world, plan_id)
    assert outcomes == dict.fromkeys(ORPHANS, "deleted") | {"p/b.jpg": "kept", "p/c.jpg": "kept"}
    assert asked == ["main:t.k one pass: not followed"]


async def test_a_stream_that_does_not_come_up_to_now_stops_before_its_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_id = await filled(world)
    monkeypatch.setattr("s3gc_core.collection.execute.BATCH_OBJECTS", 2)
    before = await world.keys()
    # Another process holds the streams, and tells nothing.
    with monkeypatch.context() as patched, streams_held(world.config.vault_path, "follow"):
        patched.setattr("s3gc_core.references.catching_up.PATIENCE_SECONDS", 0.5)
        assert await blocked(world, plan_id) == ("registry-stale:main", {})
    assert await world.keys() == before
    lost = False

    async def lose() -> None:
        nonlocal lost
        if not lost and await world.keys() != before:
            lost = True
            await lose_stream(world)

    with monkeypatch.context() as patched:
        before_reading(patched, lose)
        first = {"p/a.jpg": "deleted", "p/b.jpg": "deleted"}
        assert await blocked(world, plan_id) == ("stream-lost:main", first)
    assert await world.keys() == before - first.keys()
    # It stays so, and the first batch of what is left is not touched either.
    assert await blocked(world, plan_id) == ("stream-lost:main", {})
    assert await world.keys() == before - first.keys()


async def blocked(world: World, plan_id: str) -> tuple[str, dict[str, str]]:
    """The guard that ends an execution, and what became of which object before."""
    with pytest.raises(GuardBlocked) as caught:
        await go_on(world, plan_id)
    [guard] = caught.value.guards
    assert caught.value.operation_id is not None
    return guard, await world.outcomes(caught.value.operation_id)


async def lose_stream(world: World) -> None:
    """The server forgets what it kept for us."""
    if world.app.engine is Engine.POSTGRESQL:
        await world.app.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE database = current_database()"
        )
    else:
        await world.app.execute("DELETE FROM s3gc.heartbeat")


async def test_only_the_primary_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_id = await filled(world, cdc=False)
    before = await world.keys()

    async def demoted() -> None:
        await read_only(world, on=True)

    try:
        # One address may lead to the primary first, and to a replica later.
        with monkeypatch.context() as patched:
            before_reading(patched, demoted)
            assert await blocked(world, plan_id) == ("not-primary:main", {})
        assert await blocked(world, plan_id) == ("not-primary:main", {})
        assert await world.keys() == before
        assert await role_checks(world) == [False]
        # The scan only warns.
        assert (await world.scan(("reverse-match:main:t.k",))).orphans == len(ORPHANS)
        with monkeypatch.context() as patched:
            # This guard alone stands in the way.
            patched.setattr("s3gc_core.collection.last_check.not_primary", silent)
            patched.setattr(LastCheck, "of", reached)
            with pytest.raises(ReachedError):
                await go_on(world, plan_id)
        world.track(tracked(), database={"url": world.app.url, "replica_ok": True})
        assert await role_checks(world) == [True]
        outcomes, asked = await executed(world, plan_id)
    finally:
        await read_only(world, on=False)
    assert outcomes == dict.fromkeys(ORPHANS, "deleted")
    assert asked == ["main:t.k one pass: not followed"]


async def role_checks(world: World) -> list[bool]:
    """What the doctor says of the databases that may be no primary."""
    return [c.ok async for c in examine(world.config) if c.name == "database main, role"]


class ReachedError(Exception):
    """The execution came to its first batch."""


async def reached(*_: object) -> None:
    raise ReachedError


async def read_only(world: World, *, on: bool) -> None:
    """Let the server take no more writes of the application, or take them again."""
    if world.app.engine is Engine.POSTGRESQL:
        [[name]] = await world.app.execute("SELECT current_database()")
        set_to = f"SET default_transaction_read_only = {'on' if on else 'off'}"
        await world.app.execute(f'ALTER DATABASE "{name}" {set_to}')
    else:
        await world.app.execute(f"SET GLOBAL read_only = {int(on)}")
