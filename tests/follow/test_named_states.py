"""What may become of a stream: it goes on by itself, or it is lost, said so, and mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.follow.child import following
from tests.follow.shop import Shop
from tests.follow.waiting import until
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

_MOVE_ON = "UPDATE photos SET path = 'next.jpg' WHERE id = 1"
_AGAINST_THE_HEARTBEAT = (
    "DELETE FROM s3gc.heartbeat",
    "UPDATE s3gc.heartbeat SET counter = 1, token = 'old'",
    "UPDATE s3gc.heartbeat SET counter = counter - 1",
    "DROP TABLE s3gc.heartbeat",
)


@pytest.mark.parametrize("ends", ["stop", "kill"])
async def test_a_server_that_was_restarted_is_followed_again(
    shop: Shop, app_server: PostgresServer | MariadbServer, tmp_path: Path, ends: str
) -> None:
    async with following(shop.world.config, tmp_path, shop.world.clock.shift) as child:
        await child.until("following")
        await (app_server.stop() if ends == "stop" else app_server.kill())
        await app_server.start()
        await child.until("unreachable")
        told = len(child.events)
        await shop.app.close()
        await shop.app.execute(_MOVE_ON)
        await child.until("following", after=told)
        await shop.scan_is_exact("photo-1.jpg")


async def test_a_connection_that_was_cut_is_made_again(shop: Shop, tmp_path: Path) -> None:
    async with following(shop.world.config, tmp_path, shop.world.clock.shift) as child:
        await child.until("following")
        await _cut(shop)
        await child.until("unreachable")
        await shop.app.execute(_MOVE_ON)
        await child.until("following", after=len(child.events) - 1)
        await shop.scan_is_exact("photo-1.jpg")


async def _cut(shop: Shop) -> None:
    """Take the connection of the stream away, as soon as there is one."""

    async def is_cut() -> bool:
        if shop.app.engine == "postgresql":
            found = await shop.app.execute(
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                " WHERE database = current_database() AND active"
            )
            return found == [(True,)]
        found = await shop.app.execute(
            "SELECT id FROM information_schema.processlist"
            " WHERE command = 'Binlog Dump' AND db = DATABASE()"
        )
        for (number,) in found:
            await shop.app.execute(f"KILL {number}")
        return bool(found)

    await until(is_cut)


@pytest.fixture
async def lost(postgres_shop: Shop) -> Shop:
    """A shop that was followed once; what the test does next loses the stream."""
    await postgres_shop.scan_is_exact()
    return postgres_shop


@pytest.mark.parametrize("mended_by", ["reload", "forget"])
async def test_a_slot_that_was_dropped(lost: Shop, mended_by: str) -> None:
    await _drop_slot(lost)
    await lost.app.execute(_MOVE_ON)
    blocked = await lost.scan_is_blocked()
    assert "no replication slot" in blocked.blocked[0].reason
    # It stays so: nothing mends itself in silence.
    await lost.scan_is_blocked()
    await (lost.reload() if mended_by == "reload" else lost.forget())
    await lost.scan_is_exact("photo-1.jpg")


async def test_a_slot_of_the_same_name_is_not_taken_for_ours(lost: Shop) -> None:
    name = await _drop_slot(lost)
    await lost.app.execute(_MOVE_ON)
    await lost.app.execute("SELECT pg_create_logical_replication_slot(?, 'pgoutput')", name)
    await lost.scan_is_blocked()
    await lost.reload()
    await lost.scan_is_exact("photo-1.jpg")


async def _slot_name(shop: Shop) -> str:
    """What the slot and the publication are called."""
    return f"s3gc_{await shop.stream_name()}"


async def _drop_slot(shop: Shop) -> str:
    name = await _slot_name(shop)

    async def is_dropped() -> bool:
        await shop.app.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
            " WHERE slot_name = ? AND NOT active",
            name,
        )
        return not await shop.app.execute(
            "SELECT 1 FROM pg_replication_slots WHERE slot_name = ?", name
        )

    await until(is_dropped)
    return name


@pytest.mark.parametrize(
    "statement",
    [
        "DROP PUBLICATION {name}",
        "ALTER PUBLICATION {name} DROP TABLE s3gc.heartbeat",
        "ALTER PUBLICATION {name} SET (publish = 'insert, update')",
        *_AGAINST_THE_HEARTBEAT,
    ],
)
async def test_what_the_stream_needs_was_taken_away(lost: Shop, statement: str) -> None:
    await lost.app.execute(statement.format(name=await _slot_name(lost)))
    await lost.app.execute(_MOVE_ON)
    await lost.scan_is_blocked()
    await lost.reload()
    await lost.scan_is_exact("photo-1.jpg")


async def test_a_publication_that_was_made_anew_has_a_gap(lost: Shop) -> None:
    name = await _slot_name(lost)
    await lost.app.execute(f"DROP PUBLICATION {name}")
    await lost.app.execute(_MOVE_ON)
    await lost.app.execute(
        f"CREATE PUBLICATION {name} FOR TABLE public.photos, s3gc.heartbeat"
        " WITH (publish_via_partition_root = true)"
    )
    summary = await lost.world.scan()
    if summary.blocked:
        # Some servers stop at what nobody published then; the others pass over it.
        assert [trip.label for trip in summary.blocked] == ["stream-lost:main"]
        assert summary.plan_id is None
        await lost.reload()
    await lost.scan_is_exact("photo-1.jpg")


@pytest.mark.parametrize("is_back", [True, False])
async def test_a_table_that_was_taken_out_of_the_publication(lost: Shop, is_back: bool) -> None:
    name = await _slot_name(lost)
    await lost.app.execute(f"ALTER PUBLICATION {name} DROP TABLE photos")
    await lost.app.execute(_MOVE_ON)
    if is_back:
        await lost.app.execute(f"ALTER PUBLICATION {name} ADD TABLE photos")
    await lost.scan_is_exact("photo-1.jpg")


@pytest.mark.parametrize("statement", ["RESET MASTER", *_AGAINST_THE_HEARTBEAT])
async def test_what_the_binary_log_needs_was_taken_away(mariadb_shop: Shop, statement: str) -> None:
    shop = mariadb_shop
    await shop.scan_is_exact()
    await shop.app.execute(_MOVE_ON)
    await shop.app.execute(statement)
    await shop.scan_is_blocked()
    await shop.reload()
    await shop.scan_is_exact("photo-1.jpg")


async def test_a_binary_log_that_was_purged(mariadb_shop: Shop) -> None:
    shop = mariadb_shop
    await shop.scan_is_exact()
    await shop.app.execute(_MOVE_ON)
    await shop.app.execute("FLUSH BINARY LOGS")

    async def is_purged() -> bool:
        # The server keeps a file for as long as its own recovery may need it.
        *earlier, (newest, *_) = await shop.app.execute("SHOW BINARY LOGS")
        await shop.app.execute(f"PURGE BINARY LOGS TO '{newest}'")
        return not earlier

    await until(is_purged)
    await shop.scan_is_blocked()
    await shop.reload()
    await shop.scan_is_exact("photo-1.jpg")
