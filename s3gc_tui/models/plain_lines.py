"""What the panes show as linear text: whole keys and ids, no columns that need an eye, no bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from s3gc_core.judgement import Judged
from s3gc_core.vault import COMPACT, Operation
from s3gc_tui.display import age, count, size, when
from s3gc_tui.models.lines import Line, line
from s3gc_tui.models.picture import Picture
from s3gc_tui.safe_text import safe_text


def about_lines(picture: Picture) -> Iterator[Line]:
    """Where we are, and how old what is known is."""
    about, status = picture.about, picture.status
    yield line(f"Bucket {safe_text(about.bucket)}, mode {about.mode}.")
    if status is not None and status.last_scan is not None:
        scan, stale = status.last_scan, " It is stale: no verdict counts." * picture.is_stale
        yield line(
            f"Last scan {scan.scan_id}, {age(picture.taken_at - scan.finished_at)} ago:"
            f" {count(scan.listed)} objects listed, {count(scan.orphans)} orphans"
            f" of {size(scan.bytes)}, {count(scan.held)} held, {count(scan.kept)} kept.{stale}"
        )
        for exclusion in scan.unmatched_exclusions:
            yield line(f"Matches no object, is it misspelled? {safe_text(exclusion)}")
        for name in scan.unmatched_skips:
            yield line(f"Names no table, is it misspelled? database_search_skip: {safe_text(name)}")
        if scan.not_searched:
            yield line(f"Not searched for keys: {safe_text(', '.join(scan.not_searched))}.")
        for tripped in scan.blocked:
            yield line(
                f"Blocked by the guard {safe_text(tripped.label)}: {safe_text(tripped.reason)}."
            )
            yield line(f"Next: {safe_text(tripped.next_step)}")
    elif status is not None:
        yield line("No scan has finished yet.")
    for stream in picture.lost_streams:
        yield line(f"The stream of {safe_text(stream.database)} is lost: nothing is judged.")
    if status is not None and status.to_recover:
        yield line(f"{count(status.to_recover)} steps are in doubt; the next job recovers them.")
    for problem in picture.problems:
        yield line(f"Problem: {safe_text(problem)}")


def candidate_lines(candidates: Iterable[Judged], now: datetime, stale: bool) -> Iterator[Line]:
    """One candidate a line: verdict, size, age, key, and the reason where it stays."""
    for judged in candidates:
        entry = judged.object
        verdict = "held" if stale and judged.verdict == "orphan" else judged.verdict.value
        reason = f"; {safe_text(judged.reason)}" if judged.reason else ""
        yield line(
            f"{verdict}, {size(entry.size)}, {age(now - entry.last_modified)} old:"
            f" {safe_text(entry.key)}{reason}"
        )


def job_lines(picture: Picture) -> Iterator[Line]:
    """One job a line, newest first."""
    for job in picture.jobs:
        state = job.state
        if state is None:
            yield line(f"{safe_text(job.operation_id)} unreadable: {safe_text(job.problem)}")
            continue
        standing = state.outcome or job.standing.value
        words = [f"{job.operation_id} {state.what} {standing}"]
        words.append(f"began {when(state.started_at)} UTC by {state.actor}")
        if state.ended_at is None and state.phases:
            phase = state.phases[-1]
            of = f" of {count(phase.total)}" if phase.total is not None else ""
            words.append(f"phase {phase.name} {count(phase.done)}{of}")
        words += [f"{name} {count(number)}" for name, number in state.counts.items()]
        if state.error:
            words.append(f"error {state.error}")
        yield line(safe_text(", ".join(words)))
    if not picture.jobs:
        yield line("No job has run yet.")


def plan_lines(picture: Picture) -> Iterator[Line]:
    """One plan a line, newest first."""
    for plan, history in picture.plans:
        by = f" by {safe_text(history.approved_by)}" if history.approved_by else ""
        left = plan.expires_at - picture.taken_at
        life = f"expires in {age(left)}" if left.total_seconds() > 0 else "expired"
        yield line(
            f"{plan.plan_id} {history.state}{by}: {count(plan.objects)} objects,"
            f" {size(plan.bytes)}, {life}"
        )
    if not picture.plans:
        yield line("No plan is kept.")


def vault_lines(picture: Picture) -> Iterator[Line]:
    """What the vault holds."""
    vault = picture.vault
    if vault is None:
        yield line("The vault has not been read.")
        return
    yield line(f"Vault {safe_text(picture.about.vault_path)}.")
    ratio = f", {vault.ratio:.2f} times smaller" if vault.ratio else ""
    yield line(
        f"{count(vault.backups)} backups, {size(vault.raw_bytes)} before,"
        f" {size(vault.stored_bytes)} after{ratio}."
    )
    for codec, of in vault.codecs.items():
        lossy = "; LOSSY, not what the objects were" if codec == COMPACT else ""
        yield line(
            f"Stored as {codec}: {count(of.backups)} backups, {size(of.raw_bytes)} before,"
            f" {size(of.stored_bytes)} after{lossy}."
        )
    if vault.oldest is not None:
        yield line(f"The oldest is of {when(vault.oldest)} UTC.")
    drill = picture.status.drill if picture.status else None
    if drill is not None:
        how = f"{count(drill.record.checked)} restored, {count(drill.record.differing)} differing"
        yield line(f"Last restore drill {age(picture.taken_at - drill.at)} ago: {how}.")
    lag = picture.status.replica if picture.status else None
    if lag is not None:
        behind = "has everything"
        if lag.records:
            behind = f"lacks {count(lag.records)} records, {size(lag.bytes)} of backups"
            behind += f", the oldest for {age(timedelta(seconds=lag.seconds))}"
        yield line(f"Replica {safe_text(lag.name)} {behind}.")
        if lag.problem:
            yield line(f"It could not be written: {safe_text(lag.problem)}.")
    yield line(f"Free space {size(vault.free_bytes)}.")


def history_lines(operations: Iterable[Operation]) -> Iterator[Line]:
    """One recorded operation a line, newest first."""
    shown = False
    for operation in operations:
        shown = True
        started, finished = operation.started, operation.finished
        words = [f"{operation.operation_id} {started.what}"]
        words[0] += f" {finished.outcome}" if finished else " without an end"
        words.append(f"{when(operation.started_at)} UTC by {started.actor}")
        if finished is not None:
            words += [f"{name} {count(number)}" for name, number in finished.counts.items()]
            words += [f"blocked by {label}" for label in finished.blocked]
        yield line(safe_text(", ".join(words)))
    if not shown:
        yield line("Nothing has been recorded yet.")
