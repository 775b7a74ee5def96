"""Doctor: checks everything an operation depends on, and says how to mend what fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from s3gc_core.actions.checks import Check, failed
from s3gc_core.actions.doctor_encryption import encryption_check
from s3gc_core.actions.doctor_following import following_checks
from s3gc_core.actions.doctor_replica import replica_checks
from s3gc_core.actions.operations import make_vault_folder
from s3gc_core.bucket import Bucket, StoreCapabilities, probe_store
from s3gc_core.clock import SystemClock
from s3gc_core.config import Config, DatabaseConfig, Encryption, Images, UnsafeStore
from s3gc_core.database_url import Engine
from s3gc_core.databases import Database, open_database
from s3gc_core.errors import CodecMissing, S3gcError
from s3gc_core.judgement import CLOCK_DIFFERENCE, MINIMUM_AGE, versioning_note
from s3gc_core.local_store import refuse_network_file_system
from s3gc_core.references import table_read
from s3gc_core.vault import require_compact, require_jpegxl
from s3gc_core.vault.signing import read_key

LEAST_FREE_BYTES = 1 << 30
# What shows a user since when the transactions of others are open.
_TO_SEE = {Engine.POSTGRESQL: "pg_read_all_stats", Engine.MYSQL: "PROCESS ON *.*"}


async def examine(config: Config, *, write_probe: bool = False) -> AsyncIterator[Check]:
    """Look at everything, one check at a time; a failure does not stop the others.

    Only reads, unless `write_probe`: then a probe object is put and deleted again, and one in the
    replica, which stays.
    """
    yield _vault_folder(config)
    yield _free_space(config)
    if config.jpegxl:
        yield _jpegxl()
    if config.images is Images.COMPACT:
        yield _compact()
    if config.encryption is Encryption.AGE or config.encryption_identity_file:
        yield await encryption_check(config)
    if config.anchor_key_file:
        yield _anchor_key(config.anchor_key_file)
    async with Bucket.open(config, SystemClock()) as bucket:
        async for check in _bucket_checks(bucket, config, write_probe=write_probe):
            yield check
        async for check in replica_checks(config, bucket, SystemClock(), write_probe=write_probe):
            yield check
    if not config.databases:
        fix = "name one under [database]; without it s3gc refuses to scan"
        yield Check("database", False, "none is configured", fix)
    if not config.sources:
        fix = "name the columns that hold keys under [tables]"
        yield Check("tables", False, "none are configured", fix)
    for settings in config.databases:
        database = open_database(settings)
        async for check in _database_checks(database, config, settings):
            yield check
    async for check in following_checks(config):
        yield check


def _vault_folder(config: Config) -> Check:
    path = config.vault_path
    try:
        make_vault_folder(path)
        refuse_network_file_system(path)
    except S3gcError as error:
        return failed("vault", error)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Check("vault", False, f"{path} is not writable", f"chown it to uid {os.geteuid()}")
    if path.stat().st_mode & 0o077:
        return Check("vault", False, f"{path} is open to others", f"chmod 700 {path}")
    return Check("vault", True, f"{path} is a private folder on a local disk")


def _free_space(config: Config) -> Check:
    try:
        free = shutil.disk_usage(config.vault_path).free
    except OSError as error:
        return Check("free space", False, str(error.strerror), "create the vault folder")
    if free < LEAST_FREE_BYTES:
        fix = "free some, or move vault_path to a larger disk"
        return Check("free space", False, f"only {free} bytes are free for backups", fix)
    return Check("free space", True, f"{free} bytes are free for backups")


def _compact() -> Check:
    try:
        require_compact()
    except CodecMissing as error:
        return failed("images", error)
    return Check("images", True, "pictures may be stored LOSSY: that was acknowledged")


def _jpegxl() -> Check:
    try:
        require_jpegxl()
    except CodecMissing as error:
        return failed("jpegxl", error)
    return Check("jpegxl", True, "JPEG files can be backed up as JPEG XL, and read back")


def _anchor_key(file: str) -> Check:
    try:
        read_key(Path(file))
    except S3gcError as error:
        return failed("anchor key", error)
    return Check("anchor key", True, "anchors of the audit log can be signed")


async def _bucket_checks(
    bucket: Bucket, config: Config, *, write_probe: bool
) -> AsyncIterator[Check]:
    try:
        await bucket.check()
    except S3gcError as error:
        yield failed("bucket", error)
        return
    yield Check("bucket", True, f"{bucket.name} answers and lets us in")
    try:
        first = None
        async for page in bucket.list_pages():
            first = page[0] if page else None
            break
        async for _ in bucket.upload_pages():
            break
        yield Check("right to list", True, "the first page was listed")
        if first is not None:
            async with bucket.read(first.key, if_match=first.etag):
                pass
            await bucket.tags(first.key)
            yield Check("right to read", True, "an object and its tags can be read")
    except S3gcError as error:
        yield Check(
            "rights",
            False,
            error.what,
            "grant s3:ListBucket, s3:ListBucketMultipartUploads, s3:GetObject, s3:GetObjectTagging"
            " (and to execute and restore: s3:DeleteObject, s3:PutObject, s3:PutObjectTagging)",
        )
    yield await _versions(bucket)
    yield await _object_lock(bucket)
    difference = abs(await bucket.server_now() - SystemClock().now())
    near = difference <= CLOCK_DIFFERENCE
    fix = "" if near else "synchronise this machine's clock (NTP)"
    yield Check("clock", near, f"differs by {difference.total_seconds():.0f} s from the store", fix)
    if write_probe:
        yield _store_check(await probe_store(bucket), config.unsafe_store)


def _store_check(found: StoreCapabilities, choice: UnsafeStore) -> Check:
    if found.safe:
        return Check("store", True, "honours conditional deletes")
    detail = f"ignores conditional deletes ({found.ignored})"
    if choice is UnsafeStore.HEAD_COMPARE and found.conditional_read:
        return Check("store", True, f"{detail}; objects are deleted by {found.delete_modes}")
    fix = "execution is refused on this store (guard store-unsafe); see unsafe_store"
    return Check("store", False, detail, fix)


async def _versions(bucket: Bucket) -> Check:
    """What a delete frees here, and whether a restore may remove its marker."""
    try:
        told = await bucket.versioning()
    except S3gcError as error:
        return Check("versions", False, error.what, "grant s3:GetBucketVersioning on the bucket")
    detail = (
        versioning_note(told.status) or "the bucket keeps no versions: what is deleted is freed"
    )
    if told.mfa_delete:
        detail += (
            " MFA delete is on: a restore writes the backup, as it may not remove markers, and"
            " versions of probe and drill objects stay."
        )
    return Check("versions", True, detail)


async def _object_lock(bucket: Bucket) -> Check:
    """Whether objects may be locked here, and what a restore locks again."""
    try:
        told = await bucket.bucket_lock()
    except S3gcError as error:
        return failed("object lock", error)
    if told.enabled is None:
        missing = "s3:GetBucketObjectLockConfiguration is missing"
        return Check("object lock", True, f"{missing}: each object is asked for its lock")
    if not told.enabled:
        return Check("object lock", True, "off: no object is locked")
    detail = "on: what is under a legal hold or retained is kept"
    if told.default_retention:
        detail += f"; whatever a restore writes is locked anew ({told.default_retention})"
    return Check("object lock", True, detail)


async def _database_checks(
    database: Database, config: Config, settings: DatabaseConfig
) -> AsyncIterator[Check]:
    name = f"database {database.name}"
    try:
        await database.identity()
        async with database.snapshot() as snapshot:
            yield Check(name, True, f"{database.address} answers")
            role = await snapshot.role()
            if not role.is_primary:
                detail = f"{role.doubt} (guard not-primary)"
                mend = "" if settings.replica_ok else role.mend
                yield Check(f"{name}, role", settings.replica_ok, detail, mend)
            if role.caution:
                yield Check(f"{name}, other nodes", True, role.caution)
            for source in config.sources:
                if source.database != database.name:
                    continue
                try:
                    shape = await snapshot.describe(table_read(source))
                except S3gcError as error:
                    yield failed(source.name, error)
                else:
                    yield Check(source.name, True, f"readable; a row is known by {shape.row_id}")
        if settings.engine is not Engine.SQLITE:
            yield await _open_transactions(database, settings.engine)
    except S3gcError as error:
        yield failed(name, error)


async def _open_transactions(database: Database, engine: Engine) -> Check:
    """A scan holds every object that is younger than the oldest open transaction."""
    name = f"database {database.name}, transactions"
    since = await database.oldest_transaction()
    if since is None or datetime.now(UTC) - since < MINIMUM_AGE:
        return Check(name, True, "none is open for long")
    return Check(
        name,
        False,
        f"a transaction may be open since {since:%Y-%m-%d %H:%M:%S} UTC: nothing younger is judged",
        f"end it, also one that is prepared; if none is that old, GRANT {_TO_SEE[engine]}, so that"
        " this user sees those of others",
    )
