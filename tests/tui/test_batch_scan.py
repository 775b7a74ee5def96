"""`s3gc --batch`: scanning and looking; the fields of every line, exactly."""

from __future__ import annotations

import asyncio
import json

from tests.tui.command_line import Ran, Record, only
from tests.tui.small_world import FORGOTTEN, LATER, PROTECTED, USED, SmallWorld

LAYERS = ("registry", "database", "retention", "exclusion")
SOURCE = "main:users.avatar"
# The design's fields of a scan's summary, and what was added to them since.
SCAN_FIELDS = {"plan_id", "listed", "candidates", "orphans", "held", "kept", "bytes", "blocked"}
SCAN_FIELDS_ADDED = {"referenced", "sources", "matches", "unsearched", "returned"} | {
    "unmatched_exclusions",
    "search_skipped",
    "search_unread",
    "unmatched_skips",
    "versioning",
    "note",
}
SUMMARY_FIELDS = {"type", "outcome", "operation_id"}
CANDIDATE_FIELDS = {"key", "size", "etag", "last_modified", "verdict", "layers"}
CANDIDATE_FIELDS_ADDED = {"type", "doubts"}
PLAN_FIELDS = {"plan_id", "state", "objects", "bytes", "created_at", "expires_at", "sha256"} | {
    "parent",
    "confirm",
}


def events(ran: Ran) -> list[str]:
    """The log on standard error: one JSON event a line."""
    return [json.loads(line)["event"] for line in ran.complaints.splitlines()]


async def test_a_scan_says_what_it_found(small: SmallWorld) -> None:
    ran = await small.cli.batch("scan")
    assert ran.code == 0
    [summary] = ran.records
    assert summary.keys() == SUMMARY_FIELDS | SCAN_FIELDS | SCAN_FIELDS_ADDED
    operation_id = summary.pop("operation_id")
    assert len(operation_id) == 26
    assert summary == {
        "type": "summary",
        "outcome": "nothing-to-do",
        "plan_id": None,
        "listed": 6,
        "referenced": 2,
        "candidates": 4,
        "orphans": 0,
        "held": 0,
        "kept": 4,
        "bytes": 0,
        "sources": {SOURCE: 2},
        "matches": {SOURCE: [2, 2]},
        "unsearched": 0,
        "returned": 0,
        "unmatched_exclusions": [],
        "search_skipped": [],
        "search_unread": {},
        "unmatched_skips": [],
        "versioning": "disabled",
        "note": "",
        "blocked": [],
    }
    # Diagnostics are on the other stream.
    assert events(ran) == [
        "operation_started",
        "objects_listed",
        "candidates_found",
        "orphans_verified",
        "anchor",
        "operation_finished",
    ]
    assert await small.world.keys() == {*USED, *FORGOTTEN, *PROTECTED}


async def test_a_scan_that_finds_orphans_makes_a_plan(small: SmallWorld) -> None:
    ran = await small.cli.batch("scan", days=LATER)
    assert ran.code == 0
    summary = ran.summary
    listed, candidates = summary["listed"], summary["candidates"]
    assert (summary["outcome"], listed, candidates) == ("done", 6, 4)
    assert (summary["orphans"], summary["held"], summary["kept"]) == (3, 0, 1)
    assert summary["bytes"] == sum(map(len, FORGOTTEN.values()))
    [plan] = (await small.cli.batch("plan", "list")).of("plan")
    assert plan.keys() == PLAN_FIELDS | {"type"}
    assert (plan["plan_id"], plan["state"], plan["objects"]) == (summary["plan_id"], "proposed", 3)
    assert plan["confirm"] == f"{small.world.config.bucket} 3"


async def test_every_candidate_is_a_line_with_every_layer(small: SmallWorld) -> None:
    await small.world.scan()
    ran = await small.cli.batch("candidates")
    assert (ran.code, ran.stderr) == (0, b"")
    candidates = ran.of("candidate")
    assert len(ran.records) == len(candidates) + 1
    assert [c["key"] for c in candidates] == sorted([*FORGOTTEN, *PROTECTED])
    for candidate in candidates:
        assert candidate.keys() == CANDIDATE_FIELDS | CANDIDATE_FIELDS_ADDED
        body = {**FORGOTTEN, **PROTECTED}[candidate["key"]]
        state = await small.world.put(candidate["key"], body)
        assert (candidate["size"], candidate["etag"]) == (len(body), state.etag)
        assert candidate["last_modified"].endswith("Z")
        assert candidate["doubts"] == []
        assert tuple(candidate["layers"]) == LAYERS
        assert all(layer.keys() == {"verdict", "reason"} for layer in candidate["layers"].values())
        assert all(layer["reason"] for layer in candidate["layers"].values())
        protected = "keep" if candidate["key"] in PROTECTED else "pass"
        assert verdicts(candidate["layers"]) == ["pass", "pass", "keep", protected]
        assert candidate["verdict"] == "keep"
    assert ran.summary == {
        "type": "summary",
        "outcome": "done",
        "operation_id": None,
        "shown": 4,
        "verdicts": {"keep": 4},
    }


async def test_candidates_can_be_narrowed(small: SmallWorld) -> None:
    plan = await small.planned()
    batch = small.cli.batch
    orphans, kept, held, gone = await asyncio.gather(
        batch("candidates", "--verdict", "orphan"),
        batch("candidates", "--verdict", "keep", "--plan", plan),
        batch("candidates", "--verdict", "held"),
        batch("candidates", "--prefix", "gone/", "--plan", plan),
    )
    assert {c["key"] for c in orphans.of("candidate")} == set(FORGOTTEN)
    assert {c["key"] for c in kept.of("candidate")} == set(PROTECTED)
    assert held.of("candidate") == []
    assert (held.code, held.summary["outcome"]) == (0, "nothing-to-do")
    assert {c["key"] for c in gone.of("candidate")} == {"gone/a.txt", "gone/b.txt"}
    assert {verdict for c in orphans.of("candidate") for verdict in verdicts(c["layers"])} == {
        "pass"
    }
    assert orphans.summary["verdicts"] == {"orphan": 3}


async def test_why_names_every_layer_and_every_row(small: SmallWorld) -> None:
    await small.world.scan()
    batch = small.cli.batch
    used, gone, unknown = await asyncio.gather(
        batch("why", "used/1.jpg"), batch("why", "gone/a.txt"), batch("why", "never/was.txt")
    )
    assert [layer["layer"] for layer in used.of("layer")] == list(LAYERS)
    assert [layer["verdict"] for layer in used.of("layer")] == ["keep", "keep", "keep", "pass"]
    row = {"type": "reference", "database": "main", "table": "users", "column": "avatar", "row": 1}
    told = [{name: record[name] for name in (*row, "seen_by")} for record in used.of("reference")]
    assert told == [{**row, "seen_by": "registry"}, {**row, "seen_by": "database"}]
    assert (used.summary["in_bucket"], used.summary["verdict"]) == (True, "keep")
    assert [layer["verdict"] for layer in gone.of("layer")] == ["pass", "pass", "keep", "pass"]
    assert gone.of("reference") == []
    assert (unknown.code, unknown.summary["error"]) == (7, "no-such-key")


async def test_before_anything_happened_there_is_nothing_to_do(small: SmallWorld) -> None:
    commands: dict[str, dict[str, object]] = {
        "candidates": {"shown": 0, "verdicts": {}},
        "plan list": {"plans": 0},
        "operations": {"operations": 0},
        "history": {"records": 0},
    }
    runs = await asyncio.gather(*(small.cli.batch(*command.split()) for command in commands))
    for ran, (command, fields) in zip(runs, commands.items(), strict=True):
        nothing = {"type": "summary", "outcome": "nothing-to-do", "operation_id": None}
        assert (ran.code, ran.records, ran.stderr) == (0, [{**nothing, **fields}], b""), command
    stats = (await small.cli.batch("registry", "stats")).summary
    assert (stats["outcome"], stats["sources"], stats["valid_at"]) == ("nothing-to-do", 0, None)


async def test_status_and_operations_tell_of_the_last_scan(small: SmallWorld) -> None:
    scan = await small.world.scan()
    batch = small.cli.batch
    status, operations, none, stats = await asyncio.gather(
        batch("status"),
        batch("operations"),
        batch("operations", "--limit", "0"),
        batch("registry", "stats"),
    )
    said = status.summary
    assert (said["mode"], said["running"], said["last_scan"]) == ("execute", None, scan.scan_id)
    assert (said["blocked"], said["to_recover"]) == ([], 0)
    told = only(operations.of("operation"), operation_id=scan.scan_id)
    counts = {"listed": 6, "candidates": 4, "orphans": 0, "held": 0, "kept": 4}
    assert (told["what"], told["outcome"], told["counts"]) == ("scan", "done", counts)
    assert none.of("operation") == []
    rebuild = await batch("registry", "rebuild")
    counts = {"rows": 2, "keyed": 2, "keys": 2}
    for ran in (stats, rebuild):
        assert (ran.code, ran.summary["sources"]) == (0, 1)
        [source] = ran.of("source")
        assert {name: source[name] for name in ("name", *counts)} == {"name": SOURCE, **counts}
    assert stats.summary["operation_id"] is None
    assert len(rebuild.summary["operation_id"]) == 26


async def test_a_guard_blocks_with_its_name_until_it_is_accepted(small: SmallWorld) -> None:
    await small.world.app.execute("ALTER TABLE users ADD COLUMN cover TEXT")
    small.world.track({"users": ["avatar", "cover"]})
    small.write_config()
    ran = await small.cli.batch("scan")
    assert ran.code == 3
    label = "source-empty:main:users.cover"
    assert (ran.summary["outcome"], ran.summary["plan_id"]) == ("blocked", None)
    assert ran.summary["blocked"] == [
        {
            "guard": label,
            "reason": "main:users.cover yields no key",
            "next_step": "if that is right, set may_be_empty = true for it in [tables]",
        }
    ]
    status = await small.cli.batch("status")
    assert status.summary["blocked"] == [label]
    accepted = await small.cli.batch("scan", "--accept", label, "--reason", "the column is new")
    assert (accepted.code, accepted.summary["blocked"]) == (0, [])
    silent = await small.cli.batch("scan", "--accept", label)
    assert (silent.code, silent.summary["error"]) == (2, "configuration-error")


async def test_a_refused_operation_is_named_in_the_summary(small: SmallWorld) -> None:
    """What the audit log records under an id can be found by that id."""
    await small.world.scan()
    plan = await small.planned()
    refused = await small.cli.batch("execute", "--plan", plan, "--confirm", "x")
    assert refused.code == 3
    [recorded] = [
        operation["operation_id"]
        for operation in (await small.cli.batch("operations")).of("operation")
        if operation["what"] == "execute"
    ]
    assert refused.summary["operation_id"] == recorded


def verdicts(layers: Record) -> list[str]:
    """What each layer says, in the design's order."""
    return [layers[name]["verdict"] for name in LAYERS]


async def test_what_is_new_since_a_plan(small: SmallWorld) -> None:
    plan = await small.planned()
    await small.world.put("gone/new.txt", b"new")
    ran = await small.cli.batch("scan", "--since", plan, days=LATER)
    assert [one["key"] for one in ran.of("candidate")] == ["gone/new.txt"]
    assert (ran.summary["since"], ran.summary["new"]) == (plan, 1)
    assert ran.summary["orphans"] == len(FORGOTTEN) + 1
    listed = await small.cli.batch("candidates", "--since", plan)
    assert [one["key"] for one in listed.of("candidate")] == ["gone/new.txt"]
    gone, odd = await asyncio.gather(
        small.cli.batch("scan", "--since", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        small.cli.batch("candidates", "--since", plan, "--verdict", "keep"),
    )
    assert (gone.code, gone.summary["error"], odd.code) == (7, "no-such-plan", 2)
