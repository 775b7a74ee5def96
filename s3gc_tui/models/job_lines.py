"""One job as lines: how far it is, how it goes, what it met, and how to undo it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.cells import cell_len

from s3gc_core.jobs import (
    EventKind,
    Job,
    JobEvent,
    JobOutcome,
    JobPhase,
    JobState,
    Standing,
)
from s3gc_tui.display import bar, column, count, duration, fit, size, when, wrap
from s3gc_tui.models.lines import BLANK, Line, Look, Piece, bad, dim, line, strong, warn
from s3gc_tui.models.picture import ALIVE
from s3gc_tui.models.rate import Rate, rate_words

# An operation gives a sign of life every second or so.
_SILENT = timedelta(seconds=10)
_BAR = 18
_LOOKS = {
    "done": Look.GOOD,
    "partial": Look.WARN,
    "cancelled": Look.WARN,
    "blocked": Look.WARN,
    "failed": Look.BAD,
    "interrupted": Look.BAD,
}


@dataclass(frozen=True, slots=True)
class JobView:
    """A job at a moment (`now`, the machine's UTC, as the journal has it).

    `to_recover` is None where it is not known. `undo` and `recover` are command lines.
    """

    job: Job
    now: datetime
    rate: Rate | None = None
    to_recover: int | None = None
    undo: str = ""
    recover: str = ""


def job_lines(view: JobView, width: int) -> list[Line]:
    """Everything but the events."""
    job, state = view.job, view.job.state
    if state is None:
        head = line(strong(f" {fit(job.operation_id, width - 14)}"), "  ", warn("unreadable"))
        return [head, *_told(job.problem, width)]
    lines = [_head(job, state), *_who(state, width), BLANK]
    lines += [_phase_line(phase, job, width) for phase in state.phases]
    lines += _pace(view, state)
    if state.counts:
        told = ", ".join(f"{name} {count(number)}" for name, number in state.counts.items())
        lines += _fact("objects", told, width)
    if any(state.bytes.values()):
        words = {name.replace("_", " "): number for name, number in state.bytes.items()}
        told = ", ".join(f"{name} {size(number)}" for name, number in words.items())
        lines += _fact("bytes", told, width)
    return [*lines, *_control(job, state, width), *_end(view, state, width)]


def _head(job: Job, state: JobState) -> Line:
    word = state.outcome or job.standing.value
    look = _LOOKS.get(word, Look.WARN if job.standing is not Standing.RUNNING else Look.STRONG)
    return line(
        strong(f" {fit(state.what.upper(), 20)}  {job.operation_id}  "),
        Piece(fit(word.upper(), 20), look),
    )


def _who(state: JobState, width: int) -> list[Line]:
    lines = []
    if state.plan_id:
        lines += _fact("plan", f"{state.plan_id}  (mode {state.mode})", width)
    else:
        lines += _fact("mode", state.mode, width)
    where = f"{state.actor}, process {state.pid} on {state.host}"
    lines += _fact("by", where, width)
    for name, value in state.arguments.items():
        lines += _fact(name, value, width)
    if state.deletes:
        lines += _fact("deletes", state.deletes, width)
    return [*lines, *_fact("since", f"{when(state.started_at)} UTC", width)]


def _phase_line(phase: JobPhase, job: Job, width: int) -> Line:
    name = f" {column(phase.name, 18)} "
    if phase.total:
        share = phase.done / phase.total
        drawn = bar(share, _BAR)
        told = f"  {count(phase.done)} / {count(phase.total)}  {min(1.0, share):.0%}"
    else:
        drawn, told = " " * _BAR, f"  {count(phase.done)}"
    if phase.ended_at is None and job.standing is Standing.ENDED:
        told += "  not ended"
    done = phase.ended_at is not None
    piece = dim(name + drawn + told) if done else Piece(name + drawn + told)
    step = job.state.step if job.state and not done and job.standing in ALIVE else ""
    room = width - cell_len(piece.text) - 3
    return line(piece, dim(f"  {fit(step, room)}")) if step and room > 8 else line(piece)


def _pace(view: JobView, state: JobState) -> list[Line]:
    """Rate, remaining time and elapsed time of one that runs."""
    if view.job.standing not in ALIVE:
        return []
    elapsed = f"elapsed {duration((view.now - state.started_at).total_seconds())}"
    if state.paused_seconds >= 1:
        elapsed += f", of that paused {duration(state.paused_seconds)}"
    phase = state.phases[-1] if state.phases else None
    left = max(0, phase.total - phase.done) if phase and phase.total is not None else None
    silent = view.now - state.heartbeat_at
    lines = []
    if view.rate is not None and view.job.standing is not Standing.PAUSED:
        words = rate_words(view.rate, view.now, left)
        piece = warn(f" {words}") if words.startswith("stalled") else Piece(f" {words}")
        lines.append(line(piece, dim(f"   {elapsed}")))
    else:
        lines.append(line(dim(f" {elapsed}")))
    if silent > _SILENT:
        told = f" no sign of life for {duration(silent.total_seconds())}"
        lines.append(line(warn(told), dim("; its process still holds the vault")))
    else:
        lines.append(line(dim(f" last sign of life {duration(silent.total_seconds())} ago")))
    return lines


def _control(job: Job, state: JobState, width: int) -> list[Line]:
    asked = job.asked
    by = f" by {asked.by}" if asked and asked.by else ""
    match job.standing:
        case Standing.PAUSING:
            text = f"pause asked for{by}; it comes at the next safe point"
        case Standing.PAUSED:
            by = f" by {state.control_by}" if state.control_by else by
            text = f"paused{by}" + (f": {state.control_why}" if state.control_why else "")
        case Standing.CANCELLING:
            text = f"cancelled{by}; what has begun is finished and recorded first"
        case _:
            return []
    return [line(warn(f" {part}")) for part in wrap(text, width - 2)]


def _end(view: JobView, state: JobState, width: int) -> list[Line]:
    job = view.job
    if job.standing is Standing.INTERRUPTED:
        return [BLANK, *_interrupted(view, state, width)]
    if job.standing is not Standing.ENDED or state.outcome is None:
        return []
    ended = state.ended_at or state.heartbeat_at
    took = duration((ended - state.started_at).total_seconds())
    text = f" ended {when(ended)} UTC after {took}: "
    lines = [
        BLANK,
        line(text, Piece(fit(state.outcome, 20), _LOOKS.get(state.outcome, Look.PLAIN))),
    ]
    if state.error:
        why = f"why: {state.error}" + (f": {state.told}" if state.told else "")
        lines += [line(bad(f" {part}")) for part in wrap(why, width - 2)]
    if state.next_step:
        lines += [line(f" {part}") for part in wrap(f"next: {state.next_step}", width - 2)]
    return [*lines, *_undo(view, state, width)]


def _interrupted(view: JobView, state: JobState, width: int) -> list[Line]:
    since = duration((view.now - state.heartbeat_at).total_seconds())
    lines = [line(bad(" interrupted"), f": its process died; last sign of life {since} ago")]
    if view.to_recover is None:
        told = "what it left open is not known yet"
    elif view.to_recover:
        told = f"{count(view.to_recover)} steps in doubt; nothing was deleted without a backup"
    else:
        told = "nothing is in doubt"
    lines += [line(warn(f" {part}")) for part in wrap(told, width - 2)]
    lines += _told("The next operation recovers first, by itself. A scan will do:", width)
    lines += [line(f"   {part}") for part in wrap(view.recover, width - 4)]
    if state.what == "execute" and state.plan_id:
        lines += _told("Its plan can then be executed again; it goes on where it stood.", width)
    return [*lines, *_undo(view, state, width)]


def _undo(view: JobView, state: JobState, width: int) -> list[Line]:
    if can_undo(state):
        lines = [line(" undo: restore, or")]
        return [*lines, *(line(f"   {part}") for part in wrap(view.undo, width - 4))]
    return [line(dim(" it deleted nothing, so there is nothing to undo"))]


def can_undo(state: JobState) -> bool:
    """Whether it deleted anything, or may have: one that died does not tell."""
    return state.what == "execute" and (
        bool(state.counts.get("deleted")) or state.outcome in (None, "interrupted")
    )


def _fact(name: str, value: str, width: int) -> list[Line]:
    first, *more = wrap(value, width - 12)
    head = line(dim(f" {column(name, 9)} "), first)
    return [head, *(line(" " * 11, part) for part in more)]


def _told(text: str, width: int) -> list[Line]:
    return [line(dim(f" {part}")) for part in wrap(text, width - 2)]


def event_lines(events: Iterable[JobEvent], width: int) -> list[Line]:
    """What an operation told, newest last."""
    lines = [_event_line(event, width) for event in events]
    return lines or [line(dim(" nothing has happened yet"))]


def _event_line(event: JobEvent, width: int) -> Line:
    time = dim(f" {event.at:%H:%M:%S} ")
    by = f" by {event.by}" if event.by else ""
    why = f": {event.reason}" if event.reason else ""
    room = width - 11
    if event.kind is EventKind.OBJECT:
        name = f"{column(event.subject, 13)} "
        room -= cell_len(name)
        reason = fit(event.reason, room // 2)
        key = fit(event.key, room - cell_len(reason) - 2)
        return line(time, warn(name), key, dim(f"  {reason}"))
    look = Look.WARN if event.kind in (EventKind.PAUSED, EventKind.CANCELLED) else Look.PLAIN
    words = {EventKind.PHASE: f"phase {event.subject}", EventKind.BEGAN: f"{event.subject} began"}
    text = words.get(event.kind, f"{event.kind.value} {event.subject}".rstrip())
    return line(time, Piece(fit(f"{text}{by}{why}", room), look))


def failure_lines(events: Iterable[JobEvent], counts: dict[str, int], width: int) -> list[Line]:
    """Objects that did not end as intended, by outcome; the journal names the first of each."""
    groups: dict[str, list[JobEvent]] = {}
    for event in events:
        if event.kind is EventKind.OBJECT:
            groups.setdefault(event.subject, []).append(event)
    if not groups:
        return [line(dim(" every object so far ended as intended"))]
    lines: list[Line] = []
    for outcome, told in groups.items():
        total = max(counts.get(outcome, 0), len(told))
        more = "" if total == len(told) else f"; the first {len(told)} are named"
        lines.append(line(warn(f" {fit(outcome, 20)}"), f"  {count(total)}", dim(more)))
        for event in told:
            lines.append(line("   ", fit(event.key, width - 4)))
            lines += [line(dim(f"     {part}")) for part in wrap(event.reason, width - 6) if part]
        lines.append(BLANK)
    return lines[:-1]


def started_lines(pid: int, outcome: JobOutcome, width: int) -> list[Line]:
    """A process that was started and has no operation (yet, or for ever)."""
    if outcome.running:
        return [
            line(strong(" STARTING"), f"  process {pid}"),
            *_told("it has not begun its operation yet", width),
        ]
    lines = [line(strong(" NOT BEGUN"), f"  process {pid} ended without an operation")]
    summary = outcome.summary or {}
    if outcome.exit_code is not None:
        lines += _fact("exit", str(outcome.exit_code), width)
    for name in ("outcome", "error", "what", "why", "next_step"):
        if summary.get(name):
            lines += _fact(name.replace("_step", ""), str(summary[name]), width)
    if not summary:
        lines.append(line(dim(" its last words:")))
        lines += [line(f"   {part}") for text in outcome.tail for part in wrap(text, width - 4)]
    return lines


def cancel_lines(what: str, operation_id: str, width: int) -> list[Line]:
    """The question before a cancellation; the first answer is the one that Enter gives."""
    text: Sequence[str] = wrap(
        "What has begun is finished and recorded; nothing is left half done. An execution can be"
        " gone on with by executing its plan again.",
        width - 2,
    )
    return [
        line(strong(f" Cancel {fit(what, 20)} {operation_id}?")),
        BLANK,
        *(line(f" {part}") for part in text),
        BLANK,
        line("   keep running", id="keep"),
        line("   cancel after what has begun", id="cancel"),
        BLANK,
        line(dim(" enter chooses, j k move, esc keeps it running")),
    ]
