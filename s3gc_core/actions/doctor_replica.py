"""What the doctor says of the replica: whether it can be had, and what a disaster would leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from s3gc_core.actions.checks import Check, failed
from s3gc_core.bucket import Bucket, Versioning
from s3gc_core.clock import Clock
from s3gc_core.config import Config
from s3gc_core.errors import ReplicaAltered, S3gcError
from s3gc_core.replica import open_replica, read_note, replica_id
from s3gc_core.replica.contents import MARK
from s3gc_core.replica.store import ReplicaStore

_NAME = "replica"


async def replica_checks(
    config: Config, source: Bucket, clock: Clock, *, write_probe: bool
) -> AsyncIterator[Check]:
    """One check after the other; changes nothing, but for one small object with `write_probe`.

    That object is written once, and stays: whoever ships need not be able to delete.
    """
    if config.replica is None:
        return
    try:
        async with open_replica(config, clock) as store:
            yield await _reached(config, store)
            yield await _account(source, store.bucket)
            yield await _kept(store.bucket)
            if write_probe:
                yield await _writes(store)
    except S3gcError as error:
        yield failed(_NAME, error)


async def _reached(config: Config, store: ReplicaStore) -> Check:
    note = await asyncio.to_thread(read_note, config.vault_path, replica_id(config))
    number = await store.newest_of_all(note.number)
    if number and await store.mark() is None:
        raise ReplicaAltered(f"{MARK} is missing in the replica")
    if problem := note.problem:
        fix = "mend what it names, then run `s3gc vault replicate`"
        return Check(_NAME, False, f"the last shipment failed: {problem}", fix)
    shipped = f"{number} shipments are there" if number else "nothing was shipped to it yet"
    return Check(_NAME, True, f"{store.bucket.name} answers and lets us in; {shipped}")


async def _account(source: Bucket, replica: Bucket) -> Check:
    """A bucket of the same owner goes with its account; one with all the same marks is ours."""
    name = f"{_NAME}, account"
    ours, theirs = await source.marks(), await replica.marks()
    same_name = source.name == replica.name
    if same_name and len(ours) > 1 and ours == theirs and "created" in ours:
        fix = "name another bucket under [replica]"
        return Check(name, False, "this is the bucket that is kept clean, by another address", fix)
    if "owner" not in ours or "owner" not in theirs:
        return Check(name, True, "the stores do not tell whose the two buckets are")
    if ours["owner"] != theirs["owner"]:
        return Check(name, True, "the replica belongs to another account than the bucket")
    warning = "who may delete all of one may as a rule delete the other"
    return Check(name, True, f"warning: the same account owns bucket and replica: {warning}")


async def _kept(replica: Bucket) -> Check:
    """What would protect the replica from whoever has its credentials."""
    name = f"{_NAME}, versions"
    try:
        versioning = (await replica.versioning()).status
    except S3gcError as error:
        return Check(name, True, f"not known: {error.what}")
    lock = await replica.bucket_lock()
    if lock.default_retention:
        retained = f"Object Lock retains what is shipped ({lock.default_retention})"
        return Check(name, True, f"keeps versions, and {retained}")
    if versioning is Versioning.ENABLED:
        return Check(name, True, "keeps versions: what is lost there by a mistake can come back")
    warning = "what somebody overwrites or deletes there is lost; versioning would keep it"
    return Check(name, True, f"warning: it keeps no versions: {warning}")


async def _writes(store: ReplicaStore) -> Check:
    name = f"{_NAME}, writing"
    try:
        kept = await store.keeps_what_is_there()
    except S3gcError as error:
        return failed(name, error)
    if kept:
        return Check(name, True, "can be written, and writes over nothing that is there")
    fix = "ship to a store that honours If-None-Match: * on PUT, as S3 and SeaweedFS do"
    return Check(name, False, "its store ignores If-None-Match: shipping there is refused", fix)
