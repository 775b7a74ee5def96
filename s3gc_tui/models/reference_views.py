"""The three views of the references screen, as values: what was read, and the lines it makes."""

from __future__ import annotations

from dataclasses import dataclass, field

from s3gc_core.actions.dangling import Dangling
from s3gc_core.actions.standing import MatchHistory
from s3gc_core.errors import S3gcError
from s3gc_core.references import Covered, Standing, columns_named
from s3gc_tui.models import coverage_lines, dangling_lines, match_lines
from s3gc_tui.models.dangling_lines import DanglingList
from s3gc_tui.models.lines import BLANK, Line, dim, error_lines, line, strong

COVERAGE, MATCHES, DANGLING = "coverage", "matches", "dangling"
VIEWS = {COVERAGE: "1 Coverage", MATCHES: "2 Reverse match", DANGLING: "3 Dangling"}


@dataclass(slots=True)
class ReferenceViews:
    """What was read so far; None: not yet. `errors` by view: why it could not be read."""

    ledger: list[Covered] | None = None
    matches: list[MatchHistory] | None = None
    dangling: DanglingList | None = None
    errors: dict[str, S3gcError] = field(default_factory=dict)

    def is_known(self, view: str) -> bool:
        """Whether there is something to show in a view."""
        read = {COVERAGE: self.ledger, MATCHES: self.matches, DANGLING: self.dangling}
        return read[view] is not None or view in self.errors

    def head_lines(self, view: str, width: int) -> list[Line]:
        """Which view it is, what it comes to, and the titles of its columns."""
        tabs = [strong(f" [{t}]") if n == view else dim(f"  {t} ") for n, t in VIEWS.items()]
        head = line(strong(" REFERENCES "), *tabs)
        if view in self.errors:
            return [head]
        match view:
            case "coverage":
                told = coverage_lines.counts_line(self.ledger) if self.ledger else BLANK
                return [head, told, coverage_lines.title_line(width)]
            case "matches":
                told = match_lines.matched_line(self.matches) if self.matches else BLANK
                return [head, told, match_lines.title_line(width)]
            case _:
                told = dangling_lines.found_line(self.dangling, self._expected())
                return [head, told, dangling_lines.title_line(width)]

    def _expected(self) -> int | None:
        """How many rows without their object the last scan counted."""
        last = [one.history[-1] for one in self.matches or () if one.history]
        return sum(one.rows - one.existing for one in last) if last else None

    def list_lines(self, view: str, width: int) -> list[Line]:
        """The list of a view, or why there is none."""
        if view in self.errors:
            return error_lines(self.errors[view], width)
        match view:
            case "coverage":
                if self.ledger is None:
                    return [line(dim(" asking the databases ..."))]
                return coverage_lines.coverage_lines(self.ledger, width)
            case "matches":
                if self.matches is None:
                    return [line(dim(" reading the audit log ..."))]
                return match_lines.match_lines(self.matches, width)
            case _:
                return dangling_lines.dangling_lines(self.dangling, width)

    def about_lines(self, view: str, cursor: str | None, width: int, room: int) -> list[Line]:
        """Everything about what the cursor is on, in `room` lines where there are more."""
        match view:
            case "coverage":
                return coverage_lines.column_lines(self.column(cursor), width)
            case "matches":
                found = [one for one in self.matches or () if one.source == cursor]
                return match_lines.source_lines(found[0] if found else None, width, room)
            case _:
                return dangling_lines.reference_lines(self.row(cursor), width)

    def column(self, cursor: str | None) -> Covered | None:
        """The column that a line of the coverage shows."""
        found = [one for one in self.ledger or () if coverage_lines.line_id(one) == cursor]
        return found[0] if found else None

    def row(self, cursor: str | None) -> Dangling | None:
        """The row that a line of the dangling references shows."""
        return self.dangling.at(cursor) if self.dangling is not None else None

    def to_decide(
        self, cursor: str | None, wanted: Standing, *, whole_table: bool
    ) -> tuple[str, list[Covered]]:
        """The name by which a column that stands so is cleared or reopened, or its table, and all
        columns that this name means; none where the cursor is on another.
        """
        one = self.column(cursor)
        if one is None or one.standing is not wanted:
            return "", []
        name = f"{one.id.database}:{one.id.table}" if whole_table else str(one.id)
        return name, [c for c in columns_named(self.ledger or (), name) if c.standing is wanted]
