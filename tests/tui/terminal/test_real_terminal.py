"""The dashboard in a real terminal: what it draws, in which size, and how it leaves."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest

from tests.tui.small_world import SmallWorld
from tests.tui.terminal.tmux import BEFORE, Screen, Terminal, terminal

TERMS = ["xterm-256color", "screen-256color", "tmux-256color", "linux"]
DASHBOARD = [sys.executable, "-m", "s3gc_tui"]
LEFT = "0 1 0"
# Verdict, size and key of every candidate of the small world.
CANDIDATES = {
    ("KEEP:exclusion", "1 B", "backups/d.txt"),
    ("ORPHAN", "10 B", "gone/a.txt"),
    ("ORPHAN", "200 B", "gone/b.txt"),
    ("ORPHAN", "2.9 KiB", "left/c.txt"),
}
_ROW = re.compile(r"│ {2}(\S+) +(\d\S* \S+) +\S+ {2}(\S+) *│")
# SGR parameters of a colour.
_COLOURS = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")


# Key, title and some words of each pane.
PANES = [
    ("2", "2 Verdict", "=> KEEP  it stays"),
    ("3", "3 Plans and jobs", "proposed"),
    ("4", "4 Vault", "objects    0"),
    ("5", "5 History", "listed 6"),
    ("@", "@ Log", "│"),
    ("1", "1 Candidates", "gone/a.txt"),
]


def showing(*texts: str) -> Callable[[Screen], bool]:
    return lambda screen: all(text in screen.text for text in texts)


def is_wide(screen: Screen) -> bool:
    """All panes but the log, each with what it is for."""
    return all(
        f"─ {title} ─" in screen.text and words in screen.text
        for key, title, words in PANES
        if key != "@"
    )


def arguments(small: SmallWorld, *more: str) -> list[str]:
    return [*DASHBOARD, "--config", str(small.cli.config), *more]


def candidates(screen: Screen) -> set[tuple[str, ...]]:
    return {row.groups() for row in map(_ROW.match, screen.lines) if row}


async def leaves_as_it_came(term: Terminal) -> None:
    term.press("q")
    ended = await term.until(lambda screen: screen.exit_code is not None)
    assert ended.exit_code == 0
    assert ended.lines[0] == BEFORE, "the screen before it is back"
    assert "Candidates" not in ended.text
    assert term.modes() == LEFT
    before, after = term.settings()
    assert before == after


@pytest.mark.parametrize("no_color", [False, True], ids=["colour", "NO_COLOR"])
@pytest.mark.parametrize("term_name", TERMS)
async def test_every_terminal_shows_the_main_screen(
    small: SmallWorld, term_name: str, no_color: bool
) -> None:
    await small.planned()
    variables = small.cli.variables(**({"NO_COLOR": "1"} if no_color else {}))
    with terminal(arguments(small), variables, term=term_name) as term:
        screen = await term.drawn(is_wide)
        assert candidates(screen) == CANDIDATES
        assert "[READ-ONLY]" in screen.lines[0]
        # The cursor stands on the protected object; every layer says a word and its reason.
        for words in (
            "1 registry  PASS",
            "4 exclusion KEEP",
            "protected by the prefix backups/",
            "=> KEEP  it stays",
        ):
            assert words in screen.text
        assert bool(_COLOURS.search(term.styled())) is not no_color
        await leaves_as_it_came(term)


async def test_the_size_is_that_of_the_terminal(small: SmallWorld) -> None:
    """Whatever size a shell has exported."""
    await small.planned()
    variables = small.cli.variables(COLUMNS="60", LINES="10")
    with terminal(arguments(small), variables) as term:
        await term.drawn(is_wide)
        await leaves_as_it_came(term)


async def test_every_size_shows_what_fits_in_it(small: SmallWorld) -> None:
    await small.planned()
    with terminal(arguments(small), small.cli.variables()) as term:
        wide = await term.drawn(is_wide)
        term.resize(80, 24)
        narrow = await term.drawn(lambda s: "2 Verdict" not in s.text and len(s.lines) == 24)
        assert candidates(narrow) == CANDIDATES
        for key, title, words in PANES:
            term.press(key)
            pane = await term.drawn(showing(f"┌─ {title} ─", words, "? help  q quit"))
            assert pane.text.count("┌") == 1
        term.resize(70, 18)
        tiny = await term.drawn(showing("enlarge the terminal to 80x20", "? help  q quit"))
        assert candidates(tiny) == CANDIDATES
        term.resize(160, 48)
        again = await term.drawn(lambda s: is_wide(s) and "enlarge" not in s.text)
        assert candidates(again) == candidates(wide) == CANDIDATES
        await leaves_as_it_came(term)


@pytest.mark.parametrize("term_name", ["dumb", ""])
async def test_a_terminal_that_cannot_draw_is_refused(small: SmallWorld, term_name: str) -> None:
    with terminal(arguments(small), small.cli.variables(), term=term_name) as term:
        ended = await term.until(lambda screen: screen.exit_code is not None)
    assert ended.exit_code == 2
    assert "--plain" in ended.text
    assert "--batch" in ended.text


async def test_pipes_are_refused(small: SmallWorld) -> None:
    ran = await small.cli()
    assert (ran.code, ran.stdout) == (2, b"")
    assert "--plain" in ran.complaints
    assert "--batch" in ran.complaints


async def test_only_one_standard_stream_in_a_pipe_is_refused(small: SmallWorld) -> None:
    program = ["sh", "-c", 'python=$1; shift; "$python" "$@" 2>&1 >/dev/null', "sh"]
    with terminal([*program, *arguments(small)], small.cli.variables()) as term:
        ended = await term.until(lambda screen: screen.exit_code is not None)
    assert ended.exit_code == 2
    assert "--plain" in ended.text
