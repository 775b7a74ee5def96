"""Random input on every screen of the dashboard, in a session that may delete everything.

After each burst: no execution was asked for, no column was cleared, nothing crashed, and esc did
not leave the app.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from textual import events
from textual.geometry import Size
from textual.keys import _character_to_key
from textual.message_pump import MessagePump
from textual.worker import WorkerCancelled, WorkerFailed

from s3gc_tui.models.intents import RestoreIntent
from s3gc_tui.screens.left_once import Palette
from tests.tui.accidents.generator import (
    Burst,
    Generator,
    Input,
    Key,
    Mouse,
    Paste,
    Resize,
    Text,
    Wait,
    size_of,
)
from tests.tui.whole import CLEARED_NAME, RUNNING, Whole

# Bursts at one place before the next one.
_STAY = 40
# Workers that carry out what was confirmed.
_DECIDES = ("start", "decide")
_WORDS = [
    "execute",
    "yes",
    "delete all",
    "late/",
    "op:",
    "\x1b]52;c;eA==\x07",
    "a\nb\r\nc",
    "x" * 120,
    "[@click=app.quit]x[/]",
]


@dataclass
class Ran:
    """What one run came to."""

    inputs: int = 0
    places: Counter[str] = field(default_factory=Counter)
    screens: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    intents: Counter[str] = field(default_factory=Counter)
    leaves: int = 0

    def __str__(self) -> str:
        parts = [f"{self.inputs:,} inputs", f"would have left {self.leaves} times"]
        parts += [
            f"{name}: " + ", ".join(f"{key} {n:,}" for key, n in sorted(counted.items()))
            for name, counted in (
                ("opened", self.places),
                ("inputs by screen", self.screens),
                ("inputs by kind", self.kinds),
                ("intents", self.intents),
            )
        ]
        return "\n".join(parts)


class AccidentError(AssertionError):
    """An input did what no accident may do."""


class Fuzz:
    """One run of random input over an open dashboard (one that stays)."""

    def __init__(self, whole: Whole, seed: int) -> None:
        self.whole = whole
        self.ran = Ran()
        self._seed = seed
        self._execute = Generator(seed, whole.phrase, _WORDS).bursts()
        self._clear = Generator(seed, CLEARED_NAME, _WORDS).bursts()
        self._last: deque[tuple[str, Burst]] = deque(maxlen=25)
        self.places: dict[str, Callable[[], Awaitable[object]]] = {
            "candidates": self._pane("candidates"),
            "jobs": self._pane("jobs"),
            "history": self._pane("history"),
            "log": self._pane("log"),
            "plan": whole.open_plan,
            "execute": whole.open_execute,
            "execute again": whole.open_execute,
            "execute once more": whole.open_execute,
            "execute still": whole.open_execute,
            "reject": self._from_plan("reject"),
            "approve": self._approve,
            "restore": self._restore,
            "restore preview": self._restore_preview,
            "job": self._job,
            "cancel": self._cancel,
            "operation": self._operation,
            "detail": self._detail,
            "preview": self._preview,
            "references": whole.open_references,
            "clear": whole.open_clear,
            "clear, after the reason": whole.open_clear_name,
            "clear, after the reason again": whole.open_clear_name,
            "help": self._main_action("help"),
            "command": self._main_action("command"),
            "palette": self._palette,
        }

    async def run(self, inputs: int) -> Ran:
        """So many inputs, spread over all places."""
        self.whole.app.terminal.on_write = lambda _: None
        while self.ran.inputs < inputs:
            for name, open_place in self.places.items():
                await self._go(name, open_place)
                await self._stay(self._clear if name.startswith("clear") else self._execute)
                if self.ran.inputs >= inputs:
                    break
        await self.whole.back_to_main()
        await self.whole.settled()
        self._check([])
        return self.ran

    async def _go(self, name: str, open_place: Callable[[], Awaitable[object]]) -> None:
        await self._send(Resize(80, 24))
        await self._drained()
        await self.whole.back_to_main()
        await self.whole.settled()
        await open_place()
        await self._drained()
        self.ran.places[name] += 1

    async def _stay(self, generator: Iterator[Burst]) -> None:
        """Some bursts at a place; fewer where the place was left."""
        depth = len(self.whole.app.screen_stack)
        for number in range(_STAY):
            await self._burst(next(generator))
            if number > 6 and len(self.whole.app.screen_stack) < depth:
                return

    # Inputs

    async def _burst(self, burst: Burst) -> None:
        screen = type(self.whole.app.screen).__name__
        self._last.append((screen, burst))
        self.ran.inputs += size_of(burst)
        self.ran.screens[screen] += size_of(burst)
        leaves = len(self.whole.app.left)
        for one in burst:
            self.ran.kinds[type(one).__name__] += size_of([one])
            await self._send(one)
        await self._drained()
        await self._carried_out()
        left = len(self.whole.app.left) - leaves
        self.ran.leaves += left
        if left and all(isinstance(one, Key) and one.name == "escape" for one in burst):
            self._fail("esc left the dashboard")
        self._check(burst)

    async def _send(self, one: Input) -> None:
        whole, app = self.whole, self.whole.app
        match one:
            case Key(name, character):
                name = name or _character_to_key(character or "")
                app.post_message(events.Key(name, character))
            case Text(text):
                whole.keys(text.replace("{}", whole.told.plan_id[-6:]))
            case Paste(text):
                app.post_message(events.Paste(text))
            case Mouse():
                self._mouse(one)
            case Resize(width, height):
                app.terminal._size = (width, height)
                size = Size(width, height)
                app.post_message(events.Resize(size, size))
            case Wait(seconds):
                await self._drained()
                whole.pass_(seconds)
                await self._drained()

    def _mouse(self, mouse: Mouse) -> None:
        screen = self.whole.app.screen
        if isinstance(screen, Palette):
            # Textual 8.2's option list fails on a click at an option that has just gone. The
            # dashboard asks terminals for no mouse, so none can send one.
            return
        focused = self.whole.app.focused
        where = focused.region if mouse.at_focus and focused is not None else screen.region
        x, y = where.x + int(mouse.x * where.width), where.y + int(mouse.y * where.height)
        kinds: list[type[events.MouseEvent]]
        match mouse.what:
            case "up":
                kinds = [events.MouseScrollUp]
            case "down":
                kinds = [events.MouseScrollDown]
            case "double":
                kinds = [events.MouseDown, events.MouseUp, events.MouseDown, events.MouseUp]
            case _:
                kinds = [events.MouseDown, events.MouseUp]
        for kind in kinds:
            event = kind(
                None, x, y, 0, 0, mouse.button, False, False, False, screen_x=x, screen_y=y
            )
            self.whole.app.post_message(event)

    async def _drained(self) -> None:
        """All input has been handled; what it asked for may still be under way."""
        app = self.whole.app
        for _ in range(2):
            pumps: list[MessagePump] = [app]
            if app._screen_stack:
                pumps += [app.screen, app.focused or app.screen]
            for pump in pumps:
                passed = asyncio.Event()
                if not pump.call_later(passed.set):
                    continue
                # One that closes meanwhile answers nothing any more.
                until = asyncio.get_running_loop().time() + 30.0
                while not passed.is_set() and pump.is_running and not pump._closing:
                    if asyncio.get_running_loop().time() > until:
                        self._fail(f"{pump} handles nothing any more")
                    await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _carried_out(self) -> None:
        """What was decided has been handed on: input that comes next may not hide it."""
        for worker in list(self.whole.app.workers):
            if worker.group in _DECIDES:
                # One that failed is seen by the checks.
                with suppress(WorkerCancelled, WorkerFailed):
                    await worker.wait()

    # Checks

    def _check(self, burst: Burst) -> None:
        whole = self.whole
        if whole.gateway.executions:
            self._fail(f"executions were asked for: {whole.gateway.executions}")
        if whole.gateway.decided_columns:
            self._fail(f"columns were decided about: {whole.gateway.decided_columns}")
        if whole.app._exception is not None:
            self._fail(f"it crashed: {whole.app._exception!r}")
        if whole.app.failed:
            self._fail(f"a worker crashed: {whole.app.failed!r}")
        if not whole.app.is_running:
            self._fail("it is gone")
        for intent in whole.gateway.intents:
            self.ran.intents[type(intent).__name__] += 1
            if isinstance(intent, RestoreIntent) and intent.overwrite:
                self._fail(f"a restore over newer objects was asked for: {intent}")
        whole.gateway.intents.clear()

    def _fail(self, why: str) -> None:
        told = "\n".join(f"  {screen}: {burst}" for screen, burst in self._last)
        error = self.whole.app._exception
        raise AccidentError(f"{why} (seed {self._seed}); the last input:\n{told}") from error

    # Places

    def _pane(self, name: str) -> Callable[[], Awaitable[object]]:
        async def go() -> None:
            self.whole.main.action_pane(name)

        return go

    def _main_action(self, name: str) -> Callable[[], Awaitable[object]]:
        async def go() -> None:
            await self.whole.main.run_action(name)

        return go

    def _from_plan(self, name: str) -> Callable[[], Awaitable[object]]:
        async def go() -> None:
            await (await self.whole.open_plan()).run_action(name)

        return go

    async def _approve(self) -> None:
        from s3gc_tui.screens.approve import ApproveScreen

        whole = self.whole
        whole.app.push_screen(ApproveScreen(whole.gateway, whole.told.plan_id))
        await whole.settled()

    async def _restore(self) -> None:
        self.whole.main.open_restore(None)

    async def _restore_preview(self) -> None:
        self.whole.main.open_restore(None, f"op:{self.whole.told.operation_id}")
        await self.whole.settled()

    async def _job(self) -> None:
        self.whole.main.open_thing("job", RUNNING)
        await self.whole.settled()

    async def _cancel(self) -> None:
        await self._job()
        await self.whole.until(lambda: self.whole.app.screen.check_action("cancel", ()))
        await self.whole.app.screen.run_action("cancel")

    async def _operation(self) -> None:
        self.whole.main.open_thing("operation", self.whole.told.operation_id)

    async def _detail(self) -> None:
        self.whole.main.open_detail("late/00.bin")

    async def _preview(self) -> None:
        from s3gc_tui.preview import BucketObjects
        from s3gc_tui.screens.preview import PreviewScreen

        objects = BucketObjects(self.whole.gateway.objects)
        self.whole.app.push_screen(PreviewScreen(objects, "late/00.bin"))

    async def _palette(self) -> None:
        self.whole.app.action_command_palette()
