"""One thing that the doctor looked at."""

from __future__ import annotations

from dataclasses import dataclass

from s3gc_core.errors import S3gcError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `fix` says how to mend it where it failed."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def failed(name: str, error: S3gcError) -> Check:
    """What could not be looked at, or is not as it has to be."""
    return Check(name, False, error.what, error.next_step)
