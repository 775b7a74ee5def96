"""What is painted of changed lines: little, and together always what the lines say."""

from __future__ import annotations

import random
from unicodedata import normalize

import pyte
import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot

from s3gc_tui.models.lines import Line, Look, Piece, line
from s3gc_tui.widgets.line_pane import LinePane
from tests.tui.counted import CountedApp

COLUMNS, ROWS = 40, 8
TEXTS = [
    "",
    "a",
    "ab",
    "abc 1,234",
    "é",
    "日本",
    "x" * 38,
    "y" * 39,
    "z" * 45,
    "\x1b[2J",
    "e\u0301",
]


class PaneApp(CountedApp):
    CSS = "Screen { background: ansi_default; color: ansi_default; }"

    def __init__(self, selectable: bool) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self.pane = LinePane(selectable=selectable)

    def compose(self) -> ComposeResult:
        yield self.pane


def drawn(app: PaneApp) -> list[str]:
    """What a full paint would show."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def a_line(chance: random.Random, number: int) -> Line:
    pieces = [Piece(chance.choice(TEXTS), chance.choice(list(Look))) for _ in range(3)]
    return line(*pieces, id=chance.choice([None, f"id {number}"]))


async def show(pilot: Pilot[None], app: PaneApp, lines: list[Line]) -> str:
    app.pane.show(lines)
    await pilot.pause()
    await pilot.pause()
    return app.take()


@pytest.mark.parametrize("selectable", [True, False])
async def test_partial_paints_add_up(selectable: bool) -> None:
    chance = random.Random(7)
    app = PaneApp(selectable)
    terminal = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.Stream(terminal)
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        lines = [a_line(chance, n) for n in range(ROWS)]
        for _ in range(80):
            for n in chance.sample(range(ROWS), k=chance.randint(1, 3)):
                if n < len(lines):
                    lines[n] = a_line(chance, n)
            if chance.random() < 0.2:
                lines = lines[: chance.randint(1, ROWS)]
                lines += [a_line(chance, n) for n in range(len(lines), chance.randint(1, ROWS))]
            stream.feed(await show(pilot, app, lines))
            # The emulator puts a letter and its mark together.
            told = [normalize("NFC", row) for row in drawn(app)]
            assert [row.rstrip() for row in terminal.display] == told


async def test_a_number_costs_its_digits() -> None:
    app = PaneApp(selectable=False)
    async with app.run_test(size=(160, ROWS)) as pilot:
        texts = [f"{n} of 100 objects ".ljust(150, "-") for n in (40, 41, 52)]
        await show(pilot, app, [line(texts[0])])
        app.take()
        for text in texts[1:]:
            spent = await show(pilot, app, [line(text)])
            assert 0 < len(spent.encode()) <= 60, spent


async def test_the_cursor_comes_and_goes_with_the_id() -> None:
    app = PaneApp(selectable=True)
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        app.pane.focus()
        await show(pilot, app, [line("one", id="1"), line("two", id="2")])
        spent = await show(pilot, app, [line("one", id="2"), line("two", id="1")])
        assert "one" in spent
        assert "two" in spent
