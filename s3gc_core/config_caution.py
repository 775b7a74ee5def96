"""Levels of caution: defaults for several settings at once, and floors that none of them undercuts.

No level changes the mode: whether anything may be deleted is said by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from s3gc_core.config import Caution
from s3gc_core.config_rules import Findings


@dataclass(frozen=True, slots=True)
class Level:
    """`retention_days` is the default, and `floor` the least; `two_people` have to want a deletion
    where that is true, and may where it is not.
    """

    retention_days: int
    floor: int
    two_people: bool = False


# One day is everybody's floor: younger objects may be uploads in flight.
LEVELS = {
    Caution.STANDARD: Level(7, 1),
    Caution.AGGRESSIVE: Level(1, 1),
    Caution.SAFE: Level(7, 7),
    Caution.COMPLIANCE: Level(30, 30, two_people=True),
}


def apply_caution(values: dict[str, Any], findings: Findings) -> None:
    """Put the level's defaults where nothing was written, and note what is under its floors.

    A value that its own rule refused is None here, and noted already.
    """
    caution = values.get("caution", Caution.STANDARD)
    if not isinstance(caution, Caution):
        return
    level = LEVELS[caution]
    days = values.setdefault("retention_days", level.retention_days)
    if isinstance(days, int) and days < level.floor:
        allowed = f'{level.floor} to 3650; {level.floor} days is the floor of caution = "{caution}"'
        findings.add(("retention_days",), days, allowed)
    if not level.two_people:
        return
    if values.setdefault("require_second_person", True) is False:
        findings.add(("require_second_person",), False, f'true, by caution = "{caution}"')
