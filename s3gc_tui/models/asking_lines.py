"""What the screens that ask before they act say first: approve, reject, execute."""

from __future__ import annotations

from datetime import datetime

from s3gc_core.config import UnsafeStore
from s3gc_core.judgement import Plan, PlanHistory, ScanSummary, versioning_note
from s3gc_tui.display import age, count, middle, size, when, wrap
from s3gc_tui.models.confirmation import Confirmation, Phase, Wanted
from s3gc_tui.models.lines import BLANK, Line, dim, good, line, strong, warn
from s3gc_tui.models.picture import About
from s3gc_tui.models.plan_lines import lossy_lines, object_lines, objects, review_lines
from s3gc_tui.models.review import Review
from s3gc_tui.safe_text import safe_text
from s3gc_tui.words import WINDOW


def approve_lines(
    plan: Plan, review: Review, scan: ScanSummary | None, now: datetime, width: int
) -> list[Line]:
    """What would be approved, what would not and why."""
    part = bool(review.prefixes or review.keys)
    what = "part of plan" if part else "plan"
    lines = [line(strong(f" APPROVE {what} {plan.plan_id}"), dim("  deletes nothing yet"))]
    if review.done:
        lines.append(line(f" {objects(review.objects)}, {size(review.bytes)}"))
    lines += [line(dim(f" {text}")) for text in wrap(_chosen(review), width - 2)]
    lines += review_lines(review, plan, now, width)
    if not review.done:
        return lines
    sample = review.sample()
    lines += [BLANK, line(strong(f" ANY {len(sample)}")), *object_lines(sample, now, width)]
    return [*lines, BLANK, line(strong(" NOT IN IT")), *_excluded(plan, review, scan, width)]


def _chosen(review: Review) -> str:
    if not review.prefixes and not review.keys:
        return "the whole plan"
    texts = [f"prefix {prefix}" for prefix in review.prefixes[:5]]
    if len(review.prefixes) > 5:
        texts.append(f"{count(len(review.prefixes) - 5)} more prefixes")
    if review.keys:
        texts.append(f"{count(len(review.keys))} keys")
    return "chosen: " + ", ".join(texts)


def _excluded(plan: Plan, review: Review, scan: ScanSummary | None, width: int) -> list[Line]:
    said = []
    if scan is not None and (note := versioning_note(scan.versioning)):
        said.append(note)
    if review.excluded_objects:
        amount = f"{objects(review.excluded_objects)} ({size(review.excluded_bytes)})"
        said.append(f"{amount} of the plan were not chosen: they stay in plan {plan.plan_id}")
    if review.not_in_plan:
        said.append(f"{count(review.not_in_plan)} chosen keys are no orphans of this plan")
    if scan is not None and scan.scan_id == plan.scan_id:
        said.append(f"{count(scan.held)} candidates held: a layer is in doubt, and doubt keeps")
        said.append(f"{count(scan.kept)} candidates kept: a layer found a reason to keep them")
    if not said:
        said.append("whatever the scan did not prove to be an orphan")
    return [line(f" {part}") for text in said for part in wrap(text, width - 2)]


def reject_lines(plan: Plan, width: int) -> list[Line]:
    """What a rejection means."""
    said = "For good: this plan can then never be approved or executed. Nothing is deleted."
    return [
        line(strong(f" REJECT plan {plan.plan_id}")),
        line(f" {objects(plan.objects)}, {size(plan.bytes)}"),
        *(line(dim(f" {part}")) for part in wrap(said, width - 2)),
    ]


def execute_lines(
    plan: Plan,
    history: PlanHistory,
    about: About,
    review: Review,
    now: datetime,
    width: int,
    scan: ScanSummary | None = None,
) -> list[Line]:
    """What would be deleted from where, on whose word, and until when."""
    bucket = middle(safe_text(plan.bucket), width - 10)
    profile = f" @{safe_text(about.profile)}" if about.profile else ""
    guarded = (
        "Each is judged again, backed up, and the backup read back, before it is deleted;"
        " what changed is left alone."
    )
    said = [
        f"Deletes {objects(plan.objects)} ({size(plan.bytes)}) from bucket {plan.bucket}.",
        guarded,
        f"Approved by {history.approved_by or '?'} (reason: {history.decided_because or '-'}).",
        f"Executor: {about.actor}. Mode {about.mode}.",
        f"The plan expires in {age(plan.expires_at - now)} ({when(plan.expires_at)} UTC).",
    ]
    if about.unsafe_store is UnsafeStore.HEAD_COMPARE:
        said.append(WINDOW)
    if history.started:
        said.append("Its last execution ended early: this one goes on with what is left.")
    lines = [line(warn(" EXECUTE"), strong(f" plan {plan.plan_id}")), line(f" {bucket}{profile}")]
    lines.append(BLANK)
    if scan is not None and (note := versioning_note(scan.versioning)):
        lines += [line(warn(f" {safe}")) for safe in wrap(note, width - 2)]
    for text in said:
        lines += [line(f" {safe}") for safe in wrap(text, width - 2)]
    lines += lossy_lines(about, review, width)
    if review.done and (largest := review.largest()):
        lines += [BLANK, line(strong(" LARGEST")), *object_lines(largest[:3], now, width)]
    return lines + review_lines(review, plan, now, width, lists=False)


def ask_line(asked: Confirmation, name: str) -> Line:
    """What has to be typed, above the field."""
    match asked.wanted:
        case Wanted.PHRASE:
            what = f" To {name}, type "
            return line(what, strong(asked.phrase), " and then Enter:")
        case Wanted.TEXT:
            return line(f" To {name}, give a reason and then Enter:")
        case _:
            return line(f" Enter: {name}")


def field_line(asked: Confirmation, width: int) -> Line:
    """The field: what was typed; of a long text the end."""
    if asked.wanted is Wanted.ENTER:
        return line()
    shown = safe_text(asked.text)
    room = width - 5
    return line(strong(" > "), "…" + shown[-room + 1 :] if len(shown) > room else shown, "_")


def state_line(asked: Confirmation, name: str) -> Line:
    """Whether Enter would do it now, and what esc does."""
    if asked.phase in (Phase.OPENING, Phase.QUIET):
        word = warn(" wait: keys count when none came for half a second")
    elif asked.phase is Phase.CONFIRMED:
        word = good(f" {name}: asked for")
    elif asked.wanted is not Wanted.ENTER and not asked.matches:
        word = dim(f" {name}: " + ("not yet matching" if asked.phrase else "a reason is required"))
    else:
        word = good(f" {name}: Enter")
    notice = warn(f"   {safe_text(asked.notice)}") if asked.notice else dim("")
    return line(word, dim("   esc = cancel"), notice)
