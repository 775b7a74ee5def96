"""What must hold whatever the store said: the bucket asked directly, the vault's files, the log.

No line of the product; the readers of the log and of backups are those of `tests.faults.oracle`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.oracle import (
    Oracle,
    PromiseBroken,
    Row,
    check_chain,
    executions,
    open_steps,
    read_backup,
)
from tests.faults.store import Store, Stored


def etag_of(body: bytes) -> str:
    """The ETag of an object that was put in one (S3 API reference, "Object")."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


@dataclass(slots=True)
class Witness:
    """Looks at one world; `current` is what the application last wrote, `orphans` may go.

    `since`: the number of the log's last row before this round.
    """

    store: Store
    vault: Path
    current: Mapping[str, Stored]
    orphans: frozenset[str]
    since: int = 0
    unbound: set[str] = field(default_factory=set)

    def rows(self) -> list[Row]:
        """The whole log."""
        return Oracle(self.store, self.vault, self.current, self.orphans).rows()

    def a_delete_may_reach_the_store(self, deleted: Mapping[str, str | None]) -> None:
        """Right now each key has a recorded backup of the very ETag that the delete is bound to."""
        recorded = {
            (row.record["key"], row.record["etag"])
            for row in self.rows()
            if row.kind == "intent" and row.seq > self.since
        }
        for key, etag in deleted.items():
            _demand(key in self.orphans, f"a delete of {key}, which is in use")
            if etag is None:
                self.unbound.add(key)  # by the proxy; the product's own is looked at below
                known = any(key == of for of, _ in recorded)
            else:
                known = (key, etag) in recorded
            _demand(known, f"a delete of {key} {etag} without a recorded backup")

    def nothing_is_lost(self) -> set[str]:
        """Each object is in the bucket as it was, or its backup is; returns those of the latter."""
        rows = self.rows()
        check_chain(rows)
        backed_up = self._backups(rows)
        bodies = self.store.bodies(self.current)
        gone = set()
        for key, body in bodies.items():
            right = self.current[key].body
            if body is None:
                _demand(key in self.orphans, f"deleted in use: {key}")
                _demand(right in backed_up.get(key, []), f"lost: {key}")
                gone.add(key)
            else:
                _demand(body == right, f"{key} has other bytes than were written last")
        return gone

    def _backups(self, rows: Sequence[Row]) -> dict[str, list[bytes]]:
        """What is backed up under each key: whole, and of the ETag that it is recorded with."""
        backed_up: dict[str, list[bytes]] = {}
        for row in rows:
            if row.kind != "intent" or row.seq <= self.since:
                continue
            record = row.record
            body = read_backup(self.vault, record["backup"])
            _demand(
                etag_of(body) == record["etag"],
                f"the backup of {record['key']} is not of {record['etag']}",
            )
            backed_up.setdefault(record["key"], []).append(body)
        return backed_up

    def the_books_balance(self, plan_id: str, lied_about: set[str]) -> Counter[str]:
        """The plan's objects each ended one way, and what is said to be deleted is gone."""
        rows = self.rows()
        [planned] = [
            row.record["objects"]
            for row in rows
            if row.kind == "plan" and row.record["plan_id"] == plan_id
        ]
        operations = executions(rows, plan_id)
        ended: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row.kind == "result" and row.operation_id in operations:
                ended.setdefault(row.record["key"], []).append(row.record)
        for key, results in ended.items():
            final = [r for r in results if not _may_follow(r)]
            _demand(len(final) <= 1, f"{key} was ended more than once: {results}")
        last = {key: results[-1]["outcome"] for key, results in ended.items()}
        counts = Counter(last.values())
        _demand(planned == sum(counts.values()), f"planned {planned}, ended {counts}")
        _demand(not open_steps(rows), f"steps without an end: {open_steps(rows)}")
        self._said_and_done(last, lied_about)
        return counts

    def _said_and_done(self, last: Mapping[str, str], lied_about: set[str]) -> None:
        gone = {key for key, body in self.store.bodies(self.current).items() if body is None}
        deleted = {key for key, outcome in last.items() if outcome == "deleted"}
        there = deleted - gone - lied_about
        # Overwritten after it was deleted is there again, and another object.
        _demand(not there, f"recorded as deleted, and there: {there}")
        # Its delete was heard of only when it was sent again, and found nothing.
        other = gone - {key for key, outcome in last.items() if outcome in ("deleted", "vanished")}
        _demand(not other, f"gone, and not recorded: {[(k, last.get(k)) for k in other]}")

    def everything_is_there(self) -> None:
        """Every object with its headers, metadata and tags, as the application last wrote it."""
        now = self.store.everything(self.current)
        different = {key for key, stored in now.items() if stored != self.current[key]}
        _demand(not different, f"not as they were: {different}")


def _may_follow(result: Mapping[str, Any]) -> bool:
    """Whether an execution that goes on takes a key with this result up again."""
    return result["outcome"] == "failed" or (
        result["outcome"] == "kept" and bool(result.get("inferred"))
    )


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise PromiseBroken(what)
