"""A plan as lines: its head, what it comes to, its objects, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from s3gc_core.config import Images
from s3gc_core.judgement import Plan, PlanHistory, PlanState
from s3gc_tui.display import age, count, middle, size, when, wrap
from s3gc_tui.models.lines import BLANK, Line, Look, Piece, dim, line, strong, warn, wrapped
from s3gc_tui.models.picture import About
from s3gc_tui.models.review import Review, Reviewed
from s3gc_tui.safe_text import safe_text
from s3gc_tui.words import LOSSY_IMAGES

_FOLDERS_SHOWN = 12
_STATES = {"approved": Look.WARN, "executing": Look.WARN, "executed": Look.GOOD}


def plan_word(plan: Plan, history: PlanHistory, now: datetime) -> str:
    """The plan's state, or `expired` where nothing can be done with it any more."""
    waiting = history.state in (PlanState.PROPOSED, PlanState.APPROVED, PlanState.EXECUTING)
    return "expired" if waiting and now >= plan.expires_at else history.state.value


def objects(number: int) -> str:
    """A number of objects in words."""
    return f"{count(number)} object" + ("" if number == 1 else "s")


def may_decide(plan: Plan, history: PlanHistory, now: datetime) -> bool:
    """Whether it can be approved or rejected."""
    return plan_word(plan, history, now) in ("proposed", "approved")


def may_execute(plan: Plan, history: PlanHistory, about: About, now: datetime) -> bool:
    """Whether an execution may be asked for (the core judges for itself)."""
    ready = plan_word(plan, history, now) in ("approved", "executing")
    return ready and history.approved is True and about.mode == "execute"


def head_lines(plan: Plan, history: PlanHistory, now: datetime, width: int) -> list[Line]:
    """What the plan is, how it stands, until when."""
    state = plan_word(plan, history, now)
    left = plan.expires_at - now
    expires = f"in {age(left)}" if left > timedelta() else "over"
    lines = [
        line(strong(f" plan {plan.plan_id}  "), Piece(state, _STATES.get(state, Look.STRONG))),
        _fact("bucket", middle(safe_text(plan.bucket), width - 12)),
        _fact("objects", f"{count(plan.objects)}, {size(plan.bytes)}"),
        _fact("made", f"{when(plan.created_at)} UTC of scan {plan.scan_id}"),
        _fact("expires", f"{when(plan.expires_at)} UTC ({expires})"),
        _fact("sha256", plan.sha256[:16]),
    ]
    if plan.parent is not None:
        lines.append(_fact("part of", f"plan {plan.parent}"))
    if history.approved is not None:
        word = "approved" if history.approved else "rejected"
        lines.append(_fact(word, f"by {middle(safe_text(history.approved_by or '?'), width - 16)}"))
        because = wrap(history.decided_because or "-", width - 13)
        lines.append(_fact("because", because[0]))
        lines += [line(f"{'':11} {part}") for part in because[1:]]
    return lines


def _fact(name: str, value: str) -> Line:
    return line(dim(f" {name:<10} "), value)


def review_lines(
    review: Review, plan: Plan, now: datetime, width: int, *, lists: bool = True
) -> list[Line]:
    """What the chosen objects come to; while they are still read, how far that is."""
    lines = [BLANK]
    if not review.done:
        share = review.seen * 100 // max(1, plan.objects)
        read = f"{count(review.seen)} of {count(plan.objects)} ({share}%)"
        lines.append(line(dim(f" reading the plan's objects: {read}")))
        return lines
    folders = review.folders()
    lines.append(line(strong(" BY PREFIX"), dim(f"{'objects':>11}  {'size':>10}")))
    for folder in folders[:_FOLDERS_SHOWN]:
        name = safe_text(folder.prefix) or "(no folder)"
        lines.append(_amounts(folder.objects, folder.bytes, middle(name, width - 35)))
    rest = folders[_FOLDERS_SHOWN:]
    objects, octets = review.elsewhere
    objects += sum(f.objects for f in rest)
    octets += sum(f.bytes for f in rest)
    if objects:
        lines.append(_amounts(objects, octets, "in other folders"))
    if lists:
        lines += _listed("LARGEST", review.largest(), now, width)
        lines += _listed("OLDEST", review.oldest(), now, width)
    return lines


def _amounts(objects: int, octets: int, name: str) -> Line:
    return line(f" {count(objects):>20}  {size(octets):>10}  {name}")


def _listed(title: str, of: Sequence[Reviewed], now: datetime, width: int) -> list[Line]:
    return [BLANK, line(strong(f" {title} {len(of)}")), *object_lines(of, now, width)]


def object_lines(of: Sequence[Reviewed], now: datetime, width: int) -> list[Line]:
    """Objects one by one: size, age, key."""
    return [
        line(
            f" {size(one.size):>10}  {age(now - one.last_modified):>5}  "
            f"{middle(safe_text(one.key), width - 20)}"
        )
        for one in of
    ]


def page_lines(
    page: Sequence[Reviewed], start: int, plan: Plan, now: datetime, width: int
) -> list[Line]:
    """One page of the plan's objects by key; `start` is the number of its first, from 0."""
    if not page:
        return [BLANK, line(dim(" reading objects"))]
    span = f" {count(start + 1)} to {count(start + len(page))} of {count(plan.objects)}"
    more = "   < > other pages" if len(page) < plan.objects else ""
    return [
        BLANK,
        line(strong(" OBJECTS BY KEY"), dim(span + more)),
        *object_lines(page, now, width),
    ]


def why_not_lines(
    plan: Plan, history: PlanHistory, about: About, now: datetime, width: int, *, may_write: bool
) -> list[Line]:
    """What keeps the plan from being executed from here, and what to do about it."""
    said = []
    if about.mode != "execute":
        said.append(
            f"Mode {about.mode}: nothing can be deleted. To change that, set"
            ' mode = "execute" in the configuration and start s3gc again.'
        )
    if not may_write:
        said.append("This session is read-only. To approve or execute, start `s3gc --write`.")
    word = plan_word(plan, history, now)
    if word == "expired":
        said.append("The plan expired: a new scan makes a new one.")
    elif word == "proposed":
        said.append("Not approved yet: nothing of it can be deleted.")
    return [line(warn(f" {part}")) for text in said for part in wrap(text, width - 2)]


def lossy_lines(about: About, review: Review, width: int) -> list[Line]:
    """That pictures of the plan may be stored LOSSY, and how many those are; else nothing."""
    if about.images is not Images.COMPACT:
        return []
    lines = wrapped(LOSSY_IMAGES, width, Look.WARN)
    if review.done:
        most = f"LOSSY: at most {objects(review.may_be_lossy)}, by their size;"
        called = f"{count(review.called_pictures)} of them are called pictures."
        lines += wrapped(f"{most} {called}", width, Look.WARN)
    return lines


def batch_lines(title: str, text: str, width: int) -> list[Line]:
    """A command line that does the same; long ones go over several lines."""
    parts = wrap(text, width - 13)
    first = line(dim(f" {title:<10} "), parts[0])
    return [first, *(line(f"{'':12}{part}") for part in parts[1:])]
