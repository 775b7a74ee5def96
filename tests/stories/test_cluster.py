"""A database that is one node of several that take writes: what is not seen from there is told."""

from __future__ import annotations

import json

import pytest

from s3gc_core.actions.checks import Check
from s3gc_core.actions.doctor import examine
from tests.world import World

_UNSEEN = "it is one of 3 nodes: what is open on the others is not seen"


async def test_what_is_open_on_other_nodes_is_told_as_not_seen(
    mariadb_world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = mariadb_world
    await world.app.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, k VARCHAR(99))")
    await world.app.execute("INSERT INTO t VALUES (1, 'used.jpg')")
    world.track({"t": ["k"]})
    for key in ("used.jpg", "orphan.jpg"):
        await world.put(key)
    world.days(10)

    def unseen(_: object) -> str:
        return _UNSEEN

    monkeypatch.setattr("s3gc_core.databases.mysql_role.cluster.caution", unseen)
    told = [c async for c in examine(world.config) if c.name == "database main, other nodes"]
    assert told == [Check("database main, other nodes", True, _UNSEEN)]
    await world.collect()
    events = [
        json.loads(record.getMessage())["event"]
        for record in caplog.records
        if record.name == "s3gc"
    ]
    assert events.count("other_nodes_unseen") == 1
    # It is a primary all the same.
    assert await world.keys() == {"used.jpg"}
