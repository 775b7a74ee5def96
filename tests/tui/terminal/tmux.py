"""A real terminal for tests: tmux with a socket of its own, asked what it shows."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS = 30.0
BEFORE = "the line before the dashboard"
# Printed by the shell around the program once it has ended.
_EXIT = re.compile(r"^exit code (\d+)$", re.MULTILINE)
# A control character, or what is left of a control sequence that was not understood.
_GARBAGE = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd]|\[\?\d|\[\d+(;\d+)*[mHJK]")


@dataclass(frozen=True, slots=True)
class Screen:
    """What the terminal shows at one moment."""

    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def exit_code(self) -> int | None:
        """The program's, once its shell has told it."""
        found = _EXIT.search(self.text)
        return int(found[1]) if found else None

    def problem(self, columns: int, rows: int) -> str:
        """What is drawn wrong: wider than the terminal, garbage, a box that is not whole."""
        if len(self.lines) > rows or max(map(len, self.lines), default=0) > columns:
            return "larger than the terminal"
        if found := _GARBAGE.search("".join(self.lines)):
            return f"garbage: {found[0]!r}"
        boxes = [self._box(y, x) for y, line in enumerate(self.lines) for x in _all("┌", line)]
        if None in boxes:
            return "a box is not whole"
        edges = [edge for box in boxes if box for edge in box]
        whole = edges and (min(edges), max(edges)) == (0, columns - 1)
        return "" if whole else "the boxes do not fill the terminal"

    def _box(self, top: int, left: int) -> tuple[int, int] | None:
        """Walk round the box with this corner: its left and right column; None if it is broken."""
        right = self.lines[top].find("┐", left)
        for line in self.lines[top + 1 :]:
            sides = line[left : left + 1] + line[right : right + 1]
            if sides == "└┘":
                return left, right
            if sides != "││":
                return None
        return None


def _all(what: str, line: str) -> list[int]:
    return [x for x, character in enumerate(line) if character == what]


@dataclass(slots=True)
class Terminal:
    """One tmux session with one program in it."""

    folder: Path
    socket: str
    columns: int
    rows: int

    def tmux(self, *arguments: str) -> str:
        """Run a tmux command; returns what it printed."""
        return subprocess.run(
            ["tmux", "-u", "-L", self.socket, *arguments],
            env={**os.environ, "TMUX_TMPDIR": str(self.folder), "LC_ALL": "C.UTF-8"},
            check=True,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        ).stdout

    def screen(self) -> Screen:
        """What is shown now."""
        return Screen(tuple(self.tmux("capture-pane", "-p").splitlines()))

    def styled(self) -> str:
        """What is shown now, with its SGR sequences."""
        return self.tmux("capture-pane", "-p", "-e")

    def modes(self) -> str:
        """Whether the alternate screen, the cursor and any mouse report are on, as 0 and 1."""
        return self.tmux(
            "display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}"
        ).strip()

    def press(self, *keys: str) -> None:
        """Send keys, by tmux's names."""
        self.tmux("send-keys", *keys)

    async def until(self, right: Callable[[Screen], object]) -> Screen:
        """Poll until the screen is right."""
        shown = Screen(())
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    shown = await asyncio.to_thread(self.screen)
                    if right(shown):
                        return shown
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"the terminal never showed it; it shows:\n{shown.text}")

    async def shows(self, *texts: str) -> Screen:
        """Poll until all the texts are on the screen."""
        return await self.until(lambda screen: all(text in screen.text for text in texts))

    async def drawn(self, right: Callable[[Screen], object]) -> Screen:
        """Poll until the screen is right, and drawn as it must be for its size."""
        return await self.until(
            lambda screen: right(screen) and not screen.problem(self.columns, self.rows)
        )

    async def type(self, text: str) -> None:
        """Type as a person does: the next character when the last one is shown."""
        for end, character in enumerate(text, start=1):
            self.press("-l", character)
            await self.shows(f"> {text[:end].rstrip()}")

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self.columns, self.rows = columns, rows
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def close(self) -> None:
        """Close the window, as one does whose line drops: its programs get SIGHUP."""
        self.tmux("kill-session")

    def settings(self) -> tuple[str, str]:
        """`stty -g` before and after the program."""
        before, after = ((self.folder / name).read_text() for name in ("before", "after"))
        return before, after


@contextmanager
def terminal(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    term: str = "xterm-256color",
    columns: int = 160,
    rows: int = 48,
) -> Iterator[Terminal]:
    """A terminal in which a shell runs `argv` and then tells its exit code."""
    if shutil.which("tmux") is None:
        pytest.fail("tmux is missing: apt-get install tmux")
    # A socket's path must be short, so the folder is not pytest's.
    with tempfile.TemporaryDirectory(prefix="s3gc-tmux-") as name:
        here = Terminal(Path(name), f"s3gc-{os.getpid()}", columns, rows)
        script = here.folder / "script"
        variables = {**environment, "TERM": term, "LC_ALL": "C.UTF-8"}
        given = [f"{key}={value}" for key, value in variables.items() if key != "TMUX"]
        script.write_text(
            f"echo {shlex.quote(BEFORE)}\n"
            f"stty -g > {here.folder}/before\n"
            f"{shlex.join(['env', '-i', *given, *argv])}\n"
            "code=$?\n"
            f"stty -g > {here.folder}/after\n"
            "echo exit code $code\n"
            "exec sleep 300\n"
        )
        here.tmux(
            *("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows)),
            shlex.join(["sh", str(script)]),
        )
        try:
            yield here
        finally:
            # A test may have closed it already.
            subprocess.run(
                ["tmux", "-L", here.socket, "kill-server"],
                env={**os.environ, "TMUX_TMPDIR": name},
                check=False,
                capture_output=True,
            )
