"""Why a key is left alone of which another operation has an open step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from s3gc_core.jobs import is_at_work
from s3gc_core.vault import AuditLog

# Its backup, or its object, may be another one in a moment.
CLAIMED = "another operation is deleting it or bringing it back just now"
# Of an operation that is dead: recovery could not end that step, and no time will.
LEFT_OPEN = "an earlier step cannot be looked at"


async def why_claimed(
    audit: AuditLog, vault_path: Path, keys: Collection[str], left_open: Mapping[str, str]
) -> dict[str, str]:
    """Why each of these claimed keys is left alone; `left_open` is what recovery could not look at,
    and why.
    """
    if not keys:
        return {}
    claims = await audit.claims()
    return {key: _why(vault_path, claims.get(key, ""), left_open.get(key)) for key in keys}


def _why(vault_path: Path, operation_id: str, unseen: str | None) -> str:
    # One that has just ended its step was at work.
    if not operation_id or is_at_work(vault_path, operation_id):
        return CLAIMED
    return f"{LEFT_OPEN}: {unseen}" if unseen else LEFT_OPEN
