"""The dashboard: wires its screens to the gateway. A client: what it starts goes on without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from s3gc_core.errors import ExitCode, S3gcError
from s3gc_tui import terminal
from s3gc_tui.background import begin
from s3gc_tui.messages import KeyWanted, RestoreWanted
from s3gc_tui.running import crash_report
from s3gc_tui.screens.opening import OpeningScreen

if TYPE_CHECKING:
    # Slow to import, and not needed before the first paint.
    from s3gc_tui.gateway import Gateway
    from s3gc_tui.screens.main import MainScreen

OpenGateway: TypeAlias = "Callable[[], AbstractAsyncContextManager[Gateway]]"


class Dashboard(App[str]):
    """One dashboard over one configuration. Its result is the profile to open next, if any."""

    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - as in Textual
    VERTICAL_BREAKPOINTS = [(0, "-short"), (40, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", show=False, priority=True, id="interrupt"),
        Binding("ctrl+q", "leave_all", show=False, priority=True, id="quit.all"),
    ]
    ALLOW_SELECT = False

    def __init__(self, bucket: str, opened: OpenGateway) -> None:
        """`opened` is called in a thread, after the first paint: much is imported for it."""
        super().__init__(ansi_color=True)
        # The terminal's own 16 colours: readable in all of them, and half the bytes.
        self.theme = "ansi-dark"
        self._bucket = bucket
        self._opened = opened
        self._behind = AsyncExitStack()
        self._main: MainScreen | None = None
        self.failure: S3gcError | None = None
        self._interrupted = False
        # As it is now, before it is drawn on.
        self._settings = terminal.settings()

    def on_mount(self) -> None:
        """Paint a frame at once, and open everything behind it."""
        if not self.is_headless:
            terminal.handle_signals(self._on_signal, self._settings)
        self.screen.call_after_refresh(self._begin_to_open)

    def get_default_screen(self) -> OpeningScreen:
        """The frame that is painted first; the main screen lies over it from then on."""
        return OpeningScreen(self._bucket)

    def _begin_to_open(self) -> None:
        begin(self, self._open, "open", exit_on_error=True)

    async def _open(self) -> None:
        try:
            await asyncio.to_thread(import_module, "s3gc_tui.screens.main")
            gateway = await self._behind.enter_async_context(await asyncio.to_thread(self._opened))
        except S3gcError as error:
            # There is nothing to show; whoever ran the dashboard tells why.
            self.failure = error
            self.exit(return_code=error.exit_code)
            return
        from s3gc_tui.screens.main import MainScreen

        self.set_keymap(gateway.keymap.changed)
        self._main = MainScreen(gateway)
        await self.push_screen(self._main)

    async def close(self) -> None:
        """Close what was opened behind the first paint."""
        await self._behind.aclose()

    @property
    def main(self) -> MainScreen:
        """The main screen, which is there once everything is open."""
        if self._main is None:
            raise RuntimeError("the main screen is not open yet")
        return self._main

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """Screens that show through. Textual names the one below in any case, so that each change
        down there, as of a running job's numbers, would paint all that is on top anew.
        """
        opaque = bool(self._screen_stack) and self.screen.styles.background.a == 1
        return [] if opaque else super()._background_screens

    async def on_event(self, event: events.Event) -> None:
        """A mouse does nothing here, also where a terminal reports it unasked."""
        if not isinstance(event, events.MouseEvent):
            await super().on_event(event)

    def on_restore_wanted(self, event: RestoreWanted) -> None:
        """A screen asks for the wizard."""
        self.main.open_restore(event.selection)

    def on_key_wanted(self, event: KeyWanted) -> None:
        """A list of objects asks for everything about one."""
        self.main.open_detail(event.key)

    def _on_signal(self, code: ExitCode) -> None:
        self.exit(return_code=code)

    def action_interrupt(self) -> None:
        """Leave at the second press; the first says that jobs go on."""
        if self._interrupted:
            self.exit(return_code=ExitCode.INTERRUPTED)
            return
        self._interrupted = True
        self.set_timer(3.0, self._forget_interrupt)
        if self._main is not None:
            self._main.say("ctrl+c again leaves the dashboard; jobs go on")

    def _forget_interrupt(self) -> None:
        self._interrupted = False

    def action_leave_all(self) -> None:
        """Leave the dashboard; jobs go on."""
        self.exit()

    def action_command_palette(self) -> None:
        """Open the palette."""
        from s3gc_tui.screens.left_once import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: what looks and moves only. Nothing in it changes anything."""
        if self._main is None or screen is not self._main:
            return
        for action in self.main.harmless_actions():
            keys = self.main.gateway.keymap.words(action.id)
            yield SystemCommand(action.help, f"key {keys}", self.main.runner_of(action))

    def _fatal_error(self) -> None:
        """Instead of Textual's report, which shows the values of local variables."""
        error = getattr(self, "_exception", None)
        path = crash_report(error) if isinstance(error, Exception) else "not written"
        self._report_and_close(f"s3gc failed unexpectedly; the report is {path}")

    def panic(self, *renderables: object) -> None:
        """Instead of Textual's, which prints what it is given as it is."""
        self._return_code = ExitCode.FAILED
        self._report_and_close("s3gc failed unexpectedly: the terminal sent what is no text")

    def _report_and_close(self, text: str) -> None:
        from rich.text import Text

        self._exit_renderables.append(Text(text))
        self._close_messages_no_wait()
