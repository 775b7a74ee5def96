"""What a run of the machine says at its end."""

from __future__ import annotations

from tests.model.difference import Difference
from tests.model.ground import Ground
from tests.model.machine import OUTCOME, operations


def report(ground: Ground, seconds: float, first: int, last: int, found: Difference | None) -> str:
    """Counts of each kind, speed, seeds, and the two numbers that have to be 0."""
    wrong = int(found is not None and found.is_dangerous)
    unexplained = int(found is not None and not found.is_dangerous)
    done = operations(ground)
    kinds = sorted(ground.counts.items(), key=lambda item: (item[0].startswith(OUTCOME), item[0]))
    lines = [f"  {count:8}  {kind}" for kind, count in kinds]
    return "\n".join(
        [
            "what happened:",
            *lines,
            f"{done} operations in {seconds:.0f} s ({done / seconds:.0f} a second)",
            f"seeds {first} to {last}",
            f"wrong deletions: {wrong}, unexplained keeps and other differences: {unexplained}",
            "",
        ]
    )
