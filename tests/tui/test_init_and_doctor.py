"""`s3gc init` and `s3gc doctor`: the first two commands anybody types."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path

from s3gc_core.config import Config, DatabaseConfig
from s3gc_core.config_file import load_config
from tests.servers.process import free_port
from tests.tui.command_line import CommandLine, Ran, only
from tests.tui.small_world import SmallWorld


async def test_init_writes_a_file_that_loads(alone: CommandLine) -> None:
    ran = await alone.batch("init")
    assert ran.code == 0
    assert ran.of("file") == [{"type": "file", "path": "s3gc.toml"}]
    assert alone.config.stat().st_mode & 0o777 == 0o600
    # Only the bucket has no default.
    loaded = load_config(alone.config, {"S3_BUCKET": "photos"})
    assert loaded == Config(bucket="photos", vault_path=alone.folder / "s3gc_vault")
    status = await alone.batch("status", S3_BUCKET="photos")
    assert (status.code, status.summary["mode"]) == (0, "dry_run")


async def test_init_does_not_overwrite(alone: CommandLine) -> None:
    alone.config.write_text("mine")
    missing = ("init", "no/such/folder/s3gc.toml")
    default, missing_folder = await asyncio.gather(alone.batch("init"), alone.batch(*missing))
    for ran in (default, missing_folder):
        assert (ran.code, ran.summary["error"]) == (2, "configuration-error")
    assert alone.config.read_text() == "mine"
    assert (await alone.batch("init", "other.toml")).code == 0
    assert (alone.folder / "other.toml").read_bytes()


def failures(ran: Ran) -> dict[str, str]:
    """What failed, with its fix; every check that is well has none."""
    checks = ran.of("check")
    assert all(c.keys() == {"type", "name", "ok", "detail", "fix"} for c in checks)
    assert [c for c in checks if c["ok"] and c["fix"]] == []
    return {c["name"]: c["fix"] for c in checks if not c["ok"]}


async def test_doctor_finds_nothing_wrong(small: SmallWorld) -> None:
    ran = await small.cli.batch("doctor", "--write-probe")
    assert (ran.code, failures(ran), ran.summary["failed"]) == (0, {}, 0)
    expected = [
        "vault",
        "free space",
        "bucket",
        "right to list",
        "right to read",
        "versions",
        "object lock",
        "clock",
    ]
    source = ["store", "database main", "main:users.avatar"]
    assert [c["name"] for c in ran.of("check")] == [*expected, *source]
    assert "s3gc" not in {key.partition("/")[0] for key in await small.world.keys()}


async def test_each_thing_that_fails_is_one_line_with_a_fix(small: SmallWorld) -> None:
    small.world.track({"users": ["avatar", "portrait"], "ghosts": ["sheet"]})
    small.write_config()
    small.world.config.vault_path.chmod(0o755)
    ran = await small.cli.batch("doctor")
    found = failures(ran)
    assert (ran.code, ran.summary["outcome"]) == (6, "failed")
    assert found.keys() == {"vault", "main:users.portrait", "main:ghosts.sheet"}
    assert all(found.values())
    assert ran.summary["failed"] == 3
    assert found["vault"] == f"chmod 700 {small.world.config.vault_path}"
    assert only(ran.of("check"), name="main:users.avatar")["ok"]
    assert "portrait" in only(ran.of("check"), name="main:users.portrait")["detail"]
    assert "ghosts" in only(ran.of("check"), name="main:ghosts.sheet")["detail"]


async def test_by_hand_the_fix_is_shown_as_well(small: SmallWorld) -> None:
    """Also where nobody can be asked: `ssh host s3gc doctor | less`."""
    small.world.config.vault_path.chmod(0o755)
    ran = await small.cli("doctor")
    assert ran.code == 6
    assert "FAIL vault: " in ran.text
    assert f"fix: chmod 700 {small.world.config.vault_path}" in ran.text


async def test_jpegxl_needs_its_codec(small: SmallWorld) -> None:
    (small.cli.folder / "imagecodecs.py").write_text("raise ImportError('not here')")
    paths = os.pathsep.join([str(small.cli.folder), os.environ.get("PYTHONPATH", "")])
    missing = await small.cli.batch("doctor", S3GC_JPEGXL="true", PYTHONPATH=paths)
    assert (missing.code, set(failures(missing))) == (6, {"jpegxl"})
    assert "s3gc[images]" in failures(missing)["jpegxl"]


async def test_encryption_needs_a_key_that_somebody_has(small: SmallWorld) -> None:
    key = str(small.cli.folder / "key")

    async def batch(*arguments: str, **environment: str) -> Ran:
        return await small.cli.batch(*arguments, days=None, **environment)

    made = await batch("vault", "keygen", "--output", key)
    recipient = str(made.summary["recipient"])
    on = {"S3GC_ENCRYPTION": "age", "S3GC_ENCRYPTION_RECIPIENTS": recipient}
    before, again = await asyncio.gather(
        # The wrong kind of key, as if by mistake.
        batch("doctor", **on, S3GC_ANCHOR_KEY_FILE=key),
        batch("vault", "keygen", "--output", key),
    )
    assert (before.code, set(failures(before))) == (6, {"encryption", "anchor key"})
    assert "key-test" in failures(before)["encryption"]
    assert (again.code, again.summary["error"]) == (2, "configuration-error")
    tested = await batch("vault", "key-test", "--identity", key, **on)
    assert (tested.code, tested.summary["proven"]) == (0, 1)
    assert only(tested.of("recipients"))["opened_by"] == [recipient]
    secret = Path(key).read_text().split()[-1]
    assert secret.startswith("AGE-SECRET-KEY-1")
    assert not any(secret in ran.text + ran.complaints for ran in (made, before, again, tested))


async def test_anchors_are_signed_once_that_was_begun(small: SmallWorld) -> None:
    key = str(small.cli.folder / "anchor.key")
    await small.planned()
    made = await small.cli.batch("vault", "keygen", "--anchor", "--output", key)
    assert len(str(made.summary["public_key"])) == 64

    async def audit(action: str) -> Ran:
        return await small.cli.batch("vault", "audit", action, S3GC_ANCHOR_KEY_FILE=key)

    refused = await audit("verify")
    assert (refused.code, refused.summary["error"]) == (3, "audit-broken")
    signed = await audit("sign")
    assert signed.code == 0
    verified = await audit("verify")
    assert verified.code == 0
    assert verified.summary["signed_upto"] == verified.summary["records"]
    assert verified.summary["signed_upto"] == signed.summary["signed_upto"]


async def test_no_database_and_no_tables(small: SmallWorld) -> None:
    small.write_config(databases=(), sources=())
    ran = await small.cli.batch("doctor")
    found = failures(ran)
    assert (ran.code, set(found)) == (6, {"database", "tables"})
    assert "[database]" in found["database"]
    assert "[tables]" in found["tables"]


async def test_what_does_not_answer_has_a_fix_that_is_not_the_doctor(small: SmallWorld) -> None:
    config = small.world.config
    [database] = config.databases
    closed = replace(database, url=f"postgresql://app@127.0.0.1:{free_port()}/app")
    small.write_config(bucket="there-is-no-such-bucket", databases=(closed,))
    wrong_names = await small.cli.batch("doctor")
    small.world.config = config
    small.write_config(endpoint_url=f"http://127.0.0.1:{free_port()}")
    no_server = await small.cli.batch("doctor")
    small.world.config = config
    small.write_config()
    wrong_key = await small.cli.batch("doctor", AWS_SECRET_ACCESS_KEY="wrong")
    assert failures(wrong_names).keys() == {"bucket", "database main"}
    assert failures(no_server).keys() == failures(wrong_key).keys() == {"bucket"}
    for ran in (wrong_names, no_server, wrong_key):
        assert ran.code == 6
        assert all(fix and "s3gc doctor" not in fix for fix in failures(ran).values())


async def test_a_vault_that_is_a_file(small: SmallWorld) -> None:
    file = small.cli.folder / "file"
    file.write_text("")
    small.write_config(vault_path=file)
    found = failures(await small.cli.batch("doctor"))
    assert found.keys() == {"vault"}
    assert "vault_path" in found["vault"]


async def test_the_doctor_changes_nothing(small: SmallWorld) -> None:
    before = await small.world.keys()
    ran = await small.cli.batch("doctor")
    assert ran.code == 0
    assert await small.world.keys() == before
    assert os.listdir(small.world.config.vault_path) == []  # noqa: PTH208


async def test_the_least_rights_are_printed(small: SmallWorld) -> None:
    small.write_config(databases=(DatabaseConfig("postgresql://app:Hunter9@nowhere/shop"),))
    by_hand, batch = await asyncio.gather(
        small.cli("doctor", "--print-policy"), small.cli.batch("doctor", "--print-policy")
    )
    assert (by_hand.code, batch.code, batch.summary["grants"]) == (0, 0, 5)
    policy, end = json.JSONDecoder().raw_decode(by_hand.text)
    assert policy == batch.of("bucket-policy")[0]["policy"]
    told = [line.partition("  -- ")[0] for line in by_hand.text[end:].split("\n") if line]
    assert told == [grant["sql"] for grant in batch.of("grant")]
    assert b"Hunter9" not in by_hand.stdout + batch.stdout
