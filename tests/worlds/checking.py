"""Runs s3gc over a world and compares all it says with the oracle; counts what was covered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from s3gc_core.judgement import ObjectVerdict, ScanSummary
from tests.worlds.build import Ground
from tests.worlds.columns import PLANS
from tests.worlds.model import World, described
from tests.worlds.oracle import Expected, expected


class Difference(AssertionError):
    """s3gc and the oracle do not agree about a world. `dangerous`: an object in use may go."""

    def __init__(self, world: World, scan: int, lines: list[str], *, dangerous: bool) -> None:
        what = "DANGER: an object in use is an orphan" if dangerous else "not exact"
        told = "\n".join(lines)
        super().__init__(f"{what} (scan {scan})\n{told}\n{described(world)}")
        self.dangerous = dangerous


@dataclass(slots=True)
class Counts:
    """What the worlds had in them: values by engine and codec and way, objects by outcome."""

    worlds: Counter[str] = field(default_factory=Counter)
    codecs: Counter[tuple[str, str]] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    kin: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, world: World) -> None:
        """Count a world's tables and objects."""
        self.worlds[world.engine] += 1
        for table in world.tables:
            for row in table.rows:
                self.codecs[world.engine, "template"] += bool(row.computed)
                for column, cell in zip(table.columns, row.cells, strict=True):
                    if cell.mentions:
                        self.codecs[world.engine, column.codec] += 1
                        self.ways[cell.way] += 1
        self.kin.update(stored.kin for stored in world.objects if stored.kin)

    def add_expected(self, wanted: Expected) -> None:
        """Count a scan's objects by what must become of them."""
        for name in Expected.__slots__:
            self.outcomes[name] += len(getattr(wanted, name))

    def report(self) -> str:
        """The counts in lines."""
        lines = []
        for title, counter in (
            ("worlds by engine", self.worlds),
            ("values by engine and codec", self.codecs),
            ("values by spelling", self.ways),
            ("objects by kinship", self.kin),
            ("objects by what must become of them", self.outcomes),
        ):
            lines += [f"{title}:"] + [
                f"  {count:7}  {' '.join(name) if isinstance(name, tuple) else name}"
                for name, count in sorted(counter.items())
            ]
        ways = {way.name for plan in PLANS for way in plan.ways}
        never = ", ".join(sorted(ways - set(self.ways))) or "none"
        return "\n".join([*lines, f"spellings that were not drawn: {never}"])


async def check(ground: Ground, world: World, counts: Counts | None = None) -> None:
    """Build a world, scan it as often as it says, and compare. Raises `Difference`."""
    if not world.objects:
        return
    built = await ground.build(world)
    try:
        for scan in range(1, world.scans + 1):
            if scan > 1:
                await built.change(scan)
            wanted = expected(world, scan)
            async with built.app.collector() as collector:
                summary = await collector.scan()
                got = {
                    j.object.key: j.verdict async for page in collector.candidates() for j in page
                }
            compare(world, scan, wanted, got, summary)
            if counts is not None:
                counts.add_expected(wanted)
        if counts is not None:
            counts.add(world)
    except Difference:
        raise
    except Exception as error:
        error.add_note(described(world))
        raise
    finally:
        await built.remove()


def compare(
    world: World,
    scan: int,
    wanted: Expected,
    got: dict[str, ObjectVerdict],
    summary: ScanSummary,
) -> None:
    """Exact sets in both directions. Raises `Difference`."""
    keys = {stored.key for stored in world.objects}
    of = {
        "orphan": {key for key, verdict in got.items() if verdict is ObjectVerdict.ORPHAN},
        "held": {key for key, verdict in got.items() if verdict is ObjectVerdict.HELD},
        "kept": {key for key, verdict in got.items() if verdict is ObjectVerdict.KEEP},
        "in use": keys - set(got),
    }
    exact = {
        "orphan": wanted.orphans,
        "held": wanted.held,
        "kept": wanted.kept,
        "in use": wanted.in_use,
    }
    loose = wanted.spared | wanted.open
    live = (keys - wanted.orphans - wanted.open) & of["orphan"]
    lines = [f"  must not be an orphan: {key!r}" for key in sorted(live)]
    for name, must in exact.items():
        lines += [f"  {key!r} must be {name}" for key in sorted(must - of[name])]
        lines += [f"  {key!r} must not be {name}" for key in sorted(of[name] - must - loose)]
    counted = {
        "listed": (summary.listed, len(keys)),
        "referenced": (summary.referenced, len(of["in use"])),
        "orphans": (summary.orphans, len(of["orphan"])),
        "held": (summary.held, len(of["held"])),
        "kept": (summary.kept, len(of["kept"])),
    }
    lines += [f"  summary: {name} is {a}, not {b}" for name, (a, b) in counted.items() if a != b]
    if not set(got) <= keys:
        lines.append(f"  candidates that are no objects: {set(got) - keys}")
    if lines:
        raise Difference(world, scan, lines, dangerous=bool(live))
