"""Whose bucket it is: nothing is concluded from one that is not the vault's own."""

from __future__ import annotations

from s3gc_core import log
from s3gc_core.bucket import Bucket
from s3gc_core.judgement import Identity, Tripped, identity, identity_bound
from s3gc_core.vault import AuditLog


async def unlike_bound(bucket: Bucket, audit: AuditLog, *, may_be_anew: bool) -> list[Tripped]:
    """How the bucket differs from the one that the vault is bound to; empty where it does not, or
    where none is bound yet.

    Where it `may_be_anew` it may have been lost and made once more: only its place is compared.
    """
    bound = await identity_bound(audit)
    if bound is None:
        return []
    marks = {} if may_be_anew else await bucket.marks()
    return identity(bound, Identity(await bucket.identity(), bound.databases, marks))


async def may_conclude(bucket: Bucket, audit: AuditLog, *, may_be_anew: bool) -> bool:
    """Whether what the bucket says of an object may be recorded. To be asked after `check`: of a
    bucket that is gone each HEAD says that its object is.
    """
    tripped = await unlike_bound(bucket, audit, may_be_anew=may_be_anew)
    if tripped:
        log.warning("recovery_pending", what="; ".join(trip.reason for trip in tripped))
    return not tripped
