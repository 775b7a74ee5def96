"""The journal that an operation keeps while it runs, for whoever watches it; and its safe points.

The journal must never endanger the operation: a disk that cannot take it is warned about once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from s3gc_core import log
from s3gc_core.errors import OperationCancelled, S3gcError
from s3gc_core.jobs.control import Control, Wish, read_control
from s3gc_core.jobs.files import append_events, begin_journal, close_interrupted, replace_file
from s3gc_core.jobs.records import (
    STATE_FILE,
    ControlState,
    EventKind,
    JobEvent,
    JobPhase,
    JobState,
    Progress,
    job_folder,
)
from s3gc_core.parallel import to_the_end

P = ParamSpec("P")
T = TypeVar("T")

# Objects that did not end as intended are told one by one up to here, for each outcome.
KEPT_EVENTS_PER_OUTCOME = 20

# Seconds between two writes that no change of phase asks for, and between two heartbeats.
_WRITE_EVERY = 0.5
_HEARTBEAT = 1.0
# Seconds between two looks at the wishes while paused.
_POLL = 0.2
_LONGEST_TEXT = 500


class JobJournal:
    """Kept by one operation that holds the vault; open with `async with JobJournal.open(...)`."""

    def __init__(self, vault_path: Path, state: JobState, watcher: Progress) -> None:
        state.arguments = {name: clean(value) for name, value in state.arguments.items()}
        self._vault_path = vault_path
        self._folder = job_folder(vault_path, state.operation_id)
        self._state = state
        self._watcher = watcher
        self._events: list[JobEvent] = []
        self._told: Counter[str] = Counter()
        self._control: Control | None = None
        self._dirty = True
        self._wake = asyncio.Event()
        self._written = 0.0
        self._stopping = False
        self._kept = True
        self._warned = False
        # Its own: the pool that all others share is full while backups are encoded.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="s3gc-job")

    @property
    def vault_path(self) -> Path:
        """The vault that its operation works on."""
        return self._vault_path

    @classmethod
    @asynccontextmanager
    async def open(
        cls, vault_path: Path, state: JobState, watcher: Progress
    ) -> AsyncIterator[JobJournal]:
        """Begin a journal and keep it until the block ends. `watcher` is told the progress too.

        The caller holds the vault. The end is what `finish` said, or what the block raised.
        """
        journal = cls(vault_path, state, watcher)
        keeping: asyncio.Task[None] | None = None
        try:
            await to_the_end(journal._in_thread(journal._prepare))
            journal._event(EventKind.BEGAN, state.what, by=state.actor)
            keeping = asyncio.create_task(journal._keep())
            yield journal
        except BaseException as error:
            journal._ended_by(error)
            raise
        finally:
            await to_the_end(journal._end(keeping))

    def progress(self, phase: str, done: int, total: int | None = None) -> None:
        """Note how far a phase is; tells the caller's own watcher as well."""
        now = datetime.now(UTC)
        phases = self._state.phases
        known = next((one for one in phases if one.name == phase), None)
        if known is None:
            for earlier in phases:
                earlier.ended_at = earlier.ended_at or now
            phases.append(JobPhase(phase, done, total, now))
            self._event(EventKind.PHASE, phase)
        else:
            known.done, known.total = done, total
        self._dirty = True
        self._watcher(phase, done, total)

    def rows_read(self, phase: str) -> Callable[[int], None]:
        """A listener for the reading of a database: its snapshot can be left where somebody wishes
        the end, but must not be held open for a pause.
        """

        def read(rows: int) -> None:
            self.progress(phase, rows)
            self.refuse_if_cancelled()

        return read

    def step(self, name: str) -> None:
        """Note what is being done within the current phase."""
        self._state.step = name
        self._dirty = True

    def tally(self, counts: Mapping[str, int], **amounts: int) -> None:
        """Note objects by outcome and bytes by what was done with them; both are totals."""
        self._state.counts = dict(counts)
        self._state.bytes = {**self._state.bytes, **amounts}
        self._dirty = True

    def asked(self, source: str, how: str) -> None:
        """Note how a source is asked about what is about to be deleted."""
        self._event(EventKind.ASKED, source, reason=how, urgent=False)

    def compared(self, planned: int, counts: Mapping[str, int]) -> None:
        """Note how many objects of the plan there were, and how many are not as approved."""
        told = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
        why = f"{told} since, left alone" if told else "all are as approved"
        self._event(EventKind.COMPARED, f"{planned} objects with the plan", reason=why)

    def deletes(self, how: str) -> None:
        """Note how what is deleted is bound to what was backed up."""
        self._state.deletes = how
        self._dirty = True

    def encodes_at(self, before: int, now: int) -> None:
        """Note that backups are encoded at another zstd level from now on."""
        slower = "everything else waited for the encoder"
        why = slower if now < before else "the encoder had time to spare"
        self._event(EventKind.ENCODED, f"at level {now} instead of {before}", reason=why)

    def object_ended(self, outcome: str, key: str, reason: str) -> None:
        """Note an object that did not end as intended; of each outcome only the first ones."""
        self._told[outcome] += 1
        if self._told[outcome] <= KEPT_EVENTS_PER_OUTCOME:
            self._event(EventKind.OBJECT, outcome, key=key, reason=reason, urgent=False)

    def refused(self, error: S3gcError) -> None:
        """Note what was wrong, for whoever watches and has no other word of it."""
        self._state.told, self._state.next_step = clean(error.what), clean(error.next_step)

    def finish(self, outcome: str, counts: Mapping[str, int], error: str | None = None) -> None:
        """Say how the operation ended; written when the journal closes."""
        self._state.outcome, self._state.error = outcome, error
        self._state.counts = dict(counts)

    async def checkpoint(self, settle: Callable[[], Awaitable[None]] | None = None) -> bool:
        """A safe point: nothing is begun that could not wait. Waits while somebody wishes a pause.

        `settle` is called once before a wait, to record what is only in memory. Returns whether
        there was a wait. Raises `OperationCancelled` where somebody wishes the end.
        """
        wish = await self._look()
        if wish is Wish.RUN:
            return False
        if wish is Wish.PAUSE and settle is not None:
            await settle()
        waited = await self._wait() if wish is Wish.PAUSE else False
        self.refuse_if_cancelled()
        return waited

    def is_pause_wished(self) -> bool:
        """Whether somebody was last seen to wish a pause: time to come to a safe point."""
        return self._control is not None and self._control.wish is Wish.PAUSE

    def refuse_if_cancelled(self) -> None:
        """Raise `OperationCancelled` where somebody was last seen to wish the end."""
        control, state = self._control, self._state
        if control is None or control.wish is not Wish.CANCEL:
            return
        if state.control is not ControlState.CANCELLING:
            self._controlled(ControlState.CANCELLING, EventKind.CANCELLED)
        raise OperationCancelled(
            f"{state.what} {state.operation_id} was cancelled by {clean(control.by)}"
        )

    async def close_interrupted(self) -> None:
        """Give earlier journals without an end theirs: their processes died, and what they left
        has been recovered.
        """
        await self._in_thread(self._close_interrupted)

    async def _wait(self) -> bool:
        """Wait for another wish than a pause; tells who asked, or why there is doubt."""
        began = time.monotonic()
        seen: Control | None = None
        try:
            while (control := self._control) is not None and control.wish is Wish.PAUSE:
                # The time of a file that cannot be read is that of the look, so it is left out.
                if seen is None or (seen.by, seen.why) != (control.by, control.why):
                    self._controlled(ControlState.PAUSED, EventKind.PAUSED)
                    seen = control
                await asyncio.sleep(_POLL)
                await self._look()
        finally:
            self._state.paused_seconds += time.monotonic() - began
        self._controlled(ControlState.RUNNING, EventKind.RESUMED)
        return True

    async def _look(self) -> Wish:
        """Read the last wish."""
        self._control = await self._in_thread(self._exchange, None, ())
        return Wish.RUN if self._control is None else self._control.wish

    def _controlled(self, state: ControlState, kind: EventKind) -> None:
        control = self._control
        by, why = (clean(control.by), clean(control.why)) if control else ("", "")
        self._state.control, self._state.control_at = state, datetime.now(UTC)
        self._state.control_by, self._state.control_why = by, why
        if kind is not EventKind.RESUMED or control is None or control.wish is Wish.RUN:
            self._event(kind, by=by, reason=why)

    def _event(
        self,
        kind: EventKind,
        subject: str = "",
        *,
        by: str = "",
        key: str = "",
        reason: str = "",
        urgent: bool = True,
    ) -> None:
        now = datetime.now(UTC)
        self._events.append(JobEvent(now, kind, clean(subject), by, clean(key), clean(reason)))
        self._dirty = True
        if urgent:
            self._wake.set()

    async def _keep(self) -> None:
        """Write what changed, at most twice a second but at once for what is rare; and a sign of
        life where nothing changes.
        """
        while not self._stopping:
            await self._turn()
            with suppress(TimeoutError):
                async with asyncio.timeout(_WRITE_EVERY):
                    await self._wake.wait()

    async def _turn(self) -> None:
        self._wake.clear()
        content: bytes | None = None
        if self._dirty or time.monotonic() - self._written >= _HEARTBEAT:
            self._dirty, self._written = False, time.monotonic()
            self._state.heartbeat_at = datetime.now(UTC)
            content = msgspec.json.encode(self._state)
        events, self._events = self._events, []
        self._control = await self._in_thread(self._exchange, content, events)

    def _ended_by(self, error: BaseException) -> None:
        if self._state.outcome is None:
            cancelled = isinstance(error, asyncio.CancelledError | OperationCancelled)
            self._state.outcome = "cancelled" if cancelled else "failed"
            if not isinstance(error, asyncio.CancelledError):
                name = error.name if isinstance(error, S3gcError) else type(error).__name__
                self._state.error = name

    async def _end(self, keeping: asyncio.Task[None] | None) -> None:
        self._stopping = True
        self._wake.set()
        try:
            if keeping is not None:
                await keeping
            state = self._state
            state.outcome = state.outcome or "done"
            state.ended_at, state.step = datetime.now(UTC), ""
            for phase in state.phases:
                phase.ended_at = phase.ended_at or state.ended_at
            self._event(EventKind.ENDED, state.outcome, reason=state.error or "")
            await self._turn()
        finally:
            self._thread.shutdown(wait=False)

    async def _in_thread(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        work = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _prepare(self) -> None:
        try:
            begin_journal(self._vault_path, self._state)
        except OSError as error:
            self._kept = False
            self._warn(error)

    def _close_interrupted(self) -> None:
        try:
            close_interrupted(self._vault_path, self._state.operation_id)
        except OSError as error:
            self._warn(error)

    def _exchange(self, content: bytes | None, events: Sequence[JobEvent]) -> Control | None:
        """Write what is new, read the last wish."""
        if not self._kept:
            return None
        try:
            if events:
                append_events(self._folder, events)
            if content is not None:
                replace_file(self._folder / STATE_FILE, content)
        except OSError as error:
            self._warn(error)
        return read_control(self._folder)

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            reason = error.strerror or type(error).__name__
            log.warning("journal_not_written", operation_id=self._state.operation_id, reason=reason)


def clean(text: str) -> str:
    """Text as a journal takes it: valid UTF-8, and of a length that fits into a line."""
    valid = text.encode(errors="backslashreplace").decode()
    return valid if len(valid) <= _LONGEST_TEXT else valid[:_LONGEST_TEXT] + "..."
