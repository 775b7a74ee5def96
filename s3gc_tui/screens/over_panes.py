"""The screens that open over the panes: what is looked at more closely, asked for, or watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3gc_core.jobs import StartedJob
from s3gc_tui.screens.panes import Panes
from s3gc_tui.widgets.candidate_list import CandidateList
from s3gc_tui.widgets.line_pane import LinePane

if TYPE_CHECKING:
    from s3gc_core.collection import Selection


class OverPanes(Panes):
    """The panes, and the ways from them to other screens, each imported when it is first seen."""

    def watch_started(self, started: StartedJob | None) -> None:
        """Open the view of a job that was just started."""
        if started is not None:
            from s3gc_tui.screens.job import JobScreen

            self.app.push_screen(JobScreen.for_started(self.gateway, started))

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

    def action_references(self) -> None:
        """Coverage, reverse match and dangling references."""
        from s3gc_tui.screens.references import ReferencesScreen

        self.app.push_screen(ReferencesScreen(self.gateway))

    def action_streams(self) -> None:
        """How far each followed database has come."""
        from s3gc_tui.screens.streams import StreamsScreen

        self.app.push_screen(StreamsScreen(self.gateway))

    def action_grants(self) -> None:
        """What unattended runs may delete."""
        from s3gc_tui.screens.grants import GrantsScreen

        self.app.push_screen(GrantsScreen(self.gateway))

    def action_report(self) -> None:
        """What the orphans cost, and how fast new ones come."""
        from s3gc_tui.screens.report import ReportScreen

        self.app.push_screen(ReportScreen(self.gateway))

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

        self.app.push_screen(HelpScreen(self.where, self.gateway))
