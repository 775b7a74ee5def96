"""The references screen on a real world: what is covered, how sources match, what dangles."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from s3gc_core.actions import covering
from s3gc_core.actions.dangling import Dangling
from s3gc_core.collection import Selection
from s3gc_core.errors import ReadOnlySession
from s3gc_core.references import Standing
from s3gc_core.session import READ_ONLY
from s3gc_tui.messages import KeyWanted, RestoreWanted
from s3gc_tui.models import dangling_lines
from s3gc_tui.models.confirmation import Confirmation
from s3gc_tui.models.intents import ClearIntent, ReopenIntent
from s3gc_tui.screens.decide_columns import DecideColumnsScreen
from s3gc_tui.screens.references import ReferencesScreen
from tests.tui.screens.accidents import ACCIDENTS
from tests.tui.screens.asked import SIZES, Shown, Stage, assert_golden, read_only, staged
from tests.tui.screens.watched import noted, pane, steady, until_text
from tests.tui.small_world import SmallWorld

NOTE, BANNER, BIO = "main:main.users.note", "main:main.users.banner", "main:main.users.bio"


@pytest.fixture
async def migrated(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> SmallWorld:
    """Columns nobody was told of: `banner` holds a key. Three objects were collected before, and
    rows name one of them, and one that never was.
    """
    # Whoever runs the tests has a name of another length.
    monkeypatch.setattr(covering, "actor", lambda: "ops@ops-1")
    await small.collected()
    app = small.world.app
    await app.execute("INSERT INTO users VALUES (3, 'gone/b.txt'), (4, 'never/was.jpg')")
    for column in ("bio", "note", "banner"):
        await app.execute(f"ALTER TABLE users ADD COLUMN {column} TEXT")
    await app.execute("UPDATE users SET banner = 'used/2.jpg', note = 'blue' WHERE id = 1")
    async with small.world.collector() as collector:
        await collector.clear_columns("users.bio", reason="free words, no keys")
    summary = await small.world.scan()
    assert [trip.label for trip in summary.blocked] == [f"coverage:{BANNER}"]
    return small


async def standings(small: SmallWorld) -> dict[str, Standing]:
    async with small.world.collector() as collector:
        return {one.id.column: one.standing for one in await collector.coverage()}


def screen_of(stage: Stage) -> ReferencesScreen:
    return ReferencesScreen(stage.gateway, clock=stage.clock)


def columns(shown: Shown) -> list[str]:
    """The columns of the list, in order."""
    return [json.loads(one.id)[2] for one in pane(shown, "#coverage").lines if one.id]


async def to(shown: Shown, column: str) -> None:
    """Put the cursor on a column."""
    await shown.press("g", *"j" * columns(shown).index(column))


@pytest.mark.parametrize("size", SIZES)
async def test_golden(migrated: SmallWorld, size: tuple[int, int]) -> None:
    async with staged(migrated) as stage, stage.showing(screen_of(stage), size) as shown:
        assert_golden(f"references-coverage-{size[0]}", steady(shown.text()))
        await shown.press("2")
        assert_golden(f"references-matches-{size[0]}", steady(shown.text()))
        await shown.press("3")
        assert_golden(f"references-dangling-{size[0]}", steady(shown.text()))


@pytest.mark.parametrize("size", SIZES)
async def test_golden_of_the_dialog(migrated: SmallWorld, size: tuple[int, int]) -> None:
    async with staged(migrated) as stage, stage.showing(screen_of(stage), size) as shown:
        await shown.press("c")
        await shown.ready()
        await shown.type("old names")
        assert_golden(f"clear-reason-{size[0]}", steady(shown.text()))
        await shown.press("enter")
        await shown.ready()
        await shown.type("users.ban")
        assert_golden(f"clear-name-{size[0]}", steady(shown.text()))


async def test_views_are_read_when_they_are_first_seen(
    migrated: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(migrated) as stage:
        asked: list[str] = []
        for name in ("coverage", "match_history", "dangling"):
            read = getattr(stage.gateway, name)

            def ask(name: str = name, read: object = read) -> object:
                asked.append(name)
                return read()  # type: ignore[operator]

            monkeypatch.setattr(stage.gateway, name, ask)
        screen = screen_of(stage)
        async with stage.showing(screen) as shown:
            assert (screen.view, asked) == ("coverage", ["coverage"])
            assert columns(shown) == ["banner", "note", "bio", "avatar"]
            await shown.press("v")
            assert (screen.view, asked) == ("matches", ["coverage", "match_history"])
            await shown.press("tab")
            assert (screen.view, asked[2:]) == ("dangling", ["dangling"])
            await shown.press("tab", "shift+tab", "shift+tab", "1", "3", "2")
            assert (screen.view, asked[3:]) == ("matches", [])
            await shown.press("r", "1", "r", "3", "r")
            assert asked[3:] == ["match_history", "coverage", "dangling"]
            # The cursor is of the view that is seen.
            await shown.press("1", "j")
            assert (pane(shown, "#coverage").cursor_id or "").endswith('"note"]')
            await shown.press("escape")
            assert shown.results == [None]


async def test_clearing_takes_a_reason_and_the_name(migrated: SmallWorld) -> None:
    async with staged(migrated) as stage:
        async with stage.showing(screen_of(stage)) as shown:
            await to(shown, "banner")
            await shown.press("c")
            assert isinstance(shown.app.screen, DecideColumnsScreen)
            await shown.ready()
            await shown.press("enter")
            assert "a text is required" in shown.text()
            await shown.type("a log of old names")
            await shown.press("enter")
            assert stage.intents == []
            assert "type users.banner and then Enter" in shown.text()
            await shown.ready()
            await shown.type("users.banne")
            await shown.press("enter")
            assert stage.intents == []
            await shown.ready()
            await shown.type("r")
            shown.raw("\r\r\r")
            await until_text(shown, f" cleared: {BANNER}")
            assert columns(shown) == ["note", "banner", "bio", "avatar"]
            # The cursor stays on the column, which can be reopened now.
            assert "o reopen" in shown.text()
            assert "c clear" not in shown.text()
        assert len(stage.intents) == 1
    async with migrated.world.collector() as collector:
        (one,) = [c for c in await collector.coverage() if c.id.column == "banner"]
    assert one.clearance is not None
    assert one.clearance.reason == "a log of old names"
    assert (await migrated.world.scan()).blocked == []


async def test_a_table_is_cleared_as_it_is_now(migrated: SmallWorld) -> None:
    async with staged(migrated) as stage, stage.showing(screen_of(stage)) as shown:
        await to(shown, "note")
        await shown.press("T")
        text = shown.text()
        assert "CLEAR 2 columns" in text
        assert f" {BANNER} " in text
        assert f" {NOTE} " in text
        assert BIO not in text
        await shown.ready()
        await shown.type("words")
        await shown.press("enter")
        await shown.ready()
        await shown.type("users 2")
        await shown.press("enter")
        await until_text(shown, " cleared: ")
    assert await standings(migrated) == {
        "avatar": Standing.TRACKED,
        "bio": Standing.CLEARED,
        "note": Standing.CLEARED,
        "banner": Standing.CLEARED,
    }


async def test_reopening(migrated: SmallWorld) -> None:
    async with staged(migrated) as stage, stage.showing(screen_of(stage)) as shown:
        await to(shown, "note")
        await shown.press("o")
        await to(shown, "bio")
        await shown.press("c", "T")
        assert isinstance(shown.app.screen, ReferencesScreen)
        await shown.press("o")
        assert "REOPEN 1 column" in shown.text()
        await shown.ready()
        await shown.type("there are keys")
        await shown.press("enter")
        await shown.ready()
        await shown.type("users.bio")
        await shown.press("enter")
        await until_text(shown, f" reopened: {BIO}")
    assert (await standings(migrated))["bio"] is Standing.UNKNOWN


async def test_accidents_decide_nothing(migrated: SmallWorld) -> None:
    """At the reason, which an accident may give, and at the name, which decides."""
    before = await standings(migrated)
    async with staged(migrated) as stage:
        columns = [c for c in await stage.gateway.coverage() if str(c.id) == NOTE]
        for accident in ACCIDENTS:
            for named in (False, True):
                screen = DecideColumnsScreen(
                    stage.gateway, NOTE, columns, clear=True, clock=stage.clock
                )
                async with stage.showing(screen) as shown:
                    if named:
                        await shown.ready()
                        await shown.type("because")
                        await shown.press("enter")
                        assert shown.field.confirmation.phrase == "users.note"
                    await accident(shown, "users.note")
                    await shown.settled()
                    assert [r for r in shown.results if r is not None] == [], accident.__name__
                assert stage.intents == [], accident.__name__
    assert await standings(migrated) == before


async def test_the_phrase_is_what_keeps_two_words_from_deciding(
    migrated: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Confirmation, "matches", property(lambda self: True))
    async with staged(migrated) as stage:
        columns = [c for c in await stage.gateway.coverage() if str(c.id) == NOTE]
        screen = DecideColumnsScreen(stage.gateway, NOTE, columns, clear=True, clock=stage.clock)
        async with stage.showing(screen) as shown:
            for _ in range(2):
                await shown.ready()
                await shown.type("xxx")
                await shown.press("enter")
        assert len(stage.intents) == 1


async def test_the_command_line_that_does_the_same(migrated: SmallWorld) -> None:
    for intent, standing in (
        (ClearIntent(NOTE, "--really"), Standing.CLEARED),
        (ReopenIntent(NOTE, "after all"), Standing.UNKNOWN),
    ):
        ran = await migrated.cli.batch(*intent.arguments())
        assert (ran.code, ran.summary["columns"]) == (0, 1)
        assert (await standings(migrated))["note"] is standing


@pytest.mark.parametrize("change", ["type", "gone", "cleared", "tables"])
async def test_what_is_no_longer_as_shown_is_not_cleared(migrated: SmallWorld, change: str) -> None:
    """The dialog vouches for what it showed, and for nothing else."""
    app = migrated.world.app
    async with staged(migrated) as stage, stage.showing(screen_of(stage)) as shown:
        await to(shown, "note")
        await shown.press("T" if change == "tables" else "c")
        await shown.ready()
        await shown.type("words")
        await shown.press("enter")
        if change == "cleared":
            async with migrated.world.collector() as collector:
                await collector.clear_columns("users.note", reason="by somebody else")
        elif change == "tables":
            await app.execute("ALTER TABLE users ADD COLUMN more TEXT")
        else:
            await app.execute("ALTER TABLE users DROP COLUMN note")
            if change == "type":
                await app.execute("ALTER TABLE users ADD COLUMN note VARCHAR(9)")
        before = await standings(migrated)
        await shown.ready()
        await shown.type("users 2" if change == "tables" else "users.note")
        await shown.press("enter")
        await until_text(shown, "no longer as they are shown here")
        assert stage.intents == []
        await shown.press("escape", "r")
        await until_text(shown, "columns:")
    assert await standings(migrated) == before


async def test_a_read_only_session_decides_nothing(migrated: SmallWorld) -> None:
    async with staged(migrated, READ_ONLY) as stage, stage.showing(screen_of(stage)) as shown:
        for column in columns(shown):
            await to(shown, column)
            assert "clear" not in shown.text().splitlines()[-1]
            await shown.press("c", "T", "o")
            assert isinstance(shown.app.screen, ReferencesScreen)
            # Not even asked for: the keys are not there.
            assert "read-only" not in shown.text()
        ledger = await stage.gateway.coverage()
        with pytest.raises(ReadOnlySession):
            DecideColumnsScreen(stage.gateway, NOTE, ledger[:1], clear=True)
        with pytest.raises(ReadOnlySession):
            await stage.gateway.decide_columns(ClearIntent(NOTE, "why not"))


async def test_a_session_whose_time_is_over_opens_no_dialog(migrated: SmallWorld) -> None:
    async with staged(migrated) as stage, stage.showing(screen_of(stage)) as shown:
        read_only(stage)
        await shown.press("c", "T")
        assert isinstance(shown.app.screen, ReferencesScreen)


async def test_from_a_dangling_row(migrated: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged(migrated) as stage:
        screen = screen_of(stage)
        restores = noted(screen, RestoreWanted, monkeypatch)
        keys = noted(screen, KeyWanted, monkeypatch)
        async with stage.showing(screen) as shown:
            await shown.press("u", "3")
            text = await until_text(shown, "2 rows without their object")
            assert "the vault holds the object of 1" in text
            assert "the vault holds gone/b.txt: u brings it back" in text
            await shown.press("u", "enter", "j", "u", "enter")
            assert "the vault holds gone/b.txt" not in shown.text()
            assert [message.selection for message in restores] == [
                None,
                Selection(keys=("gone/b.txt",)),
                None,
            ]
            assert [message.key for message in keys] == ["gone/b.txt", "never/was.jpg"]


async def test_only_the_first_are_kept_and_all_are_saved(
    migrated: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dangling_lines, "SHOWN", 1)
    async with staged(migrated) as stage:
        screen = ReferencesScreen(stage.gateway, folder=tmp_path)
        async with stage.showing(screen) as shown:
            await shown.press("w")
            await until_text(shown, "4 columns saved to")
            await shown.press("3")
            await until_text(shown, "the first 1 row; there are more: w writes all")
            await shown.press("w")
            await until_text(shown, "2 dangling references saved to")
            await shown.press("2")
            assert "w save" not in shown.text().splitlines()[-1]
    path = tmp_path / "s3gc-dangling.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    saved = [json.loads(line) for line in path.read_text("ascii").splitlines()]
    assert {(one["row"], tuple(one["in_vault"])) for one in saved} == {
        (3, ("gone/b.txt",)),
        (4, ()),
    }
    ledger = [json.loads(o) for o in (tmp_path / "s3gc-coverage.jsonl").read_text().splitlines()]
    assert {(one["column"], one["open"]) for one in ledger} == {
        (BANNER, True),
        (NOTE, False),
        (BIO, False),
        ("main:main.users.avatar", False),
    }


class Held:
    """A reading that stops after its first page until it is let go on; notes how it ended."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended = asyncio.Event()

    async def pages(self) -> AsyncIterator[list[Dangling]]:
        try:
            yield [Dangling("main:users.avatar", 1, ("a.jpg",), ())]
            await self.go_on.wait()
            yield [Dangling("main:users.avatar", 2, ("b.jpg",), ())]
        finally:
            self.ended.set()


async def test_the_reading_goes_on_behind_and_ends_with_the_screen(
    migrated: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(migrated) as stage:
        for leave in (True, False):
            held = Held()
            monkeypatch.setattr(stage.gateway, "dangling", held.pages)
            screen = ReferencesScreen(stage.gateway, folder=tmp_path)
            async with asyncio.timeout(60):
                async with stage.showing(ReferencesScreen(stage.gateway), (80, 24)) as shown:
                    pass
                async with stage.showing(screen) as shown:
                    await shown.pilot.press("3")
                    await until_text(shown, "reading the sources: 1 found so far", "a.jpg")
                    if leave:
                        # Also a file that is being written.
                        await shown.pilot.press("w", "1", "escape")
                        await held.ended.wait()
                    else:
                        await shown.pilot.press("1")
                        held.go_on.set()
                        await shown.settled()
                        await shown.press("3")
                        await until_text(shown, "2 rows without their object", "b.jpg")
    assert list(tmp_path.glob("*.jsonl")) == []


async def test_what_cannot_be_read_is_told(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # what is listed may be written to a file here
    async with staged(small) as stage, stage.showing(screen_of(stage)) as shown:
        await shown.press("2")
        assert "no scan has read the sources yet" in shown.text()
        await shown.press("3")
        text = await until_text(shown, "the bucket was not listed yet")
        assert "run `s3gc scan` or `s3gc discover` first" in text
        await small.world.app.execute("ALTER TABLE users RENAME TO people")
        await shown.press("1", "r")
        await until_text(shown, "users", "next: correct [tables]")
        assert "c clear" not in shown.text()
        await shown.press("c", "w", "enter")
        assert isinstance(shown.app.screen, ReferencesScreen)
        await small.world.app.execute("ALTER TABLE people RENAME TO users")
        await shown.press("r")
        await until_text(shown, "1 column: none open")
