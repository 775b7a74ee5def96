"""Hostile text of every kind on every screen: no byte of it reaches the terminal, none acts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual import events

from s3gc_core.bucket import ObjectHeaders
from s3gc_core.databases import DatabaseUrl, Engine
from s3gc_core.errors import S3gcError
from s3gc_tui.models.lines import line
from s3gc_tui.safe_text import safe_text
from s3gc_tui.screens.approve import ApproveScreen
from s3gc_tui.screens.cancel import CancelScreen
from s3gc_tui.screens.references import ReferencesScreen
from s3gc_tui.widgets import line_pane
from s3gc_tui.widgets.line_pane import LinePane
from tests.conftest import MakeBucket
from tests.servers.app_database import AppDatabase
from tests.servers.ministack import Ministack
from tests.tui.command_line import CommandLine
from tests.tui.hostile.keys import HOSTILE, IMPOSSIBLE
from tests.tui.small_world import SmallWorld, pieces
from tests.tui.terminal_bytes import assert_tame, hidden_in, visible
from tests.tui.whole import Told, Whole, opened
from tests.world import World

HEADERS = ObjectHeaders(
    content_type="text/plain", metadata={"name": "[red]x[/] %1b%5d0;y", "who": "=cmd"}
)
KEPT = {"used/[b]\x1b[31mrow.jpg": "row \x1b]0;x\x07 \u202e \n [red]1[/x]"}
REASON = "why \u202e[red]not[/x][@click=app.quit]x[/] \\x1b"
PROFILE = "prod\x1b]0;owned\x07[red]"
EVERY = [*HOSTILE.values(), *IMPOSSIBLE.values()]


@pytest.fixture
async def hostile(
    make_bucket: MakeBucket,
    ministack: Ministack,
    alone: CommandLine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[SmallWorld, Told]]:
    """All keys deleted once, then there again and in an approved plan."""
    monkeypatch.chdir(alone.folder)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "me\x1b]0;x\x07[red]\u202e")
    config = await make_bucket(ministack)
    database = AppDatabase(DatabaseUrl(Engine.SQLITE, str(tmp_path / "app.db")).render())
    world = World(config, database)
    await database.execute("CREATE TABLE users (id TEXT PRIMARY KEY, avatar TEXT)")
    await database.executemany(
        "INSERT INTO users VALUES (?, ?)", [(row, key) for key, row in KEPT.items()]
    )
    world.track({"users": ["avatar"]})
    small = SmallWorld(world, alone)
    small.write_config()
    await fill(world)
    operation_id = await small.collected()
    assert await world.keys() == set(KEPT)
    await fill(world)
    world.days(10)
    summary = await world.scan()
    assert summary.plan_id is not None
    async with world.collector() as collector:
        plan = await collector.approve(summary.plan_id, reason=REASON)
    await spoil(world)
    yield small, Told(plan.plan_id, operation_id, frozenset(await world.keys()))
    await database.close()


async def spoil(world: World) -> None:
    """Tables, columns, values and row names that want the terminal; and rows without objects."""
    quoted = [wild.replace('"', '""') for wild in HOSTILE.values()]
    columns = ", ".join(f'"{wild}" TEXT' for wild in quoted)
    await world.app.execute(f'CREATE TABLE "[red]t\x1b[2J" ({columns})')
    # Each column names objects, by keys that are hostile themselves.
    marks = ", ".join("?" * len(quoted))
    await world.app.executemany(
        f'INSERT INTO "[red]t\x1b[2J" VALUES ({marks})', [(next(iter(KEPT)),) * len(quoted)] * 3
    )
    await world.app.executemany(
        "INSERT INTO users VALUES (?, ?)",
        [(f"{key} row", f"missing/{key}") for key in HOSTILE.values()],
    )
    async with world.collector() as collector:
        found = await collector.discover()
        assert len(found.ranked) > len(quoted)
        await collector.clear_columns("main:users.id", reason=REASON)


async def fill(world: World) -> None:
    async with world.bucket() as bucket:
        there = {entry.key async for page in bucket.list_pages() for entry in page}
        for key in [*HOSTILE.values(), *KEPT]:
            if key not in there:
                await bucket.put(key, pieces(key.encode()), len(key.encode()), HEADERS)


async def tame(whole: Whole, *, copied: bool = False) -> str:
    """All that was written since the last time is tame, and so is the app."""
    await whole.settled()
    visible(whole.app.take(), copied=copied)
    assert_tame(whole.app.screen._compositor.render_strips())
    assert whole.app._exception is None
    assert whole.app.failed == []
    assert whole.app.left == []
    return whole.app.screen_text()


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=str)
async def test_every_screen(hostile: tuple[SmallWorld, Told], size: tuple[int, int]) -> None:
    small, told = hostile
    async with opened(small, told, size=size, running=True, stays=True, profile=PROFILE) as whole:
        await the_list(whole)
        await the_plan(whole)
        if size == (80, 24):
            # Where it is narrow everything is cut and wrapped as well; once is enough.
            await the_dialogs(whole)
            await the_panes(whole)
            await the_others(whole)
        await the_references(whole)
        assert whole.gateway.intents == []
    assert await small.world.keys() == told.keys


async def the_list(whole: Whole) -> None:
    """Every row, in every order, flat and as a tree, with every verdict and every click."""
    seen = await tame(whole)
    for _ in HOSTILE:
        await whole.press("j")
        seen += await tame(whole)
    for literal in ("[red]bold[/red].jpg", "[/x]closing[/].jpg", "[@click=app.quit]x[/].jpg"):
        assert literal in seen
    for key in ("clear screen", "bidi", "new line", "one-byte csi", "backslashes"):
        assert safe_text(HOSTILE[key]) in seen, key
    for name in ("o", "O", "t", "l", "G", "space", "plus", "y", "@", "1", "question_mark"):
        await whole.press(name)
        await tame(whole, copied=True)
    await whole.back_to_main()
    for y in range(whole.app.size.height):
        for x in (4, 40, 60):
            for kind in (events.MouseDown, events.MouseUp):
                whole.app.post_message(
                    kind(None, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y)
                )
    await tame(whole)
    await whole.back_to_main()


async def the_panes(whole: Whole) -> None:
    """Each pane, and every hostile text in the words of the session and in commands."""
    for number in "2345@1":
        whole.keys(number)
        await tame(whole)
    for index, text in enumerate(EVERY):
        whole.main.say(text)
        whole.main.tell(S3gcError(text, why=text, next_step=text))
        assert safe_text(text)[:10] in await tame(whole)
        whole.main.action_command()
        await whole.pilot.pause()
        commands = ["filter ", "plan ", "op ", ""]
        whole.paste(commands[index % 4] + text)
        await tame(whole)
        await whole.press("enter")
        await tame(whole)
        await whole.back_to_main()
    whole.main.action_filter()
    await whole.press("ctrl+u", "enter")
    whole.keys("@")
    await tame(whole)


async def the_plan(whole: Whole) -> None:
    """The plan's screen with its objects, and the file it writes."""
    await whole.open_plan()
    text = await tame(whole)
    for name in ("pagedown", "pagedown", "pagedown", "full_stop", "comma", "w"):
        await whole.press(name)
        text += await tame(whole)
    for saved in Path.cwd().glob("*plan*"):
        assert hidden_in(saved.read_text()) <= {"\n"}
    await whole.back_to_main()


async def the_dialogs(whole: Whole) -> None:
    """What asks: with hostile prefixes, keys and typed text."""
    await whole.open_execute()
    await whole.ready()
    shown = await tame(whole)
    assert "[red]not[/x]" in "".join(shown.split("\n"))
    await whole.type("a\u202eb")
    whole.paste("\x1b]0;x\x07[red]")
    await tame(whole)
    await whole.back_to_main()
    screen = ApproveScreen(whole.gateway, whole.told.plan_id, ["[red]", "\x1b[2J"], EVERY)
    whole.app.push_screen(screen)
    await whole.ready()
    for text in EVERY:
        whole.paste(text)
        await tame(whole)
    await whole.press("pagedown", "pagedown")
    await tame(whole)
    await whole.back_to_main()
    for hint in (f"op:{whole.told.operation_id}", "prefix:", "prefix:a", *EVERY[::3]):
        whole.main.open_restore(None, hint)
        await tame(whole)
        await whole.press("escape", "tab", "pagedown")
        await tame(whole)
        await whole.back_to_main()
    whole.main.open_restore(None)
    for text in EVERY:
        whole.paste(text)
        await tame(whole)
        await whole.press("ctrl+u")
    await whole.back_to_main()


async def the_references(whole: Whole) -> None:
    """Every column with its values, every row without its object, the dialog about all columns."""
    whole.main.action_references()
    seen = ""
    for view, lines in (("1", len(HOSTILE) + 2), ("2", 2), ("3", len(HOSTILE))):
        await whole.press(view)
        for _ in range(lines):
            seen += await tame(whole)
            await whole.press("j")
        await whole.press("w", "enter")
        await tame(whole)
        if not isinstance(whole.app.screen, ReferencesScreen):
            await whole.press("escape")
    for saved in [*Path.cwd().glob("*coverage*"), *Path.cwd().glob("*dangling*")]:
        assert hidden_in(saved.read_text()) <= {"\n"}
    for key in ("clear screen", "bidi", "new line", "one-byte csi", "markup", "action"):
        assert safe_text(HOSTILE[key]) in seen, key
    await whole.press("1", "g", "T")
    listed = ""
    for _ in range(12):
        listed += await tame(whole)
        await whole.press("pagedown")
    assert f"CLEAR {len(HOSTILE)} columns" in listed
    for text in EVERY:
        whole.paste(text)
        await tame(whole)
    await whole.ready()
    whole.paste(EVERY[0])
    whole.pass_(1.0)
    await whole.press("enter")
    seen = await tame(whole)
    assert "and then Enter:" in seen
    await whole.back_to_main()


async def the_others(whole: Whole) -> None:
    """Everything about each key, operations and jobs."""
    for key in [*EVERY, *KEPT]:
        whole.main.open_detail(key)
        await tame(whole)
        await whole.back_to_main()
    for kind, of_id in (
        ("operation", whole.told.operation_id),
        ("operation", "\x1b[2J[red]"),
        ("job", "\x1b[2J[red]"),
        ("plan", "\u202e[red]"),
    ):
        whole.main.open_thing(kind, of_id)
        await tame(whole)
        await whole.press("pagedown", "f", "w")
        await tame(whole)
        await whole.back_to_main()
    whole.app.push_screen(CancelScreen("\x1b[2J[red]", "\u202e[/x]"))
    await tame(whole)
    await whole.back_to_main()


async def test_the_store_took_them_all(hostile: tuple[SmallWorld, Told]) -> None:
    small, told = hostile
    assert told.keys == {*HOSTILE.values(), *KEPT}
    verdicts = await small.world.verdicts()
    assert {key for key, verdict in verdicts.items() if verdict == "orphan"} == set(
        HOSTILE.values()
    )


async def test_the_checker_sees(
    hostile: tuple[SmallWorld, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pane that does not clean is caught, whatever the key."""
    small, told = hostile
    async with opened(small, told, stays=True) as whole:
        monkeypatch.setattr(line_pane, "printable", lambda text: text)
        # What is shown stays, whatever a look at the world finds meanwhile.
        monkeypatch.setattr(whole.main, "_draw_around", lambda: None)
        pane = whole.main.query_one("#status", LinePane)
        seen = set()
        for name, text in HOSTILE.items():
            pane.show([line(text)])
            try:
                await tame(whole)
            except AssertionError:
                seen.add(name)
        # The others hold nothing but what can be seen.
        assert set(HOSTILE) - seen == {
            *("markup", "closing markup", "action", "link", "combining", "wide", "long"),
            *("spaces", "formula", "backslashes", "format", "option"),
        }
        pane.show([line("gone")])
        monkeypatch.undo()
