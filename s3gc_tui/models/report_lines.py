"""The report as lines: what the orphans cost, how fast new ones come, and where they lie.

Folders and sources are not ours: all of it is cleaned here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from s3gc_core.judgement import LEAK_WINDOW
from s3gc_tui.display import column, count, fit, size, when
from s3gc_tui.models.lines import BLANK, Line, dim, line, strong

if TYPE_CHECKING:
    from s3gc_core.actions.reporting import Reported
    from s3gc_core.judgement.report import Leak, Sum

T = TypeVar("T")

# Folders that are told, those with the most new orphans first; `s3gc report` tells more.
SHOWN = 100
_NOBODY = "no row was ever seen to refer to them"


def head_lines(told: Reported | None, width: int, *, failed: bool = False) -> list[Line]:
    """Money and the rate of the leak, in three lines."""
    if failed:
        return [line(strong(" REPORT"), "  none"), BLANK, BLANK]
    if told is None:
        return [
            line(strong(" REPORT"), dim("  adding up the last scan's orphans ...")),
            BLANK,
            BLANK,
        ]
    total = told.report.total
    objects = f"{count(total.objects)} orphans, {size(total.bytes)}"
    scanned = f"scan of {when(told.scan.finished_at)} UTC"
    return [
        line(strong(" REPORT"), f"  {objects}", dim(f"  {fit(scanned, max(1, width - 40))}")),
        line(
            " saved a month ",
            strong(f"{total.monthly:.2f}"),
            f"   requests to delete them {told.requests:.4f}",
            dim("   by [prices]"),
        ),
        line(
            " new a day     ", strong(f"{_rate(told.report.leaks.values()):.2f}"), dim(_until(told))
        ),
    ]


def _rate(leaks: Iterable[Leak]) -> float:
    return sum(leak.per_day for leak in leaks)


def _until(told: Reported) -> str:
    return f"   in the {LEAK_WINDOW.days} days before {told.report.window_end:%Y-%m-%d}"


def table_lines(told: Reported, width: int) -> list[Line]:
    """New orphans by folder, then all of them by who held them last and by storage class."""
    report = told.report
    name = max(10, width - 38)
    lines = [_titles("NEW ORPHANS BY PREFIX", "A DAY", name)]
    leaks = sorted(report.leaks.items(), key=lambda item: (-item[1].objects, item[0]))
    for folder, leak in leaks[:SHOWN]:
        lines.append(_row(folder or "(no folder)", leak.per_day, leak.objects, leak.bytes, name))
    if len(leaks) > SHOWN:
        lines.append(line(dim(f" and {count(len(leaks) - SHOWN)} more: `s3gc report`")))
    if not leaks:
        lines.append(line(dim(" none")))
    for title, sums in (("LAST HOLDER", report.origins), ("STORAGE CLASS", report.classes)):
        lines += [BLANK, _titles(f"ALL ORPHANS BY {title}", "A MONTH", name)]
        for of, one in _largest(sums):
            lines.append(_row(of or _NOBODY, one.monthly, one.objects, one.bytes, name))
    return lines


def _titles(title: str, rate: str, name: int) -> Line:
    return line(dim(f" {column(title, name)} {rate:>10} {'OBJECTS':>10} {'SIZE':>12}"))


def _row(called: str, rate: float, objects: int, size_of: int, name: int) -> Line:
    return line(f" {column(called, name)} {rate:>10.2f} {count(objects):>10} {size(size_of):>12}")


def _largest(sums: Mapping[str | None, Sum]) -> list[tuple[str | None, Sum]]:
    return sorted(sums.items(), key=lambda item: (-item[1].bytes, str(item[0])))
