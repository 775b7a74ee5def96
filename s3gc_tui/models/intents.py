"""What a dashboard may ask for, as values; each is also a command line that a script could run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3gc_core.collection import Selection


@dataclass(frozen=True, slots=True)
class ScanIntent:
    """List, read the references, judge, make a plan. Changes nothing in the bucket."""

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        return ["scan"]


@dataclass(frozen=True, slots=True)
class ApproveIntent:
    """Approve a plan, or the part of it with these prefixes and keys."""

    plan_id: str
    reason: str
    prefixes: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        chosen = [f"--prefix={prefix}" for prefix in self.prefixes]
        chosen += [f"--key={key}" for key in self.keys]
        return ["plan", "approve", self.plan_id, *chosen, f"--reason={self.reason}"]


@dataclass(frozen=True, slots=True)
class RejectIntent:
    """Reject a plan for good."""

    plan_id: str
    reason: str

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        return ["plan", "reject", self.plan_id, f"--reason={self.reason}"]


@dataclass(frozen=True, slots=True)
class ExecuteIntent:
    """Back up and delete what an approved plan holds. `confirm` is what a person typed."""

    plan_id: str
    confirm: str

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        return ["execute", "--plan", self.plan_id, "--confirm", self.confirm]


@dataclass(frozen=True, slots=True)
class RestoreIntent:
    """Bring deleted objects back; only with `overwrite` over newer ones, and those that were
    stored LOSSY only with `accept_lossy`.
    """

    selection: Selection
    overwrite: bool = False
    accept_lossy: bool = False

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        selection = self.selection
        chosen = [f"--key={key}" for key in selection.keys]
        if selection.prefix is not None:
            chosen.append(f"--prefix={selection.prefix}")
        if selection.operation_id is not None:
            chosen += ["--operation", selection.operation_id]
        if selection.as_of is not None:
            chosen += ["--as-of", selection.as_of.isoformat()]
        chosen += ["--overwrite"] if self.overwrite else []
        chosen += ["--accept-lossy"] if self.accept_lossy else []
        return ["restore", *chosen]


@dataclass(frozen=True, slots=True)
class ClearIntent:
    """Say that the unknown columns of a name, `database:table[.column]`, hold no keys."""

    name: str
    reason: str

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        return ["references", "clear", f"--reason={self.reason}", "--", self.name]


@dataclass(frozen=True, slots=True)
class ReopenIntent:
    """Take the clearance of columns back."""

    name: str
    reason: str

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        return ["references", "reopen", f"--reason={self.reason}", "--", self.name]


@dataclass(frozen=True, slots=True)
class FollowIntent:
    """Follow the databases until it is ended; with `reload` begin anew and read all of them."""

    reload: bool = False

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        return ["follow", *(["--reload"] if self.reload else [])]


@dataclass(frozen=True, slots=True)
class StopFollowingIntent:
    """End the process that follows; what the servers keep for it stays."""

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        return ["follow", "--stop"]


@dataclass(frozen=True, slots=True)
class RevokeIntent:
    """Take a grant back."""

    grant_id: str
    reason: str

    def arguments(self) -> list[str]:
        """The sub-command and its options."""
        return ["grant", "revoke", self.grant_id, f"--reason={self.reason}"]


ColumnIntent = ClearIntent | ReopenIntent
StreamIntent = FollowIntent | StopFollowingIntent
Intent = (
    ScanIntent
    | ApproveIntent
    | RejectIntent
    | ExecuteIntent
    | RestoreIntent
    | ColumnIntent
    | StreamIntent
    | RevokeIntent
)


def batch_line(shown: Sequence[str], intent: Intent) -> str:
    """The command line that does the same, quoted for a shell. `shown` names the configuration."""
    return shlex.join([*shown, "--batch", *intent.arguments()])
