"""The cursor and the bytes it costs, on a list of a million plain lines."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot

from s3gc_tui.widgets.virtual_list import LineStyle, VirtualList
from tests.tui.counted import CountedApp


class Numbers(VirtualList):
    """Lines that say their number, and count how often they are asked to."""

    made = 0

    def header(self, width: int) -> str:
        return "NUMBER".ljust(width)

    def line(self, position: int, width: int) -> tuple[str, LineStyle]:
        self.made += 1
        return f"{position}".ljust(width, "."), LineStyle.PLAIN


class NumbersApp(CountedApp):
    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    .-hot > .virtual-list--plain { color: ansi_red; }
    """

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.theme = theme
        self.list = Numbers()

    def compose(self) -> ComposeResult:
        yield self.list


@asynccontextmanager
async def numbers(
    count: int = 1_000_000, size: tuple[int, int] = (80, 24), theme: str = "textual-dark"
) -> AsyncIterator[tuple[NumbersApp, Pilot[None]]]:
    app = NumbersApp(theme)
    async with app.run_test(size=size) as pilot:
        app.list.reset(count)
        await pilot.pause()
        app.take()
        yield app, pilot


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


async def test_each_key_moves_the_cursor_to_its_place() -> None:
    async with numbers() as (app, pilot):
        numbers_list = app.list
        assert numbers_list.page == 23
        steps = [
            ("j", 1, 0), ("down", 2, 0), ("k", 1, 0), ("up", 0, 0), ("k", 0, 0),
            ("pagedown", 23, 23), ("ctrl+d", 34, 34), ("ctrl+u", 23, 23), ("pageup", 0, 0),
            ("pageup", 0, 0), ("G", 999_999, None), ("j", 999_999, None), ("g", 0, 0),
            ("end", 999_999, None), ("home", 0, 0),
        ]  # fmt: skip
        for key, cursor, top in steps:
            await press(pilot, key)
            assert (key, numbers_list.cursor) == (key, cursor)
            assert cursor in numbers_list.seen
            if top is not None:
                assert (key, numbers_list.seen.start) == (key, top)


async def test_where_the_cursor_meets_the_edge_half_a_page_goes_by() -> None:
    async with numbers() as (app, pilot):
        tops = []
        for _ in range(60):
            await press(pilot, "j")
            assert app.list.cursor in app.list.seen
            tops.append(app.list.seen.start)
        assert sorted(set(tops)) == [0, 11, 22, 33, 44]


async def test_short_lists_and_none() -> None:
    async with numbers(count=3) as (app, pilot):
        await press(pilot, "pagedown")
        assert app.list.cursor == 2
        await press(pilot, "ctrl+u")
        assert app.list.cursor == 0
        app.list.reset(0)
        await press(pilot, "j", "G", "pagedown", "g")
        assert (app.list.cursor, list(app.list.seen)) == (0, [])


@pytest.mark.parametrize("theme", ["textual-dark", "ansi-dark"])
@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_cursor_move_writes_two_lines_and_at_most_600_bytes(
    size: tuple[int, int], theme: str
) -> None:
    async with numbers(size=size, theme=theme) as (app, pilot):
        for key in ("j", "j", "k"):
            await press(pilot, key)
            written = app.take()
            assert 0 < len(written.encode()) <= 600
            assert len(re.findall(r"\d+\.{20,}", written)) == 2
        # The control: a whole repaint is what it would cost otherwise.
        app.list.refresh()
        await pilot.pause()
        assert len(app.take().encode()) > 600


async def test_an_idle_list_writes_nothing() -> None:
    async with numbers() as (app, pilot):
        await pilot.pause(1.2)
        assert app.take() == ""


async def test_another_look_or_focus_shows_at_once() -> None:
    async with numbers() as (app, pilot):

        async def look() -> str:
            await pilot.pause()
            return str(app.list.render_line(1)._segments[0].style)

        first = await look()
        app.set_focus(None)
        unfocused = await look()
        app.list.add_class("-hot")
        red = await look()
        assert len({first, unfocused, red}) == 3
        app.list.remove_class("-hot")
        app.list.focus()
        assert await look() == first


async def test_more_rows_below_cost_no_byte() -> None:
    async with numbers(count=128) as (app, pilot):
        app.list.extend(1_000_000)
        await pilot.pause(0.2)
        assert app.take() == ""
        await press(pilot, "G")
        assert app.list.cursor == 999_999
        assert 999_999 in app.list.seen


async def test_only_the_lines_on_the_screen_are_made() -> None:
    async with numbers() as (app, pilot):
        app.list.made = 0
        await press(pilot, "G")
        assert app.list.made <= 2 * 23
        app.list.made = 0
        await press(pilot, "k")
        assert app.list.made == 2


async def test_a_resize_keeps_the_cursor_in_sight() -> None:
    async with numbers() as (app, pilot):
        await press(pilot, "pagedown", "j", "j")
        app.list.move_to(app.list.seen.stop - 1)
        before = app.list.cursor
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert app.list.cursor == before
        assert before in app.list.seen
        assert app.list.render_line(1).cell_length == 40


async def test_a_click_puts_the_cursor_there() -> None:
    async with numbers() as (app, pilot):
        await press(pilot, "pagedown")
        await pilot.click(Numbers, offset=(5, 3))
        assert app.list.cursor == 25
        await pilot.click(Numbers, offset=(5, 0))
        assert app.list.cursor == 25
