"""The independent witness: reads the bucket and the files of the vault itself.

hashlib, zstandard, sqlite3 and botocore; no line of the product. It looks at a copy of audit.db
with its write-ahead log, so that what a dead process left is still there for the next one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import struct
import tarfile
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyrage
import zstandard

from tests.faults.store import Store, Stored

PROBES = ".s3gc-probe/"
# What ends which step, in the words of the log.
ENDS = {"result": "intent", "restored": "restore-intent"}


class PromiseBroken(AssertionError):
    """What the product promised does not hold."""


class Row(NamedTuple):
    """A row of the audit log as it is stored."""

    seq: int
    v: int
    at: str
    operation_id: str
    kind: str
    key: str | None
    body: bytes
    prev: bytes
    hash: bytes

    @property
    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.body)
        return record


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check saw: how many objects were in the vault only, and rows in the log."""

    only_in_vault: int
    rows: int


class Oracle:
    """Knows what was uploaded, and what of it nothing refers to."""

    def __init__(
        self, store: Store, vault: Path, objects: Mapping[str, Stored], orphans: frozenset[str]
    ) -> None:
        self._store = store
        self._vault = vault
        self._objects = objects
        self._orphans = orphans

    def nothing_is_lost(self, since: int) -> Seen:
        """Holds at every instant: each object is in the bucket, or in the vault with its intent.

        `since`: the intent must be younger than this row, that is, of this very deletion.
        """
        rows = self.rows()
        check_chain(rows)
        backed_up = self._check_backups(rows, since)
        bodies = self._store.bodies(self._objects)
        missing = {key for key, body in bodies.items() if body is None}
        changed = {
            key
            for key, body in bodies.items()
            if body is not None and body != self._objects[key].body
        }
        _demand(not changed, f"objects in the bucket have other bytes: {changed}")
        _demand(missing <= self._orphans, f"deleted in use: {missing - self._orphans}")
        _demand(missing <= backed_up, f"deleted without a recorded backup: {missing - backed_up}")
        return Seen(len(missing), len(rows))

    def damaged(self) -> set[str]:
        """Keys of recorded backups that are not what was recorded; the log itself is whole."""
        rows = self.rows()
        check_chain(rows)
        found = set()
        for row in rows:
            if row.kind == "intent":
                record = row.record
                try:
                    read_backup(self._vault, record["backup"])
                except PromiseBroken:
                    found.add(record["key"])
        return found

    def everything_is_settled(self) -> None:
        """Holds whenever an operation has ended well: no open end anywhere."""
        steps = open_steps(self.rows())
        _demand(not steps, f"steps without an end: {steps}")
        self.operations_have_ended()

    def operations_have_ended(self) -> None:
        """Holds whenever no process died: each operation has its end, each file its record."""
        rows = self.rows()
        check_chain(rows)
        begun = {row.operation_id for row in rows if row.kind == "operation-started"}
        ended = Counter(row.operation_id for row in rows if row.kind == "operation-finished")
        _demand(begun == set(ended), f"operations without end: {begun ^ set(ended)}")
        _demand(set(ended.values()) <= {1}, f"operations that ended twice: {ended}")
        recorded = {row.record["backup"]["path"] for row in rows if row.kind == "intent"}
        backups = self._vault / "backups"
        present = {str(p.relative_to(self._vault)) for p in backups.rglob("*") if not p.is_dir()}
        self._check_manifests([row for row in rows if row.kind == "intent"])
        recorded |= {
            f"backups/{row.operation_id}/manifest.jsonl" for row in rows if row.kind == "intent"
        }
        _demand(present == recorded, f"files against records: {present ^ recorded}")
        for path in present:
            if path.endswith(".tar"):
                check_pack(self._vault / path, [r.record for r in rows if r.kind == "intent"])
        self._check_anchors(rows)

    def the_plan_was_executed(self, plan_id: str) -> None:
        """All of the plan is accounted for, each key once; the bucket holds exactly the rest."""
        rows = self.rows()
        planned = [
            row.record["objects"]
            for row in rows
            if row.kind == "plan" and row.record["plan_id"] == plan_id
        ]
        operations = executions(rows, plan_id)
        results: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row.kind == "result" and row.operation_id in operations:
                results.setdefault(row.record["key"], []).append(row.record)
        for key, of_key in results.items():
            # Only what recovery found untouched may have been taken up again.
            again = [r for r in of_key[:-1] if r["outcome"] != "kept" or not r.get("inferred")]
            _demand(not again, f"{key} was ended more than once: {of_key}")
        totals = Counter(of_key[-1]["outcome"] for of_key in results.values())
        _demand(planned == [sum(totals.values())], f"planned {planned}, accounted for {totals}")
        _demand(totals == {"deleted": len(self._orphans)}, f"not all deleted: {totals}")
        _demand(set(results) == self._orphans, "the plan held other keys than the orphans")
        left = self.keys()
        right = set(self._objects) - self._orphans
        _demand(left == right, f"the bucket after the plan: {left ^ right}")

    def everything_is_back(self) -> None:
        """Every object is in the bucket: bytes, headers, metadata, tags; and nothing else is."""
        _demand(self.keys() == set(self._objects), f"keys: {self.keys() ^ set(self._objects)}")
        now = self._store.everything(self._objects)
        different = {key for key, stored in now.items() if stored != self._objects[key]}
        _demand(not different, f"not as they were: {different}")

    def what_is_gone_is_recorded(self, since: int) -> set[str]:
        """Each object that is gone has the store's own word for it in the log; returns them."""
        heard = {
            row.record["key"]
            for row in self.rows()
            if row.seq > since
            and row.kind == "result"
            and row.record["outcome"] == "deleted"
            and not row.record.get("inferred")
        }
        gone = set(self._objects) - self.keys()
        _demand(gone == heard, f"gone against recorded: {gone ^ heard}")
        return gone

    def keys(self) -> set[str]:
        """Keys in the bucket, but for probes of a process that died (they have their own test)."""
        return {key for key in self._store.listed() if not key.startswith(PROBES)}

    def rows(self) -> list[Row]:
        """The audit log, from a copy; what a dead process had not committed is not in it."""
        with tempfile.TemporaryDirectory() as folder:
            for name in ("audit.db", "audit.db-wal"):
                if (self._vault / name).exists():
                    shutil.copy(self._vault / name, folder)
            if not (Path(folder) / "audit.db").exists():
                return []
            with closing(sqlite3.connect(Path(folder) / "audit.db")) as database:
                tables = database.execute("SELECT name FROM sqlite_master WHERE name = 'audit'")
                if tables.fetchone() is None:
                    return []
                query = (
                    "SELECT seq, v, at, operation_id, kind, key, body, prev, hash "
                    "FROM audit ORDER BY seq"
                )
                return [Row(*row) for row in database.execute(query)]

    def has_ended(self, plan_id: str) -> bool:
        """Whether an execution of the plan came to its end and said so."""
        rows = self.rows()
        operations = executions(rows, plan_id)
        return any(
            row.kind == "operation-finished" and row.record["outcome"] == "done"
            for row in rows
            if row.operation_id in operations
        )

    def seconds_of_batches(self, plan_id: str) -> float:
        """From the first intent of the plan to the end of its operation, by the log's times."""
        rows = self.rows()
        operations = executions(rows, plan_id)
        times = [
            datetime.fromisoformat(row.at)
            for row in rows
            if row.operation_id in operations and row.kind in ("intent", "operation-finished")
        ]
        return (max(times) - min(times)).total_seconds()

    def head(self) -> int:
        """The number of the last row."""
        rows = self.rows()
        return rows[-1].seq if rows else 0

    def _check_backups(self, rows: list[Row], since: int) -> set[str]:
        """Each recorded backup is exactly its object; the keys that have one."""
        backed_up = set()
        for row in rows:
            if row.kind == "intent" and row.seq > since:
                record = row.record
                body = read_backup(self._vault, record["backup"])
                right = self._objects[record["key"]].body
                _demand(body == right, f"the backup of {record['key']} is not the object")
                backed_up.add(record["key"])
        return backed_up

    def _check_manifests(self, intents: list[Row]) -> None:
        """Each operation that backed something up lists it all, and nothing else."""
        recorded: dict[str, dict[str, Any]] = {}
        for row in intents:
            of = recorded.setdefault(row.operation_id, {})
            of[row.record["key"]] = row.record["backup"]
        for operation, backups in recorded.items():
            path = self._vault / "backups" / operation / "manifest.jsonl"
            _demand(path.is_file(), f"an operation without its manifest: {operation}")
            lines = [json.loads(line) for line in path.read_bytes().splitlines()]
            listed = [line["key"] for line in lines]
            _demand(sorted(listed) == sorted(backups), f"{path} lists other keys than recorded")
            for line in lines:
                backup = backups[line["key"]]
                same = {name: line[name] for name in backup} == backup
                _demand(same, f"{path} has {line['key']} elsewhere")

    def _check_anchors(self, rows: list[Row]) -> None:
        hashes = {row.seq: row.hash.hex() for row in rows}
        lines = (self._vault / "anchors.jsonl").read_bytes().splitlines(keepends=True)
        _demand(all(line.endswith(b"\n") for line in lines), "an anchor is cut short")
        anchors = [json.loads(line) for line in lines]
        wrong = [a for a in anchors if hashes.get(a["seq"]) != a["hash"]]
        _demand(not wrong, f"anchors that the log does not hold: {wrong}")


def identity_of(vault: Path) -> Path:
    """Where the secret key of encrypted backups is: beside the vault."""
    return vault.with_name("identity")


def read_backup(vault: Path, backup: dict[str, Any]) -> bytes:
    """A backup, by its own record, decoded as `zstd -d` would."""
    path = vault / backup["path"]
    _demand(path.is_file(), f"a recorded backup is not there: {path}")
    stored = path.read_bytes()
    if "offset" in backup:
        stored = stored[backup["offset"] : backup["offset"] + backup["stored_size"]]
    _demand(len(stored) == backup["stored_size"], f"{path} has another size than recorded")
    _demand(
        hashlib.sha256(stored).hexdigest() == backup["stored_sha256"],
        f"{path} has other bytes than recorded",
    )
    if "sealed" in backup:
        _demand(stored.startswith(b"age-encryption.org/v1\n"), f"{path} is not encrypted")
        key = pyrage.x25519.Identity.from_str(identity_of(vault).read_text().strip())
        stored = pyrage.decrypt(stored, [key])
    body: bytes = stored
    if backup["codec"] == "zstd":
        decoder = zstandard.ZstdDecompressor().decompressobj()
        body = decoder.decompress(stored)
        _demand(decoder.eof and not decoder.unused_data, f"{path} is not one whole frame")
    _demand(hashlib.sha256(body).hexdigest() == backup["raw_sha256"], f"{path} decodes wrongly")
    return body


def check_pack(path: Path, intents: list[dict[str, Any]]) -> None:
    """A sealed pack holds, as `tar` reads it, what is recorded of it, and nothing behind that."""
    _demand(path.stat().st_mode & 0o777 == 0o400, f"{path} is not sealed")
    recorded = [i for i in intents if path.as_posix().endswith("/" + i["backup"]["path"])]
    with tarfile.open(path) as pack:
        members = {m.name: m for m in pack if not m.name.startswith("_batch/")}
    ends = []
    for intent in recorded:
        backup = intent["backup"]
        member = members[backup["member"]]
        found = (member.offset_data, member.size)
        _demand(
            found == (backup["offset"], backup["stored_size"]), f"{intent['key']} lies elsewhere"
        )
        ends.append(backup["offset"] + -(-backup["stored_size"] // 512) * 512)
    _demand(path.stat().st_size == max(ends) + 1024, f"{path} has something behind its end")


def check_chain(rows: list[Row]) -> None:
    """Each row follows the one before it, and its hash covers everything in it."""
    before = bytes(32)
    for number, row in enumerate(rows, start=1):
        _demand(row.seq == number, f"row {number} is missing")
        _demand(row.prev == before, f"row {number} does not follow")
        key = b"" if row.key is None else row.key.encode()
        fields = (
            str(row.v).encode(),
            str(row.seq).encode(),
            row.at.encode(),
            row.operation_id.encode(),
            row.kind.encode(),
            key,
            row.body,
            row.prev,
        )
        lengths = [len(field) for field in fields]
        if row.key is None:
            lengths[5] = (1 << 64) - 1
        before = hashlib.sha256(struct.pack(">8Q", *lengths) + b"".join(fields)).digest()
        _demand(row.hash == before, f"row {number} was changed")


def open_steps(rows: list[Row]) -> list[tuple[str, str, str]]:
    """Intents without an end: (kind, operation, key)."""
    steps: list[tuple[str, str, str]] = []
    for row in rows:
        if row.kind in ENDS.values():
            steps.append((row.kind, row.operation_id, str(row.key)))
        elif row.kind in ENDS:
            ended = (ENDS[row.kind], row.operation_id, str(row.key))
            steps = [step for step in steps if step != ended]
    return steps


def executions(rows: list[Row], plan_id: str) -> set[str]:
    """Operations that executed the plan, or a part of it."""
    return {
        row.operation_id
        for row in rows
        if row.kind == "operation-started"
        and row.record["what"] == "execute"
        and row.record["plan_id"] == plan_id
    }


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise PromiseBroken(what)
