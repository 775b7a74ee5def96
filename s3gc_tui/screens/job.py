"""One job, watched: it goes on whether anyone watches or not."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.worker import Worker

from s3gc_core.clock import utc_now
from s3gc_core.collection import Selection
from s3gc_core.errors import NoSuchOperation, S3gcError
from s3gc_core.jobs import Job, JobEvent, JobOutcome, Standing, StartedJob, operation_of
from s3gc_tui import records
from s3gc_tui.actions_table import Action, Where
from s3gc_tui.background import begin
from s3gc_tui.display import fit
from s3gc_tui.gateway import Gateway
from s3gc_tui.lines import Record
from s3gc_tui.models.intents import RestoreIntent, ScanIntent
from s3gc_tui.models.job_lines import (
    JobView,
    can_undo,
    event_lines,
    failure_lines,
    job_lines,
    started_lines,
)
from s3gc_tui.models.lines import BLANK, Line, Piece, bad, dim, error_lines, line, warn
from s3gc_tui.models.picture import ALIVE
from s3gc_tui.models.rate import Rate
from s3gc_tui.saving import save_records
from s3gc_tui.screens.cancel import CancelScreen
from s3gc_tui.screens.placed import Placed, back_with
from s3gc_tui.widgets.line_pane import LinePane
from s3gc_tui.widgets.tail_pane import TailPane

# Seconds between two looks.
_EVERY = 0.5
_EVENTS_KEPT = 2_000


class JobScreen(Placed[None]):
    """Shows one operation, or a started process until it has one. Closes with esc or q."""

    DEFAULT_CSS = """
    JobScreen #job { height: auto; max-height: 70%; }
    JobScreen #told { height: 1fr; }
    JobScreen #said, JobScreen #hint, JobScreen #title { height: 1; }
    """
    WHERE = Where.JOB
    BINDINGS: ClassVar[list[BindingType]] = back_with(WHERE)

    def __init__(
        self, gateway: Gateway, operation_id: str | None, *, started: StartedJob | None = None
    ) -> None:
        super().__init__(gateway)
        self._operation_id = operation_id
        self._started = started
        self._outcome: JobOutcome | None = None
        self._job: Job | None = None
        self._to_recover: int | None = None
        self._events: deque[JobEvent] = deque(maxlen=_EVENTS_KEPT)
        self._offset = 0
        self._phase = ""
        self._rate: Rate | None = None
        self._problem: Line | None = None
        self._error: S3gcError | None = None
        self._said: Line = BLANK
        self._failures = False
        self._looking: Worker[None] | None = None

    @classmethod
    def for_started(cls, gateway: Gateway, started: StartedJob) -> JobScreen:
        """Follows a process that was just started, also where it never begins an operation."""
        return cls(gateway, None, started=started)

    @property
    def operation_id(self) -> str | None:
        """The operation that is watched; None as long as there is none."""
        return self._operation_id

    def compose(self) -> ComposeResult:
        """What it is and how far it is; what it told; the newest word; the keys."""
        yield LinePane(id="job")
        yield LinePane(id="title")
        yield TailPane(id="told")
        yield LinePane(id="said")
        yield LinePane(id="hint")

    def on_mount(self) -> None:
        """Begin to look."""
        for name in ("#job", "#title", "#said", "#hint"):
            self.query_one(name, LinePane).can_focus = False
        self.query_one("#told", TailPane).focus()
        self.set_interval(_EVERY, self._watch)
        self._watch()

    def on_resize(self) -> None:
        """Fit the lines into the new width."""
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What changes anything is there only where it works."""
        standing = self._job.standing if self._job else None
        if action == "pause":
            return self.gateway.may_write and standing in ALIVE - {Standing.CANCELLING}
        if action == "cancel":
            return self.gateway.may_write and standing in ALIVE - {Standing.CANCELLING}
        return super().check_action(action, parameters)

    def to_restore(self) -> Selection | None:
        """What it deleted, once it has ended."""
        job = self._job
        if job is None or job.state is None or job.standing in ALIVE or not can_undo(job.state):
            return None
        return Selection(operation_id=job.operation_id)

    def _watch(self) -> None:
        """Begin a look, unless the last one still waits for its answer or all is known."""
        if self._has_ended():
            return
        if self._looking is None or self._looking.is_finished:
            self._looking = begin(self, self._look_and_show, "watch")

    async def _look_and_show(self) -> None:
        try:
            await self._look()
            self._problem = None
            self._error = None
        except S3gcError as error:
            self._problem = self._in_a_line(error)
            self._error = error
        self._show()

    async def _look(self) -> None:
        """What is new, from the files of the job."""
        picture = await self.gateway.picture()
        if self._operation_id is None and self._started is not None:
            self._outcome = await asyncio.to_thread(self.gateway.outcome, self._started)
            self._operation_id = operation_of(self._started, self._outcome, picture.jobs)
        if self._operation_id is None:
            return
        found = await self.gateway.job(self._operation_id)
        self._to_recover = picture.status.to_recover if picture.status else None
        if found is None:
            raise NoSuchOperation(
                f"no journal is kept of operation {self._operation_id}",
                next_step="the history (5) has what became of its objects",
            )
        self._measure(found)
        self._job = found
        await self._read_events(found.operation_id)

    def _has_ended(self) -> bool:
        job = self._job
        if job is None:
            # A process that ended without an operation will not get one any more.
            return self._outcome is not None and not self._outcome.running
        return job.standing is Standing.ENDED

    async def _read_events(self, operation_id: str) -> None:
        while True:
            read = await self.gateway.job_events(operation_id, self._offset)
            if read.offset == self._offset:
                return
            self._offset = read.offset
            self._events.extend(read.events)

    def _measure(self, job: Job) -> None:
        """One more look at how fast the last phase goes, by the journal's own times."""
        state = job.state
        if state is None or not state.phases:
            return
        phase = state.phases[-1]
        if self._rate is None or self._phase != phase.name:
            self._phase, self._rate = phase.name, Rate.begin(state.heartbeat_at, phase.done)
        elif job.standing is Standing.PAUSED:
            self._rate = self._rate.rested(state.heartbeat_at, phase.done)
        else:
            self._rate = self._rate.after(state.heartbeat_at, phase.done)

    def _show(self) -> None:
        """Draw; the panes send only lines that changed."""
        width = self.size.width
        if not width:
            return
        self._show_job(width)
        told = self.query_one("#told", TailPane)
        title = " failures by outcome" if self._failures else " events, newest last"
        self.query_one("#title", LinePane).show([line(dim(title))])
        state = self._job.state if self._job else None
        if self._failures:
            told.show(failure_lines(self._events, state.counts if state else {}, width))
        else:
            told.show_tail(event_lines(self._events, width))
        self.query_one("#said", LinePane).show([self._problem or self._said])
        self.query_one("#hint", LinePane).show([self.key_line(*self._notes())])

    def actions_here(self) -> list[Action]:
        """The same key pauses and lets go on."""
        paused = self._job is not None and self._job.standing in (Standing.PAUSED, Standing.PAUSING)
        return [
            replace(one, hint="go on") if paused and one.id == "pause" else one
            for one in super().actions_here()
        ]

    def _notes(self) -> list[Piece]:
        if self._job is None or self._job.standing not in ALIVE:
            return []
        read_only = [] if self.gateway.may_write else [warn("[READ-ONLY]")]
        return [dim("(the job goes on)"), *read_only]

    def _show_job(self, width: int) -> None:
        lines = self._job_lines(width)
        pane = self.query_one("#job", LinePane)
        if len(lines) != len(pane.lines):
            pane.styles.height = len(lines)
        pane.show(lines)

    def _job_lines(self, width: int) -> list[Line]:
        if self._job is None:
            if self._started is not None and self._outcome is not None:
                return started_lines(self._started.pid, self._outcome, width)
            if self._error is not None:
                return error_lines(self._error, width)
            return [line(dim(" looking for the operation ..."))]
        undo = RestoreIntent(Selection(operation_id=self._job.operation_id))
        view = JobView(
            self._job,
            utc_now(),
            self._rate,
            self._to_recover,
            undo=self.gateway.batch_line(undo),
            recover=self.gateway.batch_line(ScanIntent()),
        )
        return job_lines(view, width)

    def action_failures(self) -> None:
        """Events, or objects that did not end as intended."""
        self._failures = not self._failures
        self._show()

    def action_pause(self) -> None:
        """Ask for a pause, or for going on."""
        begin(self, self._pause, "control")

    async def _pause(self) -> None:
        job = self._job
        if job is None:
            return
        try:
            await self.gateway.pause_or_resume(job)
        except S3gcError as error:
            self._say_error(error)

    def action_cancel(self) -> None:
        """Ask whether to end it."""
        job = self._job
        if job is None:
            return
        what = job.state.what if job.state else "operation"
        self.app.push_screen(CancelScreen(what, job.operation_id), self._cancel_chosen)

    def _cancel_chosen(self, cancel: bool | None) -> None:
        if cancel:
            begin(self, self._cancel, "control")

    async def _cancel(self) -> None:
        try:
            if self._operation_id is not None:
                await self.gateway.cancel(self._operation_id)
        except S3gcError as error:
            self._say_error(error)

    def action_save(self) -> None:
        """Write all events to a new file."""
        begin(self, self._save, "save")

    async def _save(self) -> None:
        if self._operation_id is None:
            return
        name, pages = f"s3gc-{self._operation_id}-events", self._all_events(self._operation_id)
        try:
            told = await save_records(name, "events", pages)
        except S3gcError as error:
            self._say_error(error)
        else:
            self._say(line(f" {fit(told, self.size.width - 2)}"))

    async def _all_events(self, operation_id: str) -> AsyncIterator[Iterable[Record]]:
        offset = 0
        while (read := await self.gateway.job_events(operation_id, offset)).offset != offset:
            yield map(records.told, read.events)
            offset = read.offset

    def _say(self, said: Line) -> None:
        self._said = said
        self._show()

    def _say_error(self, error: S3gcError) -> None:
        self._say(self._in_a_line(error))

    def _in_a_line(self, error: S3gcError) -> Line:
        return line(bad(f" {fit(f'{error.what}; {error.next_step}', self.size.width - 2)}"))
