"""The catalogue's tables of plans: a head and its frozen items.

Functions take the connection and run in the catalogue's thread, each in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence

import msgspec

from s3gc_core.errors import NoSuchKey
from s3gc_core.judgement.layers import Judged
from s3gc_core.judgement.plans import Plan, PlanItem, plan_sha256, selects
from s3gc_core.judgement.scan_tables import PAGE, orphans

SCHEMA = """
CREATE TABLE plan (plan_id TEXT PRIMARY KEY, head BLOB NOT NULL) STRICT;
CREATE TABLE plan_item (
    plan_id TEXT NOT NULL, key TEXT NOT NULL, item BLOB NOT NULL, PRIMARY KEY (plan_id, key)
) STRICT, WITHOUT ROWID;
"""

_PLANS_KEPT = 50

_encoder = msgspec.json.Encoder()
_plan = msgspec.json.Decoder(Plan)
_item = msgspec.json.Decoder(PlanItem)


def forget_old_plans(connection: sqlite3.Connection) -> None:
    """Keep the newest plans only; what each was approved for stays in the audit log."""
    connection.execute(
        "DELETE FROM plan WHERE plan_id NOT IN"
        " (SELECT plan_id FROM plan ORDER BY plan_id DESC LIMIT ?)",
        (_PLANS_KEPT,),
    )
    connection.execute("DELETE FROM plan_item WHERE plan_id NOT IN (SELECT plan_id FROM plan)")


def create_plan(connection: sqlite3.Connection, head: Plan) -> Plan:
    """Freeze the orphans of `head.scan_id`; counts and hash are filled in."""
    return _store(connection, head, (_frozen(one) for one in orphans(connection, head.scan_id)))


def _frozen(orphan: Judged) -> PlanItem:
    o = orphan.object
    return PlanItem(o.key, o.etag, o.size, o.last_modified, o.storage_class, orphan.layers)


def select_plan(
    connection: sqlite3.Connection,
    parent: Plan,
    plan_id: str,
    prefixes: Sequence[str],
    keys: frozenset[str],
) -> Plan:
    """Freeze a part of a plan. Raises `NoSuchKey` where nothing of it is selected."""
    head = msgspec.structs.replace(parent, plan_id=plan_id, parent=parent.plan_id)
    items = (_item.decode(stored) for stored in _stored_items(connection, parent.plan_id))
    part = _store(connection, head, (i for i in items if selects(i.key, prefixes, keys)))
    if part.objects == 0:
        raise NoSuchKey(f"plan {parent.plan_id} holds no such key or prefix")
    return part


def _store(connection: sqlite3.Connection, head: Plan, items: Iterator[PlanItem]) -> Plan:
    objects = size = 0

    def rows() -> Iterator[tuple[str, str, bytes]]:
        nonlocal objects, size
        for item in items:
            objects += 1
            size += item.size
            yield head.plan_id, item.key, _encoder.encode(item)

    connection.executemany("INSERT INTO plan_item VALUES (?, ?, ?)", rows())
    plan = msgspec.structs.replace(head, objects=objects, bytes=size)
    plan = msgspec.structs.replace(plan, sha256=recompute_sha256(connection, plan))
    connection.execute("INSERT INTO plan VALUES (?, ?)", (plan.plan_id, _encoder.encode(plan)))
    return plan


def recompute_sha256(connection: sqlite3.Connection, plan: Plan) -> str:
    """The hash of the plan as its items are stored now."""
    return plan_sha256(plan, _stored_items(connection, plan.plan_id))


def _stored_items(connection: sqlite3.Connection, plan_id: str) -> Iterator[bytes]:
    query = "SELECT item FROM plan_item WHERE plan_id = ? ORDER BY key"
    return (row[0] for row in connection.execute(query, (plan_id,)))


def get_plan(connection: sqlite3.Connection, plan_id: str) -> Plan | None:
    """A plan's head."""
    row = connection.execute("SELECT head FROM plan WHERE plan_id = ?", (plan_id,)).fetchone()
    return _plan.decode(row[0]) if row else None


def plans(connection: sqlite3.Connection) -> list[Plan]:
    """All plans kept, newest first."""
    query = "SELECT head FROM plan ORDER BY plan_id DESC"
    return [_plan.decode(row[0]) for row in connection.execute(query)]


def planned_etags(
    connection: sqlite3.Connection, plan_id: str, keys: Sequence[str]
) -> dict[str, str]:
    """Those of the keys that a plan holds, with their ETags."""
    query = (
        "SELECT item FROM plan_item WHERE plan_id = ? AND key IN (SELECT value FROM json_each(?))"
    )
    rows = connection.execute(query, (plan_id, json.dumps(list(keys))))
    return {item.key: item.etag for item in (_item.decode(row[0]) for row in rows)}


def item_page(connection: sqlite3.Connection, plan_id: str, after: str) -> list[PlanItem]:
    """The next page of a plan's items by key."""
    query = "SELECT item FROM plan_item WHERE plan_id = ? AND key > ? ORDER BY key LIMIT ?"
    return [_item.decode(row[0]) for row in connection.execute(query, (plan_id, after, PAGE))]
