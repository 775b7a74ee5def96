"""Grants: what unattended runs may delete without a person looking at each plan."""

from __future__ import annotations

from fastapi import APIRouter

from s3gc_core.integrations import answering, shapes
from s3gc_core.integrations.bodies import Granting, GrantingPrefixes
from s3gc_core.integrations.looking import Id, Opened

granting = APIRouter()


@granting.get("/grants")
async def grants(door: Opened) -> list[shapes.Grant]:
    """Every grant ever made, oldest first, what was deleted under it, and how it stands."""
    return [answering.grant(one) for one in await (await door.collector()).grants()]


@granting.post("/grants", status_code=201)
async def grant(door: Opened, body: Granting) -> shapes.Grant:
    """Let unattended runs delete so much, there, for so long; whoever asks is who granted it."""
    made = await (await door.collector()).grant(
        prefixes=body.prefixes if isinstance(body, GrantingPrefixes) else (),
        everything=not isinstance(body, GrantingPrefixes),
        max_objects=body.max_objects,
        max_bytes=body.max_bytes,
        days=body.days,
        reason=body.reason,
    )
    return answering.grant(made)


@granting.post("/grants/{grant_id}/revoke")
async def revoke(door: Opened, grant_id: Id, body: shapes.Decision) -> shapes.Grant:
    """Take a grant back; an execution that it approved ends after its batch."""
    return answering.grant(
        await (await door.collector()).revoke_grant(grant_id, reason=body.reason)
    )
