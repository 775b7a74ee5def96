"""A job's view as text, at 80 and at 160 columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from s3gc_core.jobs import (
    Control,
    ControlState,
    EventKind,
    Job,
    JobEvent,
    JobOutcome,
    JobPhase,
    Standing,
    Wish,
)
from s3gc_tui.models.job_lines import (
    JobView,
    cancel_lines,
    event_lines,
    failure_lines,
    job_lines,
    started_lines,
)
from s3gc_tui.models.lines import plain_text
from s3gc_tui.models.rate import Rate
from tests.tui.models.hostile import HOSTILE, assert_tame
from tests.tui.models.pictures import EXECUTE_ID, NOW, PLAN_ID, job
from tests.tui.models.test_rate import at, steady

UNDO = f"s3gc --batch restore --operation {EXECUTE_ID}"
SCAN = "s3gc --batch scan"
WIDTHS = (80, 160)


def view(shown: Job, **fields: object) -> JobView:
    made = JobView(shown, NOW, undo=UNDO, recover=SCAN, to_recover=0)
    return replace(made, **fields)  # type: ignore[arg-type]


def text(shown: Job, width: int = 80, **fields: object) -> str:
    lines = job_lines(view(shown, **fields), width)
    assert_tame(lines, width)
    return plain_text(lines)


def test_how_it_deletes() -> None:
    assert "\n deletes   head-compare-delete\n" in text(job(deletes="head-compare-delete"))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_running_one(width: int) -> None:
    shown = job(step="delete", bytes={"backed_up": 200 << 30, "deleted": 174 << 30})
    rate = replace(steady(187, 60), progressed_at=NOW)
    assert (
        text(shown, width, rate=rate)
        == f"""\
 EXECUTE  {EXECUTE_ID}  RUNNING
 plan      {PLAN_ID}  (mode execute)
 by        ops@ops-1, process 4711 on ops-1
 since     2026-11-21 08:32 UTC

 execute            [#########.......]  23,511 / 41,220  57%  delete
 rate 187/s   1m 35s left   elapsed 2m 00s
 last sign of life 0 s ago
 objects   deleted 23,498, changed 13
 bytes     backed up 200.0 GiB, deleted 174.0 GiB"""
    )


def test_phases_before_are_whole_and_totals_may_be_unknown() -> None:
    began = NOW - timedelta(minutes=2)
    phases = [
        JobPhase("list", 1_204_311, None, began, NOW),
        JobPhase("judge", 10, 40, NOW),
    ]
    shown = text(job(what="scan", plan_id=None, phases=phases, counts={}))
    assert f" {'list':<37}  1,204,311\n" in shown
    assert " judge              [####............]  10 / 40  25%\n" in shown


def test_paused_tells_by_whom_and_no_rate() -> None:
    shown = job(
        Standing.PAUSED,
        control=ControlState.PAUSED,
        control_by="ana@ops-2",
        control_why="control.json cannot be read",
        paused_seconds=61.0,
    )
    told = text(shown, rate=steady(187, 60))
    assert " paused by ana@ops-2: control.json cannot be read" in told
    assert "elapsed 2m 00s, of that paused 1m 01s" in told
    assert "rate" not in told
    assert "stalled" not in told


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (Standing.PAUSING, "pause asked for by ana@ops-2; it comes at the next safe point"),
        (Standing.CANCELLING, "cancelled by ana@ops-2; what has begun is finished and recorded"),
    ],
)
def test_wishes_that_are_not_fulfilled_yet(standing: Standing, words: str) -> None:
    asked = Control(Wish.PAUSE, "ana@ops-2", NOW)
    assert words in text(replace(job(standing), asked=asked))


def test_a_rate_that_stands_still_is_stalled() -> None:
    rate = replace(steady(187, 60), progressed_at=NOW - timedelta(seconds=40))
    assert " stalled 40 s   elapsed" in text(job(), rate=rate)


def test_a_silent_process_is_told() -> None:
    silent = text(job(heartbeat_at=NOW - timedelta(seconds=25)))
    assert " no sign of life for 25 s; its process still holds the vault" in silent


def test_blocked_by_a_guard_tells_why_and_what_to_do() -> None:
    shown = text(
        job(
            Standing.ENDED,
            outcome="blocked",
            ended_at=NOW,
            error="guard-blocked",
            told="not-primary: main may lack the latest references: it is a standby",
            next_step="connect to the primary",
        )
    )
    assert (
        "blocked\n why: guard-blocked: not-primary: main may lack the latest references: it is a"
        in shown
    )
    assert "\n next: connect to the primary\n" in shown


def test_ended_tells_how_and_how_to_undo_it() -> None:
    shown = text(job(Standing.ENDED, outcome="partial", ended_at=NOW, error="vault-full"))
    assert " EXECUTE  " + EXECUTE_ID + "  PARTIAL\n" in shown
    assert " ended 2026-11-21 08:34 UTC after 2m 00s: partial\n why: vault-full\n" in shown
    assert shown.endswith(f" undo: restore, or\n   {UNDO}")


def test_what_deleted_nothing_has_nothing_to_undo() -> None:
    for changes in ({"what": "scan"}, {"counts": {"kept": 3}}):
        shown = text(job(Standing.ENDED, outcome="done", ended_at=NOW, **changes))
        assert shown.endswith(" it deleted nothing, so there is nothing to undo")
        assert UNDO not in shown


def test_interrupted_tells_what_is_in_doubt_and_what_recovers() -> None:
    shown = text(job(Standing.INTERRUPTED, heartbeat_at=NOW - timedelta(minutes=12)), to_recover=3)
    assert " interrupted: its process died; last sign of life 12m 00s ago\n" in shown
    assert " 3 steps in doubt; nothing was deleted without a backup\n" in shown
    assert f" The next operation recovers first, by itself. A scan will do:\n   {SCAN}\n" in shown
    assert f"   {UNDO}" in shown
    unknown = text(job(Standing.INTERRUPTED), to_recover=None)
    assert " what it left open is not known yet\n" in unknown


def test_unreadable_tells_why() -> None:
    shown = Job("strange\x1b[2J", Standing.UNREADABLE, problem="not made by s3gc")
    assert text(shown) == " strange\\x1b[2J  unreadable\n not made by s3gc"


def event(kind: EventKind, **fields: str) -> JobEvent:
    return JobEvent(at(7), kind, **fields)


def test_events_newest_last() -> None:
    events = [
        event(EventKind.BEGAN, subject="execute", by="ops@ops-1"),
        event(EventKind.PHASE, subject="execute"),
        event(EventKind.OBJECT, subject="changed", key="thumbs/a.webp", reason="another ETag"),
        event(EventKind.PAUSED, by="ana@ops-2"),
        event(EventKind.ENDED, subject="partial"),
    ]
    assert (
        plain_text(event_lines(events, 80))
        == """\
 08:00:07 execute began by ops@ops-1
 08:00:07 phase execute
 08:00:07 changed       thumbs/a.webp  another ETag
 08:00:07 paused by ana@ops-2
 08:00:07 ended partial"""
    )
    assert plain_text(event_lines([], 80)) == " nothing has happened yet"


def test_failures_by_outcome() -> None:
    events = [
        event(EventKind.OBJECT, subject="changed", key="a", reason="another ETag"),
        event(EventKind.OBJECT, subject="failed", key="b", reason="503"),
        event(EventKind.OBJECT, subject="changed", key="c"),
        event(EventKind.PAUSED, by="ana@ops-2"),
    ]
    assert (
        plain_text(failure_lines(events, {"changed": 44, "failed": 1, "deleted": 9}, 80))
        == """\
 changed  44; the first 2 are named
   a
     another ETag
   c

 failed  1
   b
     503"""
    )
    assert plain_text(failure_lines(events[3:], {}, 80)) == (
        " every object so far ended as intended"
    )


def test_a_process_without_an_operation() -> None:
    assert "has not begun" in plain_text(started_lines(7, JobOutcome(True, None, None, ()), 80))
    summary = {
        "outcome": "blocked",
        "error": "dry-run-refused",
        "what": "the mode is dry_run",
        "why": "dry run deletes nothing",
        "next_step": "set mode",
    }
    assert (
        plain_text(started_lines(7, JobOutcome(False, 3, summary, ()), 80))
        == """\
 NOT BEGUN  process 7 ended without an operation
 exit      3
 outcome   blocked
 error     dry-run-refused
 what      the mode is dry_run
 why       dry run deletes nothing
 next      set mode"""
    )
    died = started_lines(7, JobOutcome(False, -9, None, ["one\x1b[2J"]), 80)
    assert plain_text(died).endswith(" its last words:\n   one\\x1b[2J")


def test_enter_alone_keeps_it_running() -> None:
    answers = [one.id for one in cancel_lines("execute", EXECUTE_ID, 72) if one.id]
    assert answers == ["keep", "cancel"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("wild", HOSTILE)
def test_hostile_text_stays_tame(wild: str, width: int) -> None:
    for standing in Standing:
        shown = job(
            standing,
            what=wild,
            actor=wild,
            host=wild,
            step=wild,
            phases=[JobPhase(wild, 1, 2, NOW)],
            counts={wild: 1},
            bytes={wild: 1},
            arguments={wild: wild},
            control_by=wild,
            control_why=wild,
            outcome=wild if standing is Standing.ENDED else None,
            error=wild,
        )
        shown = replace(shown, asked=Control(Wish.PAUSE, wild, NOW), problem=wild)
        rate = Rate.begin(NOW, 1)
        assert_tame(job_lines(view(shown, rate=rate, undo=wild, recover=wild), width), width)
    events = [JobEvent(NOW, kind, wild, wild, wild, wild) for kind in EventKind]
    assert_tame(event_lines(events, width), width)
    assert_tame(failure_lines(events, {wild: 2}, width), width)
    summary = dict.fromkeys(("outcome", "error", "what", "why", "next_step"), wild)
    assert_tame(started_lines(1, JobOutcome(False, 1, summary, ()), width), width)
    assert_tame(started_lines(1, JobOutcome(False, 1, None, [wild]), width), width)
