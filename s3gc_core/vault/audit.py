"""The audit log: what was done and can be undone. It only grows; an edited or cut log is detected.

All methods are coroutines; SQLite works in a thread of its own, and each read is a short one.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from s3gc_core.clock import Clock
from s3gc_core.errors import NoSuchOperation
from s3gc_core.local_store import LocalStore
from s3gc_core.log import info, warning
from s3gc_core.vault import audit_reading as reading
from s3gc_core.vault.anchors import FILE as ANCHORS
from s3gc_core.vault.anchors import Anchor, add_anchor, read_anchors
from s3gc_core.vault.audit_checking import LogCheck, check_extends
from s3gc_core.vault.audit_indexes import check_indexes
from s3gc_core.vault.audit_removals import removed_since_scan
from s3gc_core.vault.audit_schema import SCHEMA, guard
from s3gc_core.vault.audit_totals import Totals, carried_on
from s3gc_core.vault.backup_states import BackupState, DeletedObject, deleted_of
from s3gc_core.vault.chain import Row, chained
from s3gc_core.vault.failures import database_failure, disk_failure
from s3gc_core.vault.operations import OPERATION_KINDS, LastRecord, Operation, operations_of
from s3gc_core.vault.places import open_folder, place_of
from s3gc_core.vault.records import (
    AnyRecord,
    Entry,
    Intent,
    Record,
    RestoreIntent,
    Result,
)
from s3gc_core.vault.signing import Signing, check_signed

FILE = "audit.db"
# Rows read at a time.
PAGE = 500
# Records that open a step about their key.
_CLAIMS = (Intent, RestoreIntent)

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=Record)


class AuditLog:
    """The audit log of one vault. Several processes may read it, two append: an operation that
    holds the vault, and a restore that heals beside it, kept apart by `claim`.
    """

    def __init__(
        self,
        anchor_places: Sequence[tuple[Path, str]],
        clock: Clock,
        store: LocalStore,
        signing: Signing,
    ) -> None:
        self._places = tuple(anchor_places)
        [(folder, _), *_] = self._places
        self._file = folder / FILE
        self._signing = signing
        self._clock = clock
        self._store = store

    @classmethod
    async def open(
        cls,
        vault_path: Path,
        clock: Clock,
        outside: Path | None = None,
        signing: Signing | None = None,
    ) -> AuditLog:
        """Open or create the log, and check that it extends its last anchor.

        `outside` is a file of anchors that is not in the vault; it is checked, and written, too.
        With `signing` the last anchor has to be signed, and those to come are.
        From then on the connection can read and append only. Raises `AuditBroken`,
        `VaultUnreachable`, `NetworkFileSystem`, `AnchorKeyUnusable`.
        """
        # First the anchors: what they tell was in the log before.
        places = [(vault_path, ANCHORS)]
        if outside is not None:
            places.append((outside.parent, outside.name))
        anchored = [await asyncio.to_thread(read_anchors, *place) for place in places]
        store = await LocalStore.open(vault_path / FILE, SCHEMA)
        log = cls(places, clock, store, signing or Signing())
        try:
            await log._run(guard)
            for anchors in anchored:
                await log._run(check_extends, anchors)
            await log._check_signed([one for anchors in anchored for one in anchors])
            await asyncio.to_thread(_sync_folder, vault_path)
        except BaseException:
            await log.close()
            raise
        return log

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()

    # Writing

    async def append(self, operation_id: str, records: Sequence[AnyRecord]) -> list[int]:
        """Add records in one transaction, durable when this returns; their sequence numbers.

        Cancelled, they are added all or none. Raises `VaultFull`, `VaultUnreachable`.
        """
        if not records:
            return []
        return await self._add(_append, operation_id, records)

    async def claim(self, operation_id: str, records: Sequence[AnyRecord]) -> frozenset[str]:
        """As `append`, but for intents about keys of which another operation has an open step:
        those are left out, and their keys returned.

        An open step is a claim on its key. This is what lets a restore that heals work beside an
        execution: never do two of them act on one object.
        """
        if not records:
            return frozenset()
        return await self._add(_claim, operation_id, records)

    async def claimed(self) -> frozenset[str]:
        """Keys of which any operation has an open step."""
        return frozenset(await self._read(reading.keys_claimed, ""))

    async def claims(self) -> dict[str, str]:
        """The operation that has an open step of a key, by key: the last where several have."""
        return await self._read(reading.claims)

    async def is_anything_open(self) -> bool:
        """Whether an operation, running or dead, has an open step or no end."""
        return await self._read(reading.is_anything_open)

    async def anchor(self, signing: Signing | None = None, *, synced: bool = True) -> int:
        """Note the log's head beside it, outside and in our own log; its record. Called when an
        operation ends, and, not `synced`, before anything is deleted on the strength of a record:
        the record is durable then, so that only a log that was cut is behind its anchor.
        `signing` is another than the log was opened with.

        Raises `VaultFull`, `VaultUnreachable`, `AnchorKeyUnusable`.
        """
        signing = signing or self._signing
        seq, head = await self.head()
        if seq:
            anchor = Anchor(seq, head.hex(), self._clock.now().astimezone(UTC))
            if signing.signs:
                anchor = await asyncio.to_thread(signing.signed, anchor)
            elif signing.is_on:
                # One that nobody signed would make the log look forged.
                warning("anchor_not_signed", seq=seq)
                return seq
            for folder, name in self._places:
                await asyncio.to_thread(add_anchor, folder, anchor, name, synced=synced)
            # What reads our log elsewhere has the head, too.
            info("anchor", seq=seq, head=anchor.hash)
        return seq

    # Checking

    async def head(self) -> tuple[int, bytes]:
        """Sequence number and hash of the last record; 0 for an empty log."""
        return await self._read(reading.head)

    async def verify(self) -> int:
        """Check the whole chain, all anchors, the open steps and the indexes; how many records.

        Reads in pages: others may append meanwhile. Raises `AuditBroken`, which names the first
        bad record, and `AuditIndexDamaged`.
        """
        # SQLite compares its indexes beside us, without Python's lock.
        checked, indexes = await asyncio.gather(
            self._verify_records(), self.check_indexes(), return_exceptions=True
        )
        if isinstance(checked, BaseException):
            raise checked
        if isinstance(indexes, BaseException):
            raise indexes
        return checked

    async def _verify_records(self) -> int:
        anchored = [await asyncio.to_thread(read_anchors, *place) for place in self._places]
        check = LogCheck(anchor for anchors in anchored for anchor in anchors)
        while not await self._read(check.page):
            pass
        await self._check_signed([one for anchors in anchored for one in anchors])
        return check.checked

    async def check_indexes(self) -> None:
        """Compare every index with the records. Raises `AuditIndexDamaged`, `VaultUnreachable`."""
        await asyncio.to_thread(check_indexes, self._file)

    async def signed_upto(self) -> int | None:
        """The last record that a trusted signature speaks of: what follows it, anybody may have
        written. None where no signature is asked for. Raises `AuditBroken`, `AnchorKeyUnusable`.
        """
        if not self._signing.is_on:
            return None
        anchored = [await asyncio.to_thread(read_anchors, *place) for place in self._places]
        return await self._check_signed([one for anchors in anchored for one in anchors])

    async def _check_signed(self, anchors: Sequence[Anchor]) -> int:
        if not self._signing.is_on:
            return 0
        upto = await asyncio.to_thread(self._signing.signed_upto, anchors)
        head, _ = await self.head()
        check_signed(upto, anchors, head)
        return upto

    # Reading

    async def entries(
        self,
        operation_id: str | None = None,
        key: str | None = None,
        kinds: Sequence[str] | None = None,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        after: int = reading.FIRST,
    ) -> AsyncIterator[list[Entry]]:
        """Records in their order, in pages; each condition that is given must hold.

        Without `newest_first` those that follow the record `after`.
        """
        start = reading.LAST if newest_first else after
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = await self._read(
                reading.page,
                operation_id=operation_id,
                key=key,
                kinds=kinds,
                newest_first=newest_first,
                start=start,
                limit=size,
            )
            if page:
                yield page
            if len(page) < size:
                return
            start = page[-1].seq
            left = None if left is None else left - len(page)

    async def rows(self, after: int, limit: int) -> list[Row]:
        """The next rows after the record `after`, as they are stored and hashed."""
        return await self._read(reading.rows_after, after, limit)

    async def last(self, kind: type[R]) -> LastRecord[R] | None:
        """The last record of a kind, such as `Bound` or `ScanRecorded`."""
        tag = str(kind.__struct_config__.tag)
        async for page in self.entries(kinds=(tag,), newest_first=True, limit=1):
            for entry in page:
                if isinstance(entry.record, kind):
                    return LastRecord(entry.at, entry.operation_id, entry.record)
        return None

    async def operations(self) -> list[Operation]:
        """All operations, oldest first."""
        return await self._operations(None)

    async def operation(self, operation_id: str) -> Operation:
        """One operation. Raises `NoSuchOperation`."""
        for operation in await self._operations(operation_id):
            return operation
        raise NoSuchOperation(f"there is no operation {operation_id}")

    async def unresolved_intents(self) -> AsyncIterator[list[Entry]]:
        """Intents to delete whose result is not recorded, in pages.

        Results may be appended while the pages are read.
        """
        async for page in self._open_steps("intent"):
            yield page

    async def unresolved_restores(self) -> AsyncIterator[list[Entry]]:
        """Intents to restore whose end is not recorded, in pages."""
        async for page in self._open_steps("restore-intent"):
            yield page

    async def intent(self, operation_id: str, key: str) -> Intent | None:
        """What an operation recorded before it deleted a key."""
        return await self._read(reading.last_intent, operation_id, key)

    async def deleted_objects(
        self,
        *,
        keys: Sequence[str] = (),
        prefix: str | None = None,
        operation_id: str | None = None,
        every_backup: bool = False,
        open_too: bool = False,
    ) -> AsyncIterator[list[DeletedObject]]:
        """Deleted objects whose backup is kept, in pages; each condition that is given must hold.

        With `every_backup` also objects that were backed up and, as far as is known, not deleted;
        with `open_too` those of them whose step is open.

        All of one key are in one page, next to each other, oldest first. Pages are in the order of
        the keys' UTF-8 bytes; with an operation alone, in that of its records.
        """
        async for of_keys in self._keys(keys, prefix, operation_id):
            states = await self._read(reading.states_of, of_keys)
            page = [
                deleted
                for key in of_keys
                for deleted in deleted_of(
                    states.get(key, ()), every_backup=every_backup, open_too=open_too
                )
                if operation_id is None or deleted.operation_id == operation_id
            ]
            if page:
                yield page

    async def backups(self, operation_id: str | None = None) -> AsyncIterator[list[BackupState]]:
        """All kept backups with what became of their objects, in pages, as they were recorded."""
        async for page in self._intents(operation_id):
            states = await self._read(reading.states_of, sorted({key for _, _, key in page}))
            wanted = {(of, key) for _, of, key in page}
            found = [s for of_key in states.values() for s in of_key]
            yield [s for s in found if (s.operation_id, s.intent.key) in wanted]

    async def left_by_deletes(self, within: timedelta) -> AsyncIterator[list[BackupState]]:
        """Backups of objects that were still there after a delete which may have been sent, by
        results recorded `within` the last time; in pages, the newest results first.
        """
        start, since = reading.LAST, self._clock.now() - within
        while page := await self._read(reading.still_there, start, PAGE):
            recent = [entry for entry in page if entry.at > since]
            results = [
                (e.operation_id, e.record.key) for e in recent if isinstance(e.record, Result)
            ]
            if found := await self._read(reading.left_by_deletes, results):
                yield found
            if len(recent) < len(page):
                return
            start = page[-1].seq

    async def backup_paths(self, operation_id: str) -> set[str]:
        """What lies in an operation's folder, relative to the vault, of recorded, not purged
        backups: its own, and those of others that use its packs again.
        """
        return {state.intent.backup.path async for state in self.backups_in(operation_id)}

    async def backups_in(self, operation_id: str) -> AsyncIterator[BackupState]:
        """The recorded, not purged backups that lie in an operation's folder, each at least once:
        its own, and those of others that use its packs again.
        """
        start, folder = reading.FIRST, place_of(operation_id, "")
        while page := await self._read(reading.intents_in_folder, operation_id, start, PAGE):
            states = await self._read(reading.states_of, sorted({key for _, key in page}))
            for state in (state for of_key in states.values() for state in of_key):
                if state.intent.backup.path.startswith(folder):
                    yield state
            start = page[-1][0]

    async def copies(self, hashes: Collection[str]) -> dict[str, list[BackupState]]:
        """Kept backups of these bytes by SHA-256 (hex), newest first: see `reading.copies_of`."""
        found: dict[str, list[BackupState]] = {}
        wanted = sorted(set(hashes))
        for start in range(0, len(wanted), PAGE):
            found |= await self._read(reading.copies_of, wanted[start : start + PAGE])
        return found

    async def removed_since_scan(self) -> int:
        """Objects that we deleted minus those that we restored since the last recorded scan."""
        return await self._read(removed_since_scan)

    async def totals(self, known: Totals) -> Totals:
        """The sums over the log as it is now, from those that are known; in short reads."""
        while (further := await self._read(carried_on, known)) is not known:
            known = further
        return known

    # What the methods above share

    async def _add(
        self,
        how: Callable[[sqlite3.Connection, str, Sequence[AnyRecord], datetime], T],
        operation_id: str,
        records: Sequence[AnyRecord],
    ) -> T:
        return await self._run(how, operation_id, list(records), self._clock.now())

    async def _run(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        try:
            return await self._store.run(function, *args, **kwargs)
        except sqlite3.Error as error:
            raise database_failure(error) from error

    async def _read(
        self,
        function: Callable[Concatenate[sqlite3.Connection, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        try:
            return await self._store.read(function, *args, **kwargs)
        except sqlite3.Error as error:
            raise database_failure(error) from error

    async def _operations(self, operation_id: str | None) -> list[Operation]:
        entries: list[Entry] = []
        async for page in self.entries(operation_id, kinds=OPERATION_KINDS):
            entries.extend(page)
        return operations_of(entries)

    async def _open_steps(self, kind: str) -> AsyncIterator[list[Entry]]:
        start = reading.FIRST
        while page := await self._read(reading.open_steps, kind, start, PAGE):
            yield page
            start = page[-1].seq

    async def _keys(
        self, keys: Sequence[str], prefix: str | None, operation_id: str | None
    ) -> AsyncIterator[list[str]]:
        """Keys that may have what `deleted_objects` looks for, in pages."""
        if keys:
            wanted = sorted({key for key in keys if key.startswith(prefix or "")})
            for start in range(0, len(wanted), PAGE):
                yield wanted[start : start + PAGE]
        elif prefix is None and operation_id is not None:
            async for page in self._intents(operation_id):
                yield [key for _, _, key in page]
        else:
            first, end = prefix or "", reading.prefix_end(prefix or "")
            while found := await self._read(reading.keys_with_intents, first, end, PAGE):
                yield found
                first = found[-1] + "\0"  # the very next key in the order of bytes

    async def _intents(self, operation_id: str | None) -> AsyncIterator[list[tuple[int, str, str]]]:
        start = reading.FIRST
        while page := await self._read(reading.intents, operation_id, start, PAGE):
            yield page
            start = page[-1][0]


def _append(
    connection: sqlite3.Connection, operation_id: str, records: Sequence[AnyRecord], at: datetime
) -> list[int]:
    seq, prev = reading.head(connection)
    rows = chained(records, operation_id, at, seq, prev)
    connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return [row.seq for row in rows]


def _claim(
    connection: sqlite3.Connection, operation_id: str, records: Sequence[AnyRecord], at: datetime
) -> frozenset[str]:
    claimed = reading.keys_claimed(connection, operation_id)
    left = {r.key for r in records if isinstance(r, _CLAIMS) and r.key in claimed}
    kept = [r for r in records if not (isinstance(r, _CLAIMS) and r.key in left)]
    if kept:
        _append(connection, operation_id, kept, at)
    return frozenset(left)


def _sync_folder(folder: Path) -> None:
    try:
        with open_folder(folder) as descriptor:
            os.fsync(descriptor)
    except OSError as error:
        raise disk_failure("syncing the vault folder", error) from error
