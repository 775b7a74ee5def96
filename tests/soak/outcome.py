"""What a soak came to, for people and for the gate."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.soak.oracle import Met


@dataclass(slots=True)
class Outcome:
    """What a soak came to. `executions` are those that deleted something; `waits` counts how often
    a scan or an execution found the vault held by the healing.

    `lost` was referred to and was not brought back; `lost_at_last` neither, when at the end rows
    referred to everything that was still deleted (`asked_at_last` objects).
    """

    engine: str
    seconds: float = 0.0
    events: Counter[str] = field(default_factory=Counter)
    scans: int = 0
    executions: int = 0
    waits: int = 0
    results: Counter[str] = field(default_factory=Counter)
    deletions: int = 0
    met: Met = field(default_factory=Met)
    lost: dict[str, str] = field(default_factory=dict)
    asked_at_last: int = 0
    lost_at_last: dict[str, str] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Nothing was lost, and nothing deleted that was known to be in use."""
        return not self.lost and not self.lost_at_last and not self.met.wrong

    def lines(self) -> list[str]:
        """For people."""
        total, found = self.events.total(), self.met
        rate = total / self.seconds
        wrong = f"{len(found.wrong)} of them referred to since before their last check"
        window = "referred to after the beginning of their last check, and before their delete"
        at_last = f"lost of {self.asked_at_last} still deleted ones that rows referred to at last"
        return [
            f"{self.engine}: {total:,} events in {self.seconds:.1f} s ({rate:,.0f} a second)",
            *(f"  {count:9,}  {kind}" for kind, count in sorted(self.events.items())),
            f"{self.scans} scans, {self.executions} executions: {_counted(self.results)}",
            f"{self.waits} times they found the vault held by the healing",
            f"{self.deletions:,} objects deleted, {wrong}",
            *(f"  {key}" for key in found.wrong),
            f"the window: {found.window.total()} {window}: {_counted(found.window)}",
            f"deleted objects that were referred to then or later: {_counted(found.fates)}",
            f"brought back after the commit of the row: {found.healing()}",
            f"referenced objects lost after healing: {len(self.lost)}",
            *(f"  {key} {what}" for key, what in self.lost.items()),
            f"{at_last}: {len(self.lost_at_last)}",
            *(f"  {key} {what}" for key, what in self.lost_at_last.items()),
        ]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(counts.items())) or "none"
