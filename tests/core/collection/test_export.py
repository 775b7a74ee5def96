"""Exported backups are plain files that anybody can read, and replace nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from s3gc_core.clock import SystemClock
from s3gc_core.collection import Export
from s3gc_core.collection.export import MANIFEST
from s3gc_core.collection.sinks import FolderSink, TarSink, Written
from s3gc_core.errors import VaultUnreachable
from s3gc_core.vault import AuditLog, BackupFiles, Outcome, Result
from tests.core.collection.backups import backed_up, vault

FIRST, SECOND = "01K0000000000000000000000A", "01K0000000000000000000000B"
BODIES = {"../a": b"", "x/b" * 300: b"b" * 5000, "\x00\n": bytes(range(256)) * 5000, "x/a": b"1"}


@pytest.fixture
def files(tmp_path: Path) -> BackupFiles:
    return vault(tmp_path / "vault")


@pytest.fixture
async def audit(files: BackupFiles, tmp_path: Path) -> AsyncIterator[AuditLog]:
    """Two operations, which both had one of the keys."""
    log = await AuditLog.open(tmp_path / "vault", SystemClock())
    for operation_id, bodies in ((FIRST, BODIES), (SECOND, {"x/a": b"2"})):
        made = await backed_up(files, bodies, operation_id)
        await log.append(operation_id, [one.intent for one in made.values()])
        await log.append(operation_id, [Result(key, Outcome.DELETED) for key in made])
    yield log
    await log.close()


def read(path: Path, to: Path) -> dict[tuple[str, str], bytes]:
    """What a stranger reads, with nothing but tar and JSON: (operation, key) -> bytes."""
    folder = path
    if path.is_file():
        to.mkdir()
        subprocess.run(["tar", "-xf", str(path), "-C", str(to)], check=True)
        folder = to
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in (folder / MANIFEST).read_bytes().splitlines()
    ]
    found = {}
    for line in lines:
        data = (folder / line["file"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (line["size"], line["sha256"])
        assert line["headers"] == {"content_type": "image/jpeg", "metadata": {"for": "a test"}}
        assert line["outcome"] == "deleted"
        found[line["operation_id"], line["key"]] = data
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert present == {MANIFEST, *(line["file"] for line in lines)}
    return found


@pytest.mark.parametrize("name", ["out", "out.tar"])
@pytest.mark.parametrize(
    ("operation_id", "prefix", "expected"),
    [
        (None, "", {(FIRST, key): data for key, data in BODIES.items()} | {(SECOND, "x/a"): b"2"}),
        (None, "x/a", {(FIRST, "x/a"): b"1", (SECOND, "x/a"): b"2"}),
        (SECOND, "", {(SECOND, "x/a"): b"2"}),
    ],
)
async def test_what_was_selected_is_read_without_us(
    audit: AuditLog,
    files: BackupFiles,
    tmp_path: Path,
    name: str,
    operation_id: str | None,
    prefix: str,
    expected: dict[tuple[str, str], bytes],
) -> None:
    export = Export(audit, files)
    path = tmp_path / "new" / name
    await export.run(path, operation_id, prefix)
    assert read(path, tmp_path / "unpacked") == expected
    assert (export.exported, export.bytes) == (len(expected), sum(map(len, expected.values())))
    assert export.damaged == []
    assert [one.name for one in (tmp_path / "new").iterdir()] == [name]


@pytest.mark.parametrize("name", ["out", "out.tar"])
@pytest.mark.parametrize("taken", ["", ".part"])
async def test_nothing_is_overwritten(
    audit: AuditLog, files: BackupFiles, tmp_path: Path, name: str, taken: str
) -> None:
    place = tmp_path / f"{name}{taken}"
    for make in (
        lambda: place.write_bytes(b"mine"),
        lambda: place.mkdir(),
        lambda: place.symlink_to(tmp_path / "nowhere"),
    ):
        make()
        before = {path.name for path in tmp_path.iterdir()}
        with pytest.raises(VaultUnreachable, match="already there"):
            await Export(audit, files).run(tmp_path / name, None, "")
        assert {path.name for path in tmp_path.iterdir()} == before
        place.rmdir() if place.is_dir() else place.unlink()


@pytest.mark.parametrize("name", ["out", "out.tar"])
async def test_what_came_meanwhile_stays_and_nothing_of_ours_does(
    audit: AuditLog, files: BackupFiles, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    sink = TarSink(path) if name.endswith(".tar") else FolderSink(path)
    sink.add("a", 1, [b"1"])
    path.write_bytes(b"mine")
    with pytest.raises(VaultUnreachable):
        sink.finish(iter([Written("a", 1, hashlib.sha256(b"1").hexdigest())]))
    sink.abandon()
    assert path.read_bytes() == b"mine"
    assert {one.name for one in tmp_path.iterdir()} == {name, "vault"}


@pytest.mark.parametrize("name", ["out", "out.tar"])
async def test_what_is_read_back_otherwise_is_no_export(
    audit: AuditLog, files: BackupFiles, tmp_path: Path, name: str
) -> None:
    sink = TarSink(tmp_path / name) if name.endswith(".tar") else FolderSink(tmp_path / name)
    sink.add("a", 1, [b"1"])
    with pytest.raises(VaultUnreachable, match="read back"):
        sink.finish(iter([Written("a", 1, hashlib.sha256(b"2").hexdigest())]))
    sink.abandon()
    assert {one.name for one in tmp_path.iterdir()} == {"vault"}


@pytest.mark.parametrize("name", ["out", "out.tar"])
async def test_what_is_missing_when_read_back_is_no_export(tmp_path: Path, name: str) -> None:
    sink = TarSink(tmp_path / name) if name.endswith(".tar") else FolderSink(tmp_path / name)
    written = []
    for file in ("a", "b", "c"):
        sink.add(file, 1, [b"1"])
        written.append(Written(file, 1, hashlib.sha256(b"1").hexdigest()))
    with pytest.raises(VaultUnreachable, match="d"):
        sink.finish(iter([*written, Written("d", 1, written[0].sha256)]))
    sink.abandon()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out", "out.tar"])
async def test_a_damaged_backup_is_left_out_and_named(
    audit: AuditLog, files: BackupFiles, tmp_path: Path, name: str
) -> None:
    [state] = [s async for page in audit.backups(SECOND) for s in page if s.operation_id == SECOND]
    (tmp_path / "vault" / state.intent.backup.path).unlink()
    export = Export(audit, files)
    await export.run(tmp_path / name, None, "x/a")
    assert [key for key, _ in export.damaged] == ["x/a"]
    assert read(tmp_path / name, tmp_path / "unpacked") == {(FIRST, "x/a"): b"1"}
