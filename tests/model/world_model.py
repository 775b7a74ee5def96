"""What is in the bucket, in the rows and in the vault, and what therefore may be deleted.

Times are seconds on one time line, that of the world: days that are only said to pass count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

DAY = 86_400.0
RETENTION = 7 * DAY
# What was uploaded in parts is dated by its beginning.
PARTS_MARGIN = DAY
PLAN_LIFETIME = DAY
PROTECTED = "keep/"
RUNNING_TEXT = "posts"
# What is decided by less than this is decided by how fast the machine runs: time goes on first.
TOO_CLOSE = 120.0
# From so many rows with a key on, one at least has to name an object.
MATCH_ROWS = 10

RowName = tuple[str, int]


class Fate(StrEnum):
    """What becomes of an object of a plan."""

    DELETED = "deleted"
    KEPT = "kept"
    CHANGED = "changed"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object. Its bytes are nobody else's, unless it was uploaded once more as it is."""

    body: bytes
    etag: str
    written_at: float

    @property
    def old_at(self) -> float:
        """When it is old enough. The ETag of an upload in parts ends in their number."""
        margin = PARTS_MARGIN if "-" in self.etag else 0.0
        return self.written_at + RETENTION + margin


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the keys it refers to, and those it writes in capitals, which nearly are."""

    keys: frozenset[str] = frozenset()
    nearly: frozenset[str] = frozenset()
    # How the value is written, for whoever reads a failure.
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Why an unreferenced object stays; an orphan where nothing is said."""

    released: bool = False
    nearly: bool = False
    young: bool = False
    protected: bool = False

    @property
    def layers(self) -> dict[str, str]:
        """What each of the four layers has to say."""
        registry = "keep" if self.released else "unknown" if self.nearly else "pass"
        return {
            "registry": registry,
            "database": "pass",
            "retention": "keep" if self.young else "pass",
            "exclusion": "keep" if self.protected else "pass",
        }

    @property
    def verdict(self) -> str:
        """`keep` wins, then doubt."""
        if self.released or self.young or self.protected:
            return "keep"
        return "held" if self.nearly else "orphan"


@dataclass(slots=True)
class Plan:
    """A plan: keys with the ETag that was listed. `done` are those whose end is recorded."""

    plan_id: str
    items: Mapping[str, str]
    expires_at: float
    state: str = "proposed"
    done: set[str] = field(default_factory=set)

    def part(self, plan_id: str, keys: Iterable[str]) -> Plan:
        """The plan of some of its keys, approved."""
        items = {key: self.items[key] for key in keys}
        return replace(self, plan_id=plan_id, items=items, state="approved", done=set())


@dataclass(slots=True)
class Backup:
    """The bytes of an object in the vault; `is_gone` once the object was seen to be.

    `is_open`: found untouched after a crash, when the delete may still have been on its way.
    """

    key: str
    stored: Stored
    is_gone: bool = False
    is_open: bool = False


@dataclass(slots=True)
class WorldModel:
    """The whole world. `seen` is what the last scan saw in the rows, `released` since when not."""

    objects: dict[str, Stored] = field(default_factory=dict)
    rows: dict[RowName, Row] = field(default_factory=dict)
    vault: dict[str, list[Backup]] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    seen_nearly: frozenset[str] = frozenset()
    released: dict[str, float] = field(default_factory=dict)

    def referenced(self) -> frozenset[str]:
        """Keys that a row refers to now."""
        return frozenset().union(*(row.keys for row in self.rows.values()))

    def nearly(self) -> frozenset[str]:
        """Keys that a row writes in capitals now."""
        return frozenset().union(*(row.nearly for row in self.rows.values()))

    # A scan

    def unmatched(self) -> set[str]:
        """Tables whose rows name keys, and none of them an object: their codec may be wrong.

        Of a table with running text that is not said: it is full of other addresses.
        """
        found = set()
        for table in {table for table, _ in self.rows} - {RUNNING_TEXT}:
            named = [row.keys | row.nearly for (of, _), row in self.rows.items() if of == table]
            naming = [keys for keys in named if keys]
            if len(naming) >= MATCH_ROWS and not any(keys & self.objects.keys() for keys in naming):
                found.add(table)
        return found

    def scan(self, now: float) -> dict[str, Candidate]:
        """What a scan must say about each object that no row refers to."""
        present = self.referenced()
        for key in present:
            self.released.pop(key, None)
        for key in self.seen - present:
            self.released[key] = now
        self.seen, self.seen_nearly = present, self.nearly()
        return {
            key: self._candidate(key, stored, now)
            for key, stored in self.objects.items()
            if key not in present
        }

    def _candidate(self, key: str, stored: Stored, now: float) -> Candidate:
        released = self.released.get(key)
        return Candidate(
            released=released is not None and now - released < RETENTION,
            nearly=key in self.seen_nearly,
            young=now < stored.old_at,
            protected=key.startswith(PROTECTED),
        )

    def propose(self, plan_id: str, keys: Iterable[str], now: float) -> None:
        """The scan made a plan."""
        items = {key: self.objects[key].etag for key in keys}
        self.plans[plan_id] = Plan(plan_id, items, now + PLAN_LIFETIME)

    # An execution, in the order of its steps

    def back_up(self, plan: Plan) -> dict[str, Fate]:
        """Objects that are as they were listed get a backup; the fate of the others."""
        fates = {}
        for key in plan.items.keys() - plan.done:
            stored = self.objects.get(key)
            if stored is None:
                fates[key] = Fate.VANISHED
                before = self.vault.get(key)
                if before and before[-1].is_open:
                    before[-1].is_gone = True
            elif stored.etag != plan.items[key]:
                fates[key] = Fate.CHANGED
            else:
                self.vault.setdefault(key, []).append(Backup(key, stored))
        return fates

    def why_kept(self, key: str, now: float) -> str:
        """Why the last look before the delete keeps the object; empty where it may go."""
        if key in self.referenced() or key in self.seen:
            return "referenced"
        released = self.released.get(key)
        if released is not None and now - released < RETENTION:
            return "released"
        if key in self.nearly() or key in self.seen_nearly:
            return "nearly"
        stored = self.objects.get(key)
        if stored is not None and now < stored.old_at:
            return "young"
        return ""

    def delete(self, plan: Plan, key: str) -> Fate:
        """Delete what is as it was listed; the fate of the object."""
        stored = self.objects.get(key)
        if stored is None:
            # Backed up, and gone by somebody else's hand: the vault can bring it back as well.
            self.vault[key][-1].is_gone = True
            return Fate.VANISHED
        if stored.etag != plan.items[key]:
            return Fate.CHANGED
        del self.objects[key]
        self.vault[key][-1].is_gone = True
        return Fate.DELETED

    def recover(self, plan: Plan, sent: Iterable[str]) -> None:
        """What a look at the bucket says of deletes that were sent or about to be."""
        for key in sent:
            stored = self.objects.get(key)
            if stored is None:
                self.vault[key][-1].is_gone = True
            if stored is None or stored.etag != plan.items[key]:
                plan.done.add(key)
            else:
                self.vault[key][-1].is_open = True

    # The vault

    def restorable(self) -> dict[str, Stored]:
        """The objects that were deleted, each as it was the last time."""
        found = {}
        for key, backups in self.vault.items():
            gone = [backup.stored for backup in backups if backup.is_gone]
            if gone:
                found[key] = gone[-1]
        return found

    def restored(self, key: str, stored: Stored, *, overwrite: bool) -> str:
        """How a restore of that backup must end."""
        there = self.objects.get(key)
        if there is not None and there.body == stored.body:
            return "already-there"
        return "restored" if overwrite or there is None else "newer-kept"

    # Time

    def is_close(self, now: float) -> bool:
        """Whether a decision hangs on seconds."""
        ends = [
            *(stored.old_at for stored in self.objects.values()),
            *(at + RETENTION for at in self.released.values()),
            *(plan.expires_at for plan in self.plans.values()),
        ]
        return any(abs(end - now) < TOO_CLOSE for end in ends)
