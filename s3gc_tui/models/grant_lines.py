"""Grants as lines: what unattended runs may delete, how much of it is left, and who said so.

Prefixes, names and reasons are not ours: all of it is cleaned here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from s3gc_core.judgement import GrantState
from s3gc_tui.display import column, count, counted, fit, size, when
from s3gc_tui.models.lines import BLANK, Line, Look, Piece, dim, line, strong, wrapped
from s3gc_tui.safe_text import safe_text

if TYPE_CHECKING:
    from s3gc_core.actions.granting import GrantStanding

_LOOKS = {GrantState.VALID: Look.GOOD, GrantState.REVOKED: Look.DIM}
_NONE = (
    "No grant was ever made: unattended runs delete only what a person approved. One is made with"
    " `s3gc grant create --prefix P --max-objects N --max-bytes B --days D --reason TEXT`."
)
_REVOKED = (
    "Revoked, it covers nothing any more: no run approves a plan by it, and an execution under it"
    " ends after its batch. What was deleted stays deleted, and can be restored. It is not given"
    " back: a new grant has to be made."
)
EVERYTHING = "everything"


def head_lines(standings: Sequence[GrantStanding] | None, width: int) -> list[Line]:
    """How many there are, and what the columns of the list are."""
    if standings is None:
        told = dim("reading the audit log ...")
    else:
        valid = sum(one.state is GrantState.VALID for one in standings)
        told = Piece(fit(f"{counted(len(standings), 'grant')}, {count(valid)} valid", width - 10))
    titles = f" {'GRANT':<7} {'STATE':<10} {'OBJECTS USED':<19} {'UNTIL (UTC)':<17} SCOPE"
    return [line(strong(" GRANTS"), Piece("  "), told), line(dim(titles))]


def rows(standings: Sequence[GrantStanding], width: int) -> list[Line]:
    """One line a grant, newest first."""
    return [_row(one, width) for one in reversed(standings)]


def state_word(standing: GrantStanding) -> str:
    """How it stands, in a word: `valid`, `revoked`, `expired`, `used-up`."""
    return standing.state.removeprefix("grant-")


def scope_of(standing: GrantStanding) -> str:
    """The prefixes, cleaned."""
    return safe_text(" ".join(standing.grant.prefixes)) or EVERYTHING


def _row(standing: GrantStanding, width: int) -> Line:
    grant, used = standing.grant, standing.used
    objects = f"{count(used.objects)} of {count(grant.max_objects)}"
    return line(
        f" {grant.grant_id[-6:]:<7} ",
        Piece(f"{column(state_word(standing), 10)} ", _LOOKS.get(standing.state, Look.WARN)),
        f"{column(objects, 19)} {column(when(grant.expires_at), 17)} ",
        fit(scope_of(standing), max(1, width - 58)),
        id=grant.grant_id,
    )


def about_lines(standing: GrantStanding | None, width: int) -> list[Line]:
    """Everything about the grant under the cursor."""
    if standing is None:
        return wrapped(_NONE, width, Look.PLAIN)
    grant, used = standing.grant, standing.used
    left = f"{size(used.bytes)} of {size(grant.max_bytes)}"
    return [
        line(strong(f" {grant.grant_id}"), f"  {state_word(standing)}"),
        *wrapped(f"scope    {scope_of(standing)}", width, Look.PLAIN),
        *wrapped(f"bytes    {left} were deleted under it", width, Look.PLAIN),
        *wrapped(f"granted  {when(grant.granted_at)} UTC by {grant.actor}", width, Look.PLAIN),
        *wrapped(f"reason   {grant.reason}", width, Look.PLAIN),
    ]


def revoking_lines(standing: GrantStanding, reason: str, width: int) -> list[Line]:
    """What revoking means, before a person says so."""
    lines = [line(strong(" REVOKE A GRANT")), *wrapped(_REVOKED, width, Look.PLAIN)]
    if reason:
        lines += wrapped(f"reason: {reason}", width, Look.PLAIN)
    return [*lines, BLANK, *about_lines(standing, width)]
