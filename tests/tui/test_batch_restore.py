"""`s3gc --batch restore`, `vault` and `history`: finding what was deleted and bringing it back."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.collection import REPLACES
from s3gc_core.vault import StoredBackup
from tests.stories.staging import stored_backups
from tests.tui.command_line import only
from tests.tui.small_world import FORGOTTEN, HEADERS, PROTECTED, USED, SmallWorld

LEFT = {*USED, *PROTECTED}


async def test_a_dry_run_says_what_would_come_back(small: SmallWorld) -> None:
    operation = await small.collected()
    ran = await small.cli.batch("restore", "--prefix", "gone/", "--dry-run")
    assert ran.code == 0
    told = {r["key"]: (r["size"], r["operation_id"]) for r in ran.of("restorable")}
    assert told == {"gone/a.txt": (10, operation), "gone/b.txt": (200, operation)}
    assert (ran.summary["objects"], ran.summary["bytes"]) == (2, 210)
    assert await small.world.keys() == LEFT


async def test_a_key_comes_back_as_it_was(small: SmallWorld) -> None:
    operation = await small.collected()
    ran = await small.cli.batch("restore", "--key", "gone/b.txt")
    assert (ran.code, ran.summary["outcome"], ran.summary["restored"]) == (0, "done", 1)
    assert await small.world.keys() == LEFT | {"gone/b.txt"}
    assert await small.world.contents("gone/b.txt") == (FORGOTTEN["gone/b.txt"], HEADERS)
    restored = ran.summary["operation_id"]
    batch = small.cli.batch
    of_key, of_operation, unknown = await asyncio.gather(
        batch("history", "--key", "gone/b.txt"),
        batch("history", "--operation", operation),
        batch("history", "--key", "used/1.jpg"),
    )
    assert [(r["operation_id"], r["outcome"]) for r in of_key.of("object")] == [
        (operation, "deleted"),
        (restored, "restored"),
    ]
    conditional = {"batch": "conditional batch", "single": "conditional single"}
    assert [r["deletes"] for r in of_key.of("object")] == [conditional, None]
    deleted = {r["key"]: r["outcome"] for r in of_operation.of("object")}
    assert deleted == dict.fromkeys(FORGOTTEN, "deleted")
    assert (unknown.code, unknown.summary["error"]) == (7, "no-such-key")


async def test_an_operation_comes_back_whole(small: SmallWorld) -> None:
    operation = await small.collected()
    ran = await small.cli.batch("restore", "--operation", operation)
    assert (ran.code, ran.summary["restored"]) == (0, 3)
    assert await small.world.keys() == LEFT | set(FORGOTTEN)
    assert ran.summary["bytes"] == sum(map(len, FORGOTTEN.values()))


async def test_a_newer_object_stays_unless_asked(small: SmallWorld) -> None:
    await small.collected()
    await small.world.put("gone/a.txt", b"newer", ObjectHeaders())
    ran = await small.cli.batch("restore", "--prefix", "gone/")
    assert (ran.code, ran.summary["outcome"]) == (4, "partial")
    assert (ran.summary["restored"], ran.summary["newer-kept"]) == (1, 1)
    assert [(o["key"], o["outcome"]) for o in ran.of("object")] == [("gone/a.txt", "newer-kept")]
    assert (await small.world.contents("gone/a.txt"))[0] == b"newer"
    overwriting = ("restore", "--key", "gone/a.txt", "--overwrite")
    plan = await small.cli.batch(*overwriting, "--dry-run")
    assert (plan.code, plan.summary["objects"], plan.summary["replaces"]) == (0, 1, 1)
    assert "not backed up first" in str(plan.summary["note"])
    (line,) = plan.of("restorable")
    assert line["reason"] == REPLACES
    again = await small.cli.batch(*overwriting)
    assert (again.code, again.summary["restored"]) == (0, 1)
    assert await small.world.contents("gone/a.txt") == (FORGOTTEN["gone/a.txt"], HEADERS)


async def test_a_folder_gets_the_files_and_the_bucket_nothing(small: SmallWorld) -> None:
    await small.collected()
    ran = await small.cli.batch("restore", "--prefix", "", "--to", "out")
    assert (ran.code, ran.summary["exported"]) == (0, 3)
    found = files_below(small.cli.folder / "out")
    assert set(FORGOTTEN.values()) <= set(found.values())
    assert await small.world.keys() == LEFT


async def test_what_was_never_deleted_cannot_come_back(small: SmallWorld) -> None:
    await small.collected()
    batch = small.cli.batch
    selections = [
        ("--key", "used/1.jpg"),
        ("--operation", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ("--prefix", "used/", "--dry-run"),
        ("--key", "used/1.jpg", "--to", "out"),
    ]
    for ran in await asyncio.gather(*(batch("restore", *s) for s in selections)):
        assert (ran.code, ran.summary["outcome"]) == (7, "failed")
    assert not (small.cli.folder / "out").exists()
    assert await small.world.keys() == LEFT


async def test_vault_finds_counts_and_verifies(small: SmallWorld) -> None:
    operation = await small.collected()
    batch = small.cli.batch
    found, under, nothing, stats, verify, purge, chain, export, no_export = await asyncio.gather(
        batch("vault", "find", "gone/a.txt"),
        batch("vault", "find", "gone/", "--prefix"),
        batch("vault", "find", "gone/"),
        batch("vault", "stats"),
        batch("vault", "verify"),
        batch("vault", "purge", "--dry-run", "--older-than-days", "0"),
        batch("vault", "audit", "verify"),
        batch("vault", "export", "out.tar", "--prefix", "gone/"),
        batch("vault", "export", "none", "--prefix", "none/"),
    )
    assert (export.code, export.summary["exported"], export.summary["bytes"]) == (0, 2, 210)
    assert (small.cli.folder / "out.tar").is_file()
    assert (no_export.code, no_export.summary["error"]) == (7, "no-such-key")
    again = await batch("vault", "export", "out.tar")
    assert (again.code, again.summary["outcome"]) == (6, "failed")
    [backup] = found.of("backup")
    assert (backup["key"], backup["operation_id"], backup["size"]) == ("gone/a.txt", operation, 10)
    assert (small.world.config.vault_path / backup["path"]).is_file()
    assert {b["key"] for b in under.of("backup")} == {"gone/a.txt", "gone/b.txt"}
    assert (nothing.code, nothing.summary["error"]) == (7, "no-such-key")
    said = stats.summary
    assert (stats.code, said["backups"], said["raw_bytes"]) == (0, 3, 3210)
    assert said["stored_bytes"] == sum(map(len, stored_backups(small.world).values()))
    assert said["ratio"] == pytest.approx(3210 / said["stored_bytes"])
    assert (verify.code, verify.summary["checked"], verify.summary["damaged"]) == (0, 3, 0)
    # The bucket has none of them: each backup is the only copy, whatever its age.
    assert (purge.code, purge.summary["purged"], purge.summary["dry_run"]) == (0, 0, True)
    assert (chain.code, chain.summary["chain"]) == (0, "unbroken")
    assert chain.summary["records"] > 0


async def test_a_damaged_backup_is_named(small: SmallWorld) -> None:
    await small.collected()
    backup = await backup_of(small, "left/c.txt")
    path = small.world.config.vault_path / backup.path
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    assert backup.offset is not None
    data[backup.offset + backup.stored_size // 2] ^= 0xFF
    path.write_bytes(data)
    ran = await small.cli.batch("vault", "verify")
    assert (ran.code, ran.summary["outcome"]) == (4, "partial")
    assert (ran.summary["checked"], ran.summary["damaged"]) == (3, 1)
    assert only(ran.of("damaged"), key="left/c.txt")["reason"]
    told = (await small.cli.batch("vault", "verify", "--sample", "2")).summary
    again = await small.cli.batch("vault", "verify", "--sample", "2", "--seed", str(told["seed"]))
    assert (again.summary["checked"], again.summary["seed"]) == (2, told["seed"])
    assert again.summary["damaged"] == told["damaged"]
    assert (await small.cli.batch("vault", "verify", "--seed", "7")).code == 2
    repair = await small.cli.batch("vault", "verify", "--repair")
    assert (repair.code, repair.summary["error"]) == (3, "no-replica")
    restore = await small.cli.batch("restore", "--prefix", "")
    assert (restore.code, restore.summary["restored"], restore.summary["failed"]) == (4, 2, 1)
    assert [(o["key"], o["outcome"]) for o in restore.of("object")] == [("left/c.txt", "failed")]
    assert await small.world.keys() == LEFT | {"gone/a.txt", "gone/b.txt"}


async def test_an_edited_audit_log_is_detected(small: SmallWorld) -> None:
    await small.world.scan()
    with closing(sqlite3.connect(small.world.config.vault_path / "audit.db")) as database:
        query = "SELECT sql FROM sqlite_master WHERE name = 'audit_never_changes'"
        [(trigger,)] = database.execute(query).fetchall()
        database.execute("DROP TRIGGER audit_never_changes")
        database.execute("UPDATE audit SET body = CAST(body || ' ' AS BLOB) WHERE seq = 1")
        database.execute(trigger)
        database.commit()
    ran = await small.cli.batch("vault", "audit", "verify")
    assert (ran.code, ran.summary["outcome"]) == (3, "blocked")
    assert (ran.summary["error"], ran.summary["blocked"]) == ("audit-broken", ["audit-broken"])


async def backup_of(small: SmallWorld, key: str) -> StoredBackup:
    async with small.world.collector() as collector:
        async for page in collector.audit.deleted_objects(keys=(key,)):
            for deleted in page:
                return deleted.intent.backup
    raise AssertionError(f"there is no backup of {key}")


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_drill_is_told_and_shown(small: SmallWorld) -> None:
    operation = await small.collected()
    none = await small.cli.batch("status")
    assert (none.code, none.summary["last_drill"]) == (0, None)
    ran = await small.cli.batch("drill", "--sample", "2", "--seed", "7", "--to", "scratch")
    assert (ran.code, ran.summary["outcome"], ran.summary["checked"]) == (0, "done", 2)
    assert (ran.summary["differing"], ran.summary["seed"]) == (0, 7)
    assert await small.world.keys() == LEFT
    backup = await backup_of(small, "left/c.txt")
    place = small.world.config.vault_path / backup.path
    place.chmod(0o600)
    with place.open("r+b") as file:
        file.seek(backup.offset or 0)
        file.write(b"\0")
    bad = await small.cli.batch("drill", "--to", ".s3gc-drill/")
    assert (bad.code, bad.summary["outcome"]) == (4, "partial")
    assert (bad.summary["checked"], bad.summary["differing"]) == (3, 1)
    told = only(bad.of("object"), outcome="differing")
    assert (told["key"], told["from_operation"]) == ("left/c.txt", operation)
    assert await small.world.keys() == LEFT
    status, history, operations, plain = await asyncio.gather(
        small.cli.batch("status"),
        small.cli.batch("history", "--operation", str(bad.summary["operation_id"])),
        small.cli.batch("operations", "--limit", "2"),
        small.cli("--plain", "vault"),
    )
    assert status.summary["last_drill"] == (
        f"1 DIFFERING, 3 checked in s3://{small.world.config.bucket}/.s3gc-drill/"
    )
    assert status.summary["last_drill_age_days"] == 0.0
    assert [(o["key"], o["outcome"]) for o in history.of("object")] == [("left/c.txt", "differing")]
    assert [(o["what"], o["outcome"]) for o in operations.of("operation")] == [
        ("drill", "partial"),
        ("drill", "done"),
    ]
    assert "Last restore drill" in plain.text
    assert "3 restored, 1 differing" in plain.text


async def test_a_preview_and_another_bucket(small: SmallWorld) -> None:
    await small.collected()
    await small.world.put("gone/a.txt", b"newer", ObjectHeaders())
    there = f"{small.world.config.bucket}-2"
    async with small.world.bucket() as bucket:
        await bucket.connection.s3.create_bucket(Bucket=there)
    to = ("--to-bucket", there, "--to-prefix", "back/")
    batch = small.cli.batch
    here, elsewhere, late, lone, both, over = await asyncio.gather(
        batch("restore", "--prefix", "", "--dry-run"),
        batch("restore", "--prefix", "", "--dry-run", *to),
        batch("restore", "--prefix", "", "--dry-run", "--as-of", "2001-01-01"),
        batch("restore", "--prefix", "", "--to-prefix", "back/"),
        batch("restore", "--prefix", "", "--to", "out", *to),
        batch("restore", "--prefix", "", "--to", "out", "--overwrite"),
    )
    assert (here.code, here.summary["objects"], here.summary["newer-kept"]) == (4, 2, 1)
    assert {r["key"] for r in here.of("restorable")} == {"gone/b.txt", "left/c.txt"}
    assert only(here.of("object"), key="gone/a.txt")["outcome"] == "newer-kept"
    assert (elsewhere.code, elsewhere.summary["objects"]) == (0, 3)
    assert (late.code, late.summary["error"]) == (7, "no-such-key")
    assert (lone.code, both.code, over.code) == (2, 2, 2)
    done = await batch("restore", "--prefix", "", *to)
    assert (done.code, done.summary["outcome"], done.summary["exported"]) == (0, "done", 3)
    assert await small.world.keys() == LEFT | {"gone/a.txt"}
