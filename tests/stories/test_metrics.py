"""What monitoring is told: true across restarts, true after a purge, an error until a good run."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from s3gc_core.actions.healing import heal
from s3gc_core.actions.measuring import FILE, Metrics
from s3gc_core.config import Heal
from s3gc_core.exposition import exposition, families, labels
from tests.world import World

# Bytes that nothing packs, and twice the same.
BODIES = {"a": b"1" * 5_000, "b": b"2" * 7_000, "same": b"2" * 7_000, "c": b"3" * 90}


async def measured(world: World) -> Metrics:
    """The metrics of a process that has just started; its sums are those of the whole vault."""
    async with world.collector() as collector:
        found = await collector.metrics()
        whole = await collector.vault_stats()
    assert found.held.backups == whole.backups
    assert (found.held.raw_bytes, found.held.stored_bytes) == (whole.raw_bytes, whole.stored_bytes)
    assert found.held.dead_bytes == whole.purged_bytes
    assert found.avg_compression_ratio == whole.ratio
    return found


def told(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Each sample by its name and its own labels, as Prometheus' parser reads it."""
    text = exposition(families(metrics), labels(metrics))
    return {
        (sample.name, ",".join(v for k, v in sample.labels.items() if k not in labels(metrics))): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def furnish(world: World) -> None:
    await world.app.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, avatar TEXT)")
    await world.app.executemany("INSERT INTO users VALUES (?, ?)", [(1, "used")])
    world.track({"users": ["avatar"]}, vault_horizon_days=40)
    for key, body in {"used": b"used", **BODIES}.items():
        await world.put(key, body)


async def test_the_values_of_a_life(sqlite_world: World) -> None:
    world = sqlite_world
    await furnish(world)
    nothing = await measured(world)
    assert (nothing.total_runs, nothing.last_run_at, nothing.last_error) == (0, None, None)
    assert (nothing.avg_compression_ratio, nothing.vault_size_bytes) == (None, 0)
    world.days(10)
    await world.collect()
    once = await measured(world)
    assert (once.total_runs, once.total_deleted, once.total_backed_up) == (1, 4, 4)
    assert once.total_restored == 0
    assert once.totals.backed_up_bytes == sum(map(len, BODIES.values()))
    await world.restore("a", "b")
    again = await measured(world)
    assert (again.total_restored, again.total_runs) == (2, 1)
    # The sums may be lost, and are the same; others are thrown away.
    (world.config.vault_path / FILE).unlink(missing_ok=True)
    assert (await measured(world)).totals == again.totals
    (world.config.vault_path / FILE).write_bytes(b"{torn")
    assert (await measured(world)).totals == again.totals


async def test_what_is_referred_to_again_is_told_until_it_is_healed(sqlite_world: World) -> None:
    world = sqlite_world
    await furnish(world)
    world.days(10)
    await world.collect()
    await world.restore("b")
    await world.app.executemany("INSERT INTO users VALUES (?, ?)", [(2, "a")])
    for policy, waiting, healed in ((Heal.ALERT, 1, {}), (Heal.RESTORE, 0, {"restored": 1})):
        world.change(heal=policy)
        async with world.collector() as collector:
            await collector.rebuild_registry()
            await heal(collector._parts, lambda _: None)
        found = await measured(world)
        assert (found.returned, found.alarmed, found.heal) == (waiting, waiting, policy.value)
        assert (found.returned_since is not None) is bool(waiting)
        # What a person asked for is no healing.
        assert found.totals.healing == healed
    assert found.totals.restores == {"restored": 2}


async def test_a_purge_leaves_what_others_share(sqlite_world: World) -> None:
    world = sqlite_world
    await furnish(world)
    world.days(10)
    await world.collect()
    await world.restore("b")
    before = await measured(world)
    world.days(60)
    async with world.collector() as collector:
        purged = await collector.purge(older_than_days=None, dry_run=False)
    assert purged.purged > 0
    after = await measured(world)
    assert after.held != before.held
    assert (after.total_backed_up, after.total_deleted) == (4, 4)
    assert (world.config.vault_path / FILE).exists()
    await world.put("new", b"9" * 300)
    world.days(10)
    await world.collect()
    assert (await measured(world)).total_backed_up > 4


async def test_an_error_is_told_until_a_good_run(sqlite_world: World) -> None:
    world = sqlite_world
    await furnish(world)
    await world.app.execute("DELETE FROM users")
    assert (await world.scan()).blocked != []
    blocked = await measured(world)
    assert blocked.last_error is not None
    assert blocked.last_error.startswith("scan blocked: no-references")
    samples = told(blocked)
    assert samples["s3gc_last_run_failed", ""] == 1
    assert samples["s3gc_scan_blocked_reasons", "no-references"] == 1
    assert samples["s3gc_operations_total", "scan,blocked"] == 1
    assert ("s3gc_last_success_timestamp_seconds", "scan") not in samples
    await world.app.executemany("INSERT INTO users VALUES (?, ?)", [(1, "used")])
    await world.scan()
    good = await measured(world)
    assert (good.last_error, good.total_runs) == (None, 2)
    samples = told(good)
    assert samples["s3gc_last_run_failed", ""] == 0
    assert samples["s3gc_scan_candidate_objects", ""] == len(BODIES)
    assert samples["s3gc_scan_kept_objects", ""] == len(BODIES)
    assert samples["s3gc_scan_blocked", ""] == 0
    assert good.last_scan is not None
    at = good.totals.successes["scan"].timestamp()
    assert samples["s3gc_last_success_timestamp_seconds", "scan"] == at
