"""One candidate list on a screen of its own, over a catalogue written for the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.pilot import Pilot

from s3gc_core.judgement import CandidateBrowser
from s3gc_tui.widgets.candidate_list import CandidateList
from tests.core.judgement.evidence import NOW
from tests.tui.counted import CountedApp


class ListApp(CountedApp):
    """Keeps the messages of its list."""

    # The key is the screen's, which the list has none of here.
    BINDINGS: ClassVar[list[BindingType]] = [Binding("t", "tree")]
    CSS = "Screen { background: ansi_default; color: ansi_default; }"

    def __init__(self, vault: Path, theme: str = "textual-dark") -> None:
        super().__init__()
        self.theme = theme
        self.browser = CandidateBrowser(vault)
        self.list = CandidateList(self.browser, now=lambda: NOW)
        self.told: list[Message] = []

    def compose(self) -> ComposeResult:
        yield self.list

    def action_tree(self) -> None:
        self.list.action_tree()

    def on_candidate_list_cursor_moved(self, event: Message) -> None:
        self.told.append(event)

    on_candidate_list_opened = on_candidate_list_cursor_moved
    on_marked_list_marks_changed = on_candidate_list_cursor_moved
    on_marked_list_mark_refused = on_candidate_list_cursor_moved
    on_candidate_list_load_failed = on_candidate_list_cursor_moved

    def last(self, kind: type[Message]) -> Message | None:
        return next((one for one in reversed(self.told) if isinstance(one, kind)), None)

    def screen_text(self) -> list[str]:
        """What is on the screen, line by line."""
        width, height = self.size
        strips = [self.list.render_line(y) for y in range(height)]
        assert all(strip.cell_length == width for strip in strips)
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


@asynccontextmanager
async def shown(
    vault: Path, size: tuple[int, int] = (80, 24), theme: str = "textual-dark"
) -> AsyncIterator[tuple[ListApp, Pilot[None]]]:
    """The list, opened and complete."""
    app = ListApp(vault, theme)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        yield app, pilot
    await app.browser.close()


async def settled(pilot: Pilot[None]) -> None:
    """Until nothing is being read and everything is painted."""
    await pilot.pause()
    await pilot.app.workers.wait_for_complete(
        [worker for worker in pilot.app.workers if not worker.is_finished]
    )
    await pilot.pause()


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Until something holds; fails after 10 s."""
    async with asyncio.timeout(10):
        while not condition():
            await pilot.pause()
            await asyncio.sleep(0.01)
