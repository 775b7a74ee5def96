"""The main screen's panes as lines, drawn from one picture, each fitting into its width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.cells import cell_len

from s3gc_core.config import Images
from s3gc_core.jobs import Job, JobPhase, Standing
from s3gc_core.judgement import Plan, PlanHistory
from s3gc_core.session import FOREVER
from s3gc_core.vault import Operation
from s3gc_tui.display import age, bar, count, middle, size, when, wrap
from s3gc_tui.models.lines import (
    BLANK,
    Line,
    Look,
    Piece,
    bad,
    dim,
    good,
    line,
    strong,
    warn,
    wrapped,
)
from s3gc_tui.models.picture import ALIVE, Picture
from s3gc_tui.models.stream_lines import lost_lines, stream_piece
from s3gc_tui.safe_text import safe_text

if TYPE_CHECKING:
    from s3gc_core.actions.standing import VaultStats

# Counts that are left out first where there is no room.
_SAY_LEAST = ("candidates", "listed", "referenced")
_BARS = "▁▂▃▄▅▆▇█"
# A vault with less free than this is said to be short of room (the guard has its own bound).
_SHORT_OF_ROOM = 1 << 30
# Tripped guards told in full, and those named after them: a forgotten schema has many columns.
_TRIPS_TOLD, _LABELS_TOLD = 2, 8


def top_line(picture: Picture, width: int) -> Line:
    """Where we are, what this session may do, how old everything is; what does not fit goes."""
    about, status = picture.about, picture.status
    bucket = middle(safe_text(about.bucket), 28)
    profile = f" @{middle(safe_text(about.profile), 16)}" if about.profile else ""
    pieces: list[Piece] = [strong(f" {bucket}{profile}"), Piece("  "), _session(picture)]
    if about.mode != "execute":
        pieces += [Piece("  "), warn(f"mode {about.mode}")]
    if about.images is Images.COMPACT:
        pieces += [Piece("  "), warn("LOSSY images")]
    valid = status.registry_valid_at if status else None
    registry = f"refs {_coarse(picture.taken_at - valid)}" if valid else "refs none"
    stream = stream_piece(picture)
    told = Piece(f"  {stream.text}", stream.look)
    rest = [dim(f"  {registry}"), told, *_vault_words(picture)]
    # What matters most comes first: the words behind it go where there is no room.
    if picture.running is not None:
        rest.insert(0, strong(f"  {_job_word(picture.running)}"))
    if stream.look in (Look.WARN, Look.BAD):
        # Not as it should be: then it goes before how old everything is.
        rest.insert(0, rest.pop(rest.index(told)))
    if status is not None and status.last_scan is not None and status.last_scan.blocked:
        rest.insert(0, bad("  BLOCKED"))
    if picture.is_stale and status is not None:
        rest.insert(0, warn("  STALE" if status.last_scan else "  no scan yet"))
    if picture.lost_streams:
        rest.insert(0, rest.pop(rest.index(told)))
    if picture.problems:
        rest.insert(0, bad(f"  {len(picture.problems)} problem(s), see @"))
    clock = f"{picture.taken_at:%H:%M}Z "
    used = sum(len(piece.text) for piece in pieces)
    for piece in rest:
        cells = cell_len(piece.text)
        if used + cells + len(clock) + 1 <= width:
            pieces.append(piece)
            used += cells
    pieces.append(dim(" " * max(1, width - used - len(clock)) + clock))
    return Line(tuple(pieces))


def _coarse(span: timedelta) -> str:
    """An age that does not change with every second, each change being bytes on a slow line."""
    return "now" if span < timedelta(minutes=1) else f"{age(span)} ago"


def _session(picture: Picture) -> Piece:
    if picture.write_until is None:
        return Piece("[READ-ONLY]")
    if picture.write_until == FOREVER:
        return Piece("[WRITE]", Look.WARN)
    return Piece(f"[WRITE until {picture.write_until:%H:%M}]", Look.WARN)


def _vault_words(picture: Picture) -> list[Piece]:
    vault = picture.vault
    if vault is None:
        return [warn("  vault ?")]
    room = f" {size(vault.free_bytes)} free"
    if vault.free_bytes < _SHORT_OF_ROOM:
        return [bad("  vault LOW"), bad(room)]
    return [dim("  vault ok"), dim(room)]


def _job_word(job: Job) -> str:
    state = job.state
    what = state.what.upper() if state else "?"
    done, total = _progress(state.phases[-1]) if state and state.phases else (0, None)
    share = f" {done * 100 // total}%" if total else ""
    return f"{what}{share}" + ("" if job.standing is Standing.RUNNING else f" {job.standing}")


def _progress(phase: JobPhase) -> tuple[int, int | None]:
    return phase.done, phase.total


def jobs_lines(picture: Picture, width: int) -> list[Line]:
    """Jobs that run or wait for recovery, then plans that can still be decided or executed."""
    lines = [_job_line(job, picture.taken_at, width) for job in picture.jobs if _is_open(job)]
    if not lines:
        lines.append(line(dim(" no job is running")))
    if picture.status and picture.status.to_recover and picture.running is None:
        lines.append(
            line(
                warn(f" {count(picture.status.to_recover)} steps in doubt"),
                dim("; the next job recovers them"),
            )
        )
    lines += [*lost_lines(picture, width), *blocked_lines(picture, width)]
    lines.append(BLANK)
    lines.append(line(dim(f" {'PLAN':<8}{'STATE':<11}{'OBJECTS':>9} {'SIZE':>11}  EXPIRES IN")))
    lines += [_plan_line(plan, history, picture) for plan, history in picture.plans]
    if not picture.plans:
        lines.append(line(dim(" none; a scan that finds orphans makes one")))
    ended = [job for job in picture.jobs if job.standing is Standing.ENDED][:10]
    if ended:
        lines += [BLANK, line(dim(" ENDED"))]
        lines += [_job_line(job, picture.taken_at, width) for job in ended]
    return lines


def blocked_by(picture: Picture) -> str:
    """The guards that blocked the last scan, each once; empty where none did."""
    scan = picture.status.last_scan if picture.status else None
    return ", ".join(dict.fromkeys(trip.guard for trip in scan.blocked)) if scan else ""


def blocked_lines(picture: Picture, width: int) -> list[Line]:
    """Why the last scan made no plan, what to do about it, what protects nothing, and what was not
    searched.
    """
    scan = picture.status.last_scan if picture.status else None
    if scan is None:
        return []
    lines = []
    for exclusion in scan.unmatched_exclusions[:_TRIPS_TOLD]:
        lines += wrapped(f"matches no object, is it misspelled? {exclusion}", width, Look.WARN)
    for name in scan.unmatched_skips[:_TRIPS_TOLD]:
        text = f"names no table, is it misspelled? database_search_skip: {name}"
        lines += wrapped(text, width, Look.WARN)
    if left_out := scan.not_searched:
        names = ", ".join(left_out[:_LABELS_TOLD]) + " ..." * (len(left_out) > _LABELS_TOLD)
        lines += wrapped(f"not searched for keys: {names}", width, Look.PLAIN)
    for trip in scan.blocked[:_TRIPS_TOLD]:
        lines += wrapped(f"BLOCKED by {trip.guard}: {trip.reason}", width, Look.BAD)
        lines += wrapped(f"next: {trip.next_step}", width, Look.PLAIN)
    others = [trip.label for trip in scan.blocked[_TRIPS_TOLD:]]
    if others:
        text = f"and {count(len(others))} more: {', '.join(others[:_LABELS_TOLD])}"
        more = " ..." if len(others) > _LABELS_TOLD else ""
        lines += wrapped(text + more, width, Look.BAD)
    return [BLANK, *lines] if lines else []


def _is_open(job: Job) -> bool:
    return job.standing in ALIVE or job.standing in (Standing.INTERRUPTED, Standing.UNREADABLE)


def short(ulid: str) -> str:
    """The end of an id, which is what differs between those of one day."""
    return ulid[-6:]


def _job_line(job: Job, now: datetime, width: int) -> Line:
    name = f"job {job.operation_id}"
    if job.state is None:
        return line(
            warn(f" {short(job.operation_id)} unreadable"), dim(f"  {job.problem}"), id=name
        )
    state = job.state
    outcome = state.outcome or job.standing.value
    look = {"done": Look.GOOD, "failed": Look.BAD, "interrupted": Look.BAD}.get(outcome, Look.PLAIN)
    phase = state.phases[-1] if state.phases else None
    progress = ""
    if phase is not None and job.standing is not Standing.ENDED:
        progress = f" {phase.name}"
        if phase.total:
            progress += f" {bar(phase.done / phase.total, 14)}"
        progress += f" {count(phase.done)}" + (f" / {count(phase.total)}" if phase.total else "")
    pieces: list[str | Piece] = [
        f" {short(job.operation_id)} {state.what.upper():<8}",
        Piece(f"{outcome:<12}", look),
        progress or dim(f" {when(state.started_at)} "),
    ]
    if told := told_counts(state.counts, width - len(line(*pieces).text) - 1):
        pieces.append(dim(f" {told}"))
    shown = line(*pieces, dim(f"  by {state.actor}"), id=name)
    return shown if len(shown.text) <= width else line(*pieces, id=name)


def told_counts(counts: Mapping[str, int], room: int) -> str:
    """Counts in words. Where there is no room for all, those go that say least."""
    names = [name for name, number in counts.items() if number]
    told = ""
    for least in ("", *_SAY_LEAST):
        names = [name for name in names if name != least]
        told = ", ".join(f"{name} {count(counts[name])}" for name in names)
        if len(told) <= room:
            break
    return told


def _plan_line(plan: Plan, history: PlanHistory, picture: Picture) -> Line:
    left = plan.expires_at - picture.taken_at
    gone = left <= timedelta()
    state = "expired" if gone and history.state in ("proposed", "approved") else str(history.state)
    look = {"approved": Look.WARN, "executed": Look.GOOD}.get(state, Look.PLAIN)
    return line(
        f" {short(plan.plan_id):<8}",
        Piece(f"{state:<11}", look),
        f"{count(plan.objects):>9} {size(plan.bytes):>11}",
        dim("  -" if gone or history.state in ("executed", "rejected") else f"  {age(left)}"),
        id=f"plan {plan.plan_id}",
    )


def vault_lines(picture: Picture, width: int) -> list[Line]:
    """What the vault holds, and how safe that is."""
    vault = picture.vault
    if vault is None:
        return [line(warn(" not read yet"))]
    ratio = f"{vault.ratio:.2f}x smaller" if vault.ratio else "-"
    lines = [
        _fact("objects", count(vault.backups)),
        _fact("before", size(vault.raw_bytes)),
        _fact("after", f"{size(vault.stored_bytes)}  ({ratio})"),
        *_stored_as(vault, width),
        _fact("oldest", when(vault.oldest) + " UTC" if vault.oldest else "-"),
        _fact("free", size(vault.free_bytes)),
        _verified(vault, picture.taken_at),
        *_drilled(picture),
        _replica(picture),
    ]
    if len(set(picture.vault_growth)) > 1:
        lines.append(_fact("growth", sparkline(picture.vault_growth, max(8, width - 14))))
    lines.append(line(dim(f" {middle(safe_text(picture.about.vault_path), width - 2)}")))
    return lines


def _stored_as(vault: VaultStats, width: int) -> list[Line]:
    """How many objects are stored how, what that saves, and how many do not come back whole."""
    if not vault.codecs:
        return []
    told = [
        f"{codec} {count(of.backups)} ({size(of.raw_bytes)}, {of.ratio or 1:.2f}x)"
        for codec, of in vault.codecs.items()
    ]
    first, *more = wrap(", ".join(told), width - 13)
    lines = [_fact("stored as", first), *(line(f"{'':12}{part}") for part in more)]
    if vault.lossy:
        lossy = f"{count(vault.lossy)} LOSSY: compact copies are not what the objects were"
        lines += wrapped(lossy, width, Look.WARN)
    return lines


def _verified(vault: VaultStats, now: datetime) -> Line:
    if vault.verified_at is None:
        return line(
            dim(" verified   "), warn("never"), dim("  `s3gc vault verify` reads them back")
        )
    how = f"{age(now - vault.verified_at)} ago, {count(vault.verified)} backups"
    if vault.damaged:
        return line(dim(" verified   "), bad(f"{count(vault.damaged)} DAMAGED"), f"  {how}")
    return line(dim(" verified   "), good("ok"), f"  {how}")


def _replica(picture: Picture) -> Line:
    lag = picture.status.replica if picture.status else None
    if lag is None:
        return _fact("replica", "none is configured")
    if lag.problem:
        return line(dim(" replica    "), bad(f"FAILING, {count(lag.records)} records behind"))
    if not lag.records:
        return line(dim(" replica    "), good("ok"), "  has everything")
    behind = f"{count(lag.records)} records, {size(lag.bytes)}"
    waiting = f"  for {age(timedelta(seconds=lag.seconds))}"
    return line(dim(" replica    "), warn(f"{behind} behind"), waiting)


def _drilled(picture: Picture) -> Iterator[Line]:
    drill = picture.status.drill if picture.status else None
    if drill is None:
        return
    record = drill.record
    how = f"  {age(picture.taken_at - drill.at)} ago, {count(record.checked)} restored"
    word = bad(f"{count(record.differing)} DIFFERING") if record.differing else good("ok")
    yield line(dim(" drill      "), word, how)


def _fact(name: str, value: str) -> Line:
    return line(dim(f" {name:<10} "), value)


def sparkline(values: tuple[int, ...], width: int) -> str:
    """Values as a row of blocks, the newest to the right."""
    shown = values[-width:]
    low, high = min(shown), max(shown)
    span = high - low or 1
    return "".join(_BARS[(value - low) * (len(_BARS) - 1) // span] for value in shown)


def history_lines(picture: Picture, width: int) -> list[Line]:
    """Recorded operations, newest first: when, what, how it ended, what it did, who did it."""
    if not picture.operations:
        return [line(dim(" nothing has been recorded yet"))]
    return [_operation_line(operation, width) for operation in picture.operations]


def _operation_line(operation: Operation, width: int) -> Line:
    finished = operation.finished
    outcome = finished.outcome if finished else "running?"
    look = {
        "done": Look.GOOD,
        "failed": Look.BAD,
        "interrupted": Look.BAD,
        "partial": Look.WARN,
        "blocked": Look.WARN,
    }.get(outcome, Look.PLAIN)
    counts = finished.counts if finished else {}
    head = f" {when(operation.started_at)}  {operation.started.what:<9}"
    text: list[str | Piece] = [head, Piece(f"{outcome:<12}", look)]
    told = told_counts(counts, width - len(line(*text).text) - 1)
    text.append(f" {told or ', '.join(finished.blocked if finished else ())}")
    used = sum(len(p if isinstance(p, str) else p.text) for p in text)
    who = f"  {operation.started.actor}"
    if used + len(who) <= width:
        text.append(dim(who))
    return line(*text, id=f"operation {operation.operation_id}")
