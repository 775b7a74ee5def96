"""The catalogue: the last listings, their candidates, and plans, in `catalogue.db`.

It can be deleted and rebuilt by a scan; nothing that must survive lives here. What a plan was
approved for is in the audit log, by its hash: a plan whose items are gone cannot be executed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from s3gc_core.bucket import ListedObject
from s3gc_core.errors import VaultUnreachable
from s3gc_core.judgement import (
    canary_tables,
    finding_tables,
    mention_tables,
    plan_tables,
    scan_tables,
    sighting_tables,
)
from s3gc_core.judgement.canaries import Canary
from s3gc_core.judgement.catalogue_version import is_ours, make_ours
from s3gc_core.judgement.finding_tables import Listing
from s3gc_core.judgement.grants import SeenOrphan
from s3gc_core.judgement.guards import PrefixFacts
from s3gc_core.judgement.layers import Judged, ObjectVerdict
from s3gc_core.judgement.plans import Plan, PlanItem
from s3gc_core.local_store import LocalStore
from s3gc_core.references import ColumnId, Finding, Found, ListedReference, Mention

if TYPE_CHECKING:
    from s3gc_core.bucket import UploadInProgress


class Catalogue:
    """The door to `catalogue.db`. Every call is one batch in the store's thread."""

    def __init__(self, store: LocalStore, path: Path) -> None:
        self._store = store
        self.path = path

    @classmethod
    async def open(cls, vault_path: Path) -> Catalogue:
        """Open or create `catalogue.db` in the vault folder; one of an older s3gc is made anew.

        Raises `CatalogueTooNew`, and `VaultBusy` while an operation may use an older one.
        """
        path = vault_path / "catalogue.db"
        store = await LocalStore.open(path, durable=False)
        try:
            # Looked at first: to write, one waits for the long transactions of a scan.
            if not await store.read(is_ours):
                await store.run(make_ours, vault_path)
        except BaseException as error:
            await store.close()
            if isinstance(error, sqlite3.Error):
                raise VaultUnreachable(f"cannot make the catalogue's tables: {error}") from error
            raise
        return cls(store, path)

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()

    async def begin_scan(self, scan_id: str, began_at: datetime) -> None:
        """Make room for a new listing; candidates of old scans and old plans go."""
        await self._store.run(_begin_scan, scan_id, began_at)

    async def add_listing(self, page: Sequence[ListedObject]) -> None:
        """Add a page of the bucket's listing."""
        await self._store.run(scan_tables.add_listing, page)

    async def listed_twice(self) -> bool:
        """Whether the listing has any key twice."""
        return await self._store.read(scan_tables.listed_twice)

    async def add_uploads(self, page: Sequence[UploadInProgress]) -> None:
        """Add a page of the bucket's uploads in progress."""
        await self._store.run(scan_tables.add_uploads, page)

    async def uploads_to(self, keys: Sequence[str]) -> dict[int, datetime]:
        """Since when (UTC) uploads to these keys are in progress, by the key's hash."""
        return await self._store.read(scan_tables.uploads_to, keys)

    async def begin_listing(self) -> None:
        """Make room for a listing that no scan made; that of the last scan goes."""
        await self._store.run(finding_tables.forget_listing)

    async def complete_listing(self, began_at: datetime) -> Listing:
        """Say that the listing which began then (UTC) is whole."""
        return await self._store.run(finding_tables.complete_listing, began_at)

    async def listing(self) -> Listing | None:
        """The complete listing that is held; None while there is none."""
        return await self._store.read(finding_tables.listing)

    async def listed(self, hashes: Sequence[int]) -> set[int]:
        """Those of `hashes` that objects of the complete listing have."""
        return await self._store.read(finding_tables.listed, hashes)

    async def explain(self, hashes: Sequence[int]) -> None:
        """Remember that columns spell out the keys with these hashes."""
        await self._store.run(finding_tables.explain, hashes)

    async def listed_keys(self, *, unexplained: bool = False) -> AsyncIterator[list[str]]:
        """The keys of the complete listing, or those that no column spells out, in pages, in no
        order.
        """
        after = 0
        while page := await self._store.read(finding_tables.keys_page, after, unexplained):
            after = page[-1][0]
            yield [key for _, key in page]

    async def guessed(self) -> int:
        """In samples of how many rows templates were looked for with the present listing."""
        return await self._store.read(finding_tables.guessed)

    async def set_guessed(self, rows: int) -> None:
        """Templates were looked for in samples of so many rows of every table."""
        await self._store.run(finding_tables.set_guessed, rows)

    async def add_findings(self, findings: Sequence[Finding], rows: int) -> None:
        """Keep what was seen in columns, in samples of so many rows."""
        await self._store.run(finding_tables.add_findings, findings, rows)

    async def findings(self) -> dict[ColumnId, Finding]:
        """What was last seen in every column that was looked at."""
        return {f.id: f for f in await self._store.read(finding_tables.findings)}

    async def examined(self, rows: int) -> set[ColumnId]:
        """Columns looked at with the present listing, in samples of at least so many rows."""
        return await self._store.read(finding_tables.examined, rows)

    async def hash_page(self, after: int) -> list[tuple[int, int]]:
        """The next page of the listing as (id, key hash); `after` is the last id so far."""
        return await self._store.read(scan_tables.hash_page, after)

    async def add_unreferenced(self, rows: Sequence[tuple[int, int]]) -> None:
        """Remember listed objects, as (id, key hash), to be judged."""
        await self._store.run(scan_tables.add_unreferenced, rows)

    async def wanted(self, hashes: Sequence[int]) -> set[int]:
        """Those of `hashes` that unreferenced objects of the running scan, or canaries, have."""
        return await self._store.read(scan_tables.wanted, json.dumps(list(hashes)))

    async def add_hits(self, found: Sequence[Found]) -> None:
        """Remember rows in which the databases hold an unreferenced object's key."""
        await self._store.run(scan_tables.add_hits, found)

    async def unreferenced_keys(self, after: int) -> list[tuple[int, str]]:
        """The next page of unreferenced objects as (id, key); `after` is the last id so far."""
        return await self._store.read(mention_tables.unreferenced_keys, after)

    async def add_mentions(self, mentions: Sequence[Mention]) -> None:
        """Remember places all over the databases that hold an unreferenced object's key."""
        await self._store.run(mention_tables.add_mentions, mentions)

    async def mentions(self, hashes: Sequence[int]) -> list[Mention]:
        """The places in which the last scan found keys with these hashes."""
        return await self._store.read(mention_tables.mentions, hashes)

    async def unjudged_page(self, after: int) -> tuple[list[ListedObject], list[Found], int]:
        """The next page of unreferenced objects, the hits on them, and where to go on from."""
        return await self._store.read(scan_tables.unjudged_page, after)

    async def add_canaries(self, live: Sequence[ListedReference], dead: ListedObject) -> None:
        """Have listed objects of sources, and one that is nowhere, asked for like candidates."""
        await self._store.run(canary_tables.add_canaries, live, dead)

    async def canaries(self) -> tuple[list[Canary], list[Found]]:
        """The canaries, and the hits on them."""
        return await self._store.read(canary_tables.canaries)

    async def add_candidates(self, scan_id: str, judged: Sequence[Judged]) -> None:
        """Add candidates with what was concluded about them."""
        await self._store.run(scan_tables.add_candidates, scan_id, judged)

    async def totals(self, scan_id: str) -> dict[str, tuple[int, int]]:
        """Objects and bytes of a scan's candidates by verdict."""
        return await self._store.read(scan_tables.totals, scan_id)

    async def under_prefix(self, scan_id: str, prefix: str) -> PrefixFacts:
        """What the running scan's listing and candidates hold under a prefix."""
        return await self._store.read(scan_tables.under_prefix, scan_id, prefix)

    async def add_folders(self, scan_id: str) -> None:
        """Add up a scan's candidates by folder."""
        await self._store.run(scan_tables.add_folders, scan_id)

    async def finish_scan(self, scan_id: str, summary: bytes) -> None:
        """Keep the scan's summary (JSON) beside its candidates."""
        await self._store.run(scan_tables.finish_scan, scan_id, summary)

    async def note_sightings(self, scan_id: str, at: datetime, *, trusted: bool) -> None:
        """The scan saw its orphans then (UTC); see `sighting_tables`."""
        await self._store.run(sighting_tables.note_sightings, scan_id, at, trusted)

    async def last_scan(self) -> tuple[str, bytes] | None:
        """Id and summary (JSON) of the last finished scan."""
        return await self._store.read(scan_tables.last_scan)

    async def candidates(
        self,
        scan_id: str,
        *,
        verdict: ObjectVerdict | None = None,
        prefix: str = "",
        after: str = "",
    ) -> AsyncIterator[list[Judged]]:
        """The candidates of a scan whose key is greater than `after`, by key, in pages."""
        while page := await self._store.read(
            scan_tables.candidate_page, scan_id, verdict, prefix, after
        ):
            yield page
            after = page[-1].object.key

    async def create_plan(self, head: Plan) -> Plan:
        """Freeze the orphans of `head.scan_id` as a plan; counts and hash are filled in."""
        return await self._store.run(plan_tables.create_plan, head)

    async def select_plan(
        self, parent: Plan, plan_id: str, prefixes: Sequence[str], keys: frozenset[str]
    ) -> Plan:
        """Freeze a part of a plan as a plan of its own, with the parent's expiry.

        Raises `NoSuchKey` where nothing of it is selected.
        """
        return await self._store.run(plan_tables.select_plan, parent, plan_id, prefixes, keys)

    async def plan(self, plan_id: str) -> Plan | None:
        """A plan's head."""
        return await self._store.read(plan_tables.get_plan, plan_id)

    async def plans(self) -> list[Plan]:
        """All plans kept, newest first."""
        return await self._store.read(plan_tables.plans)

    async def recompute_sha256(self, plan: Plan) -> str:
        """The hash of the plan as its items are stored now."""
        return await self._store.read(plan_tables.recompute_sha256, plan)

    async def plan_items(self, plan_id: str, after: str = "") -> AsyncIterator[list[PlanItem]]:
        """A plan's items whose key is greater than `after`, by key, in pages."""
        while page := await self._store.read(plan_tables.item_page, plan_id, after):
            yield page
            after = page[-1].key

    async def planned_etags(self, plan_id: str, keys: Sequence[str]) -> dict[str, str]:
        """Those of the keys that a plan holds, with their ETags."""
        return await self._store.read(plan_tables.planned_etags, plan_id, keys)

    async def seen_orphans(self, plan_id: str) -> list[SeenOrphan]:
        """A plan's objects by key, with how often each was seen as an orphan."""
        found: list[SeenOrphan] = []
        async for page in self.plan_items(plan_id):
            seen = await self._store.read(sighting_tables.sightings, page)
            found += [SeenOrphan(i.key, i.size, s) for i, s in zip(page, seen, strict=True)]
        return found


def _begin_scan(connection: sqlite3.Connection, scan_id: str, began_at: datetime) -> None:
    scan_tables.begin_scan(connection, scan_id, began_at)
    plan_tables.forget_old_plans(connection)
