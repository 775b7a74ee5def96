"""What the keys of the main screen do: they look, or open the screen that asks before it does."""

from __future__ import annotations

import os
import shlex
from functools import partial
from typing import TYPE_CHECKING

from textual.widgets import Input

from s3gc_core.config_file import find_config, load_config
from s3gc_core.errors import ConfigurationError, S3gcError
from s3gc_core.jobs import Job
from s3gc_core.judgement import Plan
from s3gc_tui import records
from s3gc_tui.background import begin
from s3gc_tui.models.candidate_filter import FilterError
from s3gc_tui.models.intents import FollowIntent, ScanIntent
from s3gc_tui.models.typed_command import TypedCommand, UnknownCommand, parse_command
from s3gc_tui.saving import save_records
from s3gc_tui.screens.over_panes import OverPanes
from s3gc_tui.widgets.candidate_list import CandidateList

if TYPE_CHECKING:
    pass


class MainScreen(OverPanes):
    """The panes, and what their keys do."""

    def on_mount(self) -> None:
        """A session that may write follows the databases, where nobody does."""
        # Once: what a person ends, or what fails, is not begun again behind their back.
        begin(self, self._follow, "follow")

    async def _follow(self) -> None:
        if not self.gateway.about.cdc or not self.gateway.may_write:
            return
        picture = await self.gateway.picture()
        if picture.is_followed:
            return
        try:
            self.gateway.streams.started = self.gateway.start(FollowIntent())
        except S3gcError as error:
            self.tell(error)
            return
        self.say(f"started: {self.gateway.batch_line(FollowIntent())}")

    def action_scan(self) -> None:
        """Start a scan as a job of its own."""
        try:
            started = self.gateway.start(ScanIntent())
        except S3gcError as error:
            self.tell(error)
            return
        self.say(f"started: {self.gateway.batch_line(ScanIntent())}")
        self.watch_started(started)

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
            self.say("the list is of an older scan: show the newer one, then mark again")
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

    def action_pause(self) -> None:
        """Pause the running job, or let it go on."""
        job = self.picture.running if self.picture else None
        if job is None:
            self.say("no job is running")
            return
        begin(self, partial(self._pause_or_resume, job), "control")

    async def _pause_or_resume(self, job: Job) -> None:
        try:
            await self.gateway.pause_or_resume(job)
        except S3gcError as error:
            self.tell(error)

    def action_cancel(self) -> None:
        """Ending a job is asked for on its own screen."""
        job = self.picture.running if self.picture else None
        if job is None:
            self.say("no job is running")
            return
        from s3gc_tui.screens.job import JobScreen

        self.app.push_screen(JobScreen(self.gateway, job.operation_id))

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

    def action_save(self) -> None:
        """Write the candidates of the list, all that the filter lets through, to a new file."""
        begin(self, self._save, "save")

    async def _save(self) -> None:
        candidates = self.query_one(CandidateList)
        if candidates.snapshot is None:
            self.say("there is no list to write before the first scan")
            return
        self.say("writing the list")
        pages = (map(records.candidate, page) async for page in candidates.every_one())
        try:
            told = await save_records(
                f"s3gc-candidates-{candidates.snapshot.scan_id}", "candidates", pages
            )
        except S3gcError as error:
            self.tell(error)
        else:
            self.say(told)

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
                self._open_profile(command.rest)
            case "scan":
                self.action_scan()
            case "help":
                self.action_help()
            case "quit":
                self.action_leave()

    def _open_profile(self, name: str) -> None:
        """Leave for another profile's dashboard; one that is not usable is told here instead."""
        try:
            load_config(find_config(None, name), os.environ)
        except ConfigurationError as error:
            self.tell(error)
            return
        self.app.exit(name)

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
