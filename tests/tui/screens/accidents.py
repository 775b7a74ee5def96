"""What must never decide anything, thrown at a screen by its name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual import events

from tests.tui.screens.asked import Shown

Accident = Callable[[Shown, str], Awaitable[None]]


async def typed_ahead(shown: Shown, text: str) -> None:
    """Everything that would be right, all of it too early."""
    shown.raw(text + "\r")
    await shown.settled()
    shown.raw(text + "\r\r")
    await shown.settled()


async def pasted(shown: Shown, text: str) -> None:
    """Marked as a paste, with its Enter inside; and the application's own clipboard."""
    await shown.ready()
    shown.paste(text + "\r\n")
    shown.app.copy_to_clipboard(text)
    await shown.press("ctrl+v", "shift+insert")


async def pasted_as_keys(shown: Shown, text: str) -> None:
    """A terminal that does not mark what it pastes."""
    await shown.ready()
    shown.raw("x" + text + "\r\r")
    await shown.settled()
    await shown.ready()
    shown.raw(text + "\r")
    await shown.settled()


async def held_enter(shown: Shown, text: str) -> None:
    """Held since before the screen opened; the keyboard waits before it repeats."""
    shown.key("\r")
    await shown.settled()
    shown.clock.pass_(0.66)
    for _ in range(30):
        shown.key("\r")
        await shown.pilot.pause()
        shown.clock.pass_(0.04)


async def held_key(shown: Shown, text: str) -> None:
    """The first character of what is asked for, held."""
    await shown.ready()
    for _ in range(30):
        shown.key(text[0])
        shown.clock.pass_(0.04)
    await shown.settled()


async def split_escapes(shown: Shown, text: str) -> None:
    """An arrow key over a bad line: its tail comes as letters. Without the escape itself, which
    leaves the screen.
    """
    await shown.ready()
    for tail in ("[A", "[B", "OP", "[15~", "[200~", "[D", "[H", "OS"):
        shown.raw(tail)
        await shown.settled()
        shown.clock.pass_(0.6)
        shown.field.tick()


async def clicked(shown: Shown, text: str) -> None:
    """Here and there, and on every line of the field."""
    await shown.ready()
    for y in (0, 7, 20, 21, 22, 23):
        for x in (1, 40):
            await shown.pilot.click(offset=(x, y))


async def split_escape_with_its_escape(shown: Shown, text: str) -> None:
    """The whole sequence; what follows it reaches whatever lies below."""
    await shown.ready()
    for sequence in ("\x1b[A", "\x1b[C", "\x1bOR"):
        shown.raw(sequence)
        await shown.settled()


async def all_function_keys(shown: Shown, text: str) -> None:
    """Keys that stand for nothing here."""
    await shown.ready()
    for name in ("delete", "insert", "ctrl+d", "ctrl+k", "ctrl+j", "f1", "f12", "ctrl+a", "home"):
        shown.app.post_message(events.Key(name, None))
        await shown.settled()


ACCIDENTS: list[Accident] = [
    typed_ahead,
    pasted,
    pasted_as_keys,
    held_enter,
    held_key,
    split_escapes,
    clicked,
    split_escape_with_its_escape,
    all_function_keys,
]
