"""What the keys of the main screen do: they look, or open the screen that asks before it does."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from textual.widgets import Input

from s3gc_core.errors import S3gcError
from s3gc_core.jobs import Standing, StartedJob
from s3gc_core.judgement import Plan
from s3gc_tui.background import begin
from s3gc_tui.models.candidate_filter import FilterError
from s3gc_tui.models.intents import ScanIntent
from s3gc_tui.models.typed_command import TypedCommand, UnknownCommand, parse_command
from s3gc_tui.screens.panes import Panes
from s3gc_tui.widgets.candidate_list import CandidateList
from s3gc_tui.widgets.line_pane import LinePane

if TYPE_CHECKING:
    from s3gc_core.collection import Selection


class MainScreen(Panes):
    """The panes, and what their keys do."""

    def action_scan(self) -> None:
        """Start a scan as a job of its own."""
        try:
            started = self.gateway.start(ScanIntent())
        except S3gcError as error:
            self.tell(error)
            return
        self.say(f"started: {self.gateway.batch_line(ScanIntent())}")
        self.watch_started(started)

    def watch_started(self, started: StartedJob | None) -> None:
        """Open the view of a job that was just started."""
        if started is not None:
            from s3gc_tui.screens.job import JobScreen

            self.app.push_screen(JobScreen.for_started(self.gateway, started))

    def action_approve(self) -> None:
        """Review what is marked, and approve that part of the last scan's plan."""
        begin(self, self._approve, "approve")

    async def _approve(self) -> None:
        from s3gc_tui.screens.approve import ApproveScreen

        candidates = self.query_one(CandidateList)
        scan = self.picture.status.last_scan if self.picture and self.picture.status else None
        if scan is None or scan.plan_id is None:
            blocked = ", ".join(trip.label for trip in scan.blocked) if scan else "no scan"
            self.say(f"there is no plan to approve ({blocked or 'the scan found no orphans'})")
            return
        if candidates.snapshot is None or candidates.snapshot.scan_id != scan.scan_id:
            self.say("the list is of an older scan: press r, then mark again")
            return
        if not candidates.marks:
            self.say("nothing is marked: space marks, + marks all that match")
            return
        try:
            prefixes, keys = await candidates.marked_selection()
            if not prefixes and not keys:
                # To approve, that would be everything.
                self.say("what was marked is gone: mark again")
                return
            if prefixes == [""]:
                # Everything: the plan as it is, and not a part that holds all of it.
                prefixes = []
            asking = ApproveScreen(self.gateway, scan.plan_id, prefixes, keys)
        except S3gcError as error:
            self.tell(error)
            return
        self.app.push_screen(asking, self._approved)

    def _approved(self, plan: Plan | None) -> None:
        if plan is not None:
            self.query_one(CandidateList).action_clear_marks()
            self.say(f"plan {plan.plan_id} is approved")
            self.open_thing("plan", plan.plan_id)

    def action_restore(self) -> None:
        """Open the restore wizard, for the operation under the cursor in the history."""
        from s3gc_core.collection import Selection

        selection = None
        if self.current == "history":
            chosen = self.query_one("#history", LinePane).cursor_id or ""
            operation_id = chosen.removeprefix("operation ")
            if self._deleted_objects(operation_id):
                selection = Selection(operation_id=operation_id)
        self.open_restore(selection)

    def _deleted_objects(self, operation_id: str) -> bool:
        """Whether there is something of this operation to restore."""
        operations = self.picture.operations if self.picture else ()
        return any(
            one.operation_id == operation_id and one.started.what == "execute" for one in operations
        )

    def open_restore(self, selection: Selection | None, hint: str = "") -> None:
        """Open the restore wizard."""
        from s3gc_tui.screens.restore import RestoreScreen

        if not self.gateway.may_write:
            self.say("this session is read-only: restoring needs `s3gc --write`")
            return
        self.app.push_screen(RestoreScreen(self.gateway, selection, hint), self.watch_started)

    def action_pause(self) -> None:
        """Pause the running job, or let it go on."""
        self._control("pause")

    def action_cancel(self) -> None:
        """Ending a job is asked for on its own screen."""
        job = self.picture.running if self.picture else None
        if job is None:
            self.say("no job is running")
            return
        from s3gc_tui.screens.job import JobScreen

        self.app.push_screen(JobScreen(self.gateway, job.operation_id))

    def _control(self, what: str) -> None:
        job = self.picture.running if self.picture else None
        if job is None:
            self.say("no job is running")
            return
        paused = job.standing in (Standing.PAUSED, Standing.PAUSING)
        ask = self.gateway.resume if paused else self.gateway.pause

        async def asked() -> None:
            try:
                await ask(job.operation_id)
            except S3gcError as error:
                self.tell(error)

        begin(self, asked, "control")

    def on_line_pane_chosen(self, event: LinePane.Chosen) -> None:
        """Enter on a job, a plan or an operation opens it."""
        kind, _, of_id = event.line_id.partition(" ")
        self.open_thing(kind, of_id)

    def open_thing(self, kind: str, of_id: str) -> None:
        """Open a job, a plan or an operation by its id."""
        if kind == "job":
            from s3gc_tui.screens.job import JobScreen

            self.app.push_screen(JobScreen(self.gateway, of_id))
        elif kind == "plan":
            from s3gc_tui.screens.plan import PlanScreen

            self.app.push_screen(PlanScreen(self.gateway, of_id), self.watch_started)
        else:
            from s3gc_tui.screens.operation import OperationScreen

            self.app.push_screen(OperationScreen(self.gateway, of_id))

    def on_candidate_list_opened(self, event: CandidateList.Opened) -> None:
        """Enter on a candidate asks everything about it, now."""
        self.open_detail(event.key)

    def open_detail(self, key: str) -> None:
        """Every layer and reference of a key."""
        from s3gc_tui.screens.detail import DetailScreen

        self.app.push_screen(DetailScreen(self.gateway, key))

    def action_preview(self) -> None:
        """Look at the selected object as a picture."""
        from s3gc_tui.preview import BucketObjects
        from s3gc_tui.screens.preview import PreviewScreen

        if self.selected is not None:
            objects = BucketObjects(self.gateway.objects)
            self.app.push_screen(PreviewScreen(objects, self.selected.object.key))

    def action_help(self) -> None:
        """What works here."""
        from s3gc_tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self.where, self.gateway.may_write, self.keymap))

    def action_sort(self) -> None:
        """Sort the list by its next column."""
        self.query_one(CandidateList).action_sort()

    def action_reverse(self) -> None:
        """Turn the list's order round."""
        self.query_one(CandidateList).action_reverse()

    def action_tree(self) -> None:
        """Tree or flat list."""
        self.query_one(CandidateList).action_tree()

    def action_show_new(self) -> None:
        """Show what a newer scan found."""
        self.query_one(CandidateList).action_show_new()

    def action_copy(self) -> None:
        """Copy the key, quoted for a shell; show it too, for terminals that drop the copy."""
        if self.selected is not None:
            quoted = shlex.quote(self.selected.object.key)
            self.app.copy_to_clipboard(quoted)
            self.say(f"copied: {quoted}")

    def action_repaint(self) -> None:
        """Paint everything anew."""
        self.app.refresh(repaint=True, layout=True)

    def action_leave(self) -> None:
        """Leave the dashboard."""
        self.app.exit()

    # Typing

    def action_filter(self) -> None:
        """Type a filter."""
        self._type("filter ", self.query_one(CandidateList).filter_text)

    def action_command(self) -> None:
        """Type a command."""
        self._type("", "")

    def _type(self, command: str, value: str) -> None:
        entry = self.query_one("#command", Input)
        entry.value = command + value
        entry.add_class("-open")
        entry.focus()
        entry.cursor_position = len(entry.value)

    def close_command(self) -> None:
        """Put the line away and give the focus back."""
        self.query_one("#command", Input).remove_class("-open")
        self.query_one("#completions", LinePane).remove_class("-open")
        self.query_one(f"#{self.current}").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Run what was typed."""
        self.close_command()
        if not event.value.strip():
            return
        try:
            command = parse_command(event.value)
        except UnknownCommand as error:
            self.say(str(error))
            return
        self._run_command(command)

    def _run_command(self, command: TypedCommand) -> None:
        match command.name:
            case "filter":
                self._filter(command.rest)
            case "restore":
                self.open_restore(None, command.rest)
            case "why":
                self.open_detail(command.rest)
            case "plan" | "op":
                self._open_by_end(command.name, command.rest)
            case "ctx":
                self.app.exit(command.rest)
            case "scan":
                self.action_scan()
            case "help":
                self.action_help()
            case "quit":
                self.action_leave()

    def _filter(self, text: str) -> None:
        try:
            self.query_one(CandidateList).set_filter_text(text)
        except FilterError as error:
            self.say(str(error))
            return
        self.action_pane("candidates")

    def _open_by_end(self, kind: str, end: str) -> None:
        picture = self.picture
        if picture is None:
            return
        ids = (
            [plan.plan_id for plan, _ in picture.plans]
            if kind == "plan"
            else [operation.operation_id for operation in picture.operations]
        )
        fitting = [one for one in ids if one.endswith(end.upper())]
        if len(fitting) == 1:
            self.open_thing("plan" if kind == "plan" else "operation", fitting[0])
        else:
            self.say(f"{len(fitting)} of the {kind}s end in what was typed; give more of the id")

    def key_escape(self) -> None:
        """Close what is open; never the dashboard."""
        self.close_command()
