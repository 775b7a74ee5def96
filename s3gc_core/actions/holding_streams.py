"""Who may read the change streams of a vault: one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from s3gc_core.errors import VaultBusy
from s3gc_core.ids import new_id
from s3gc_core.jobs import FOLLOWER_FILE, actor, vault_lease


def streams_held(vault_path: Path, what: str) -> AbstractContextManager[None]:
    """Hold the vault's change streams for `what`. Raises `VaultBusy` where another process does."""
    return vault_lease(vault_path, new_id(), what, actor(), file=FOLLOWER_FILE)


@contextmanager
def hold_streams_if_free(vault_path: Path, what: str) -> Iterator[bool]:
    """Hold the vault's change streams if nobody else does; gives whether they are ours."""
    with ExitStack() as stack:
        try:
            stack.enter_context(streams_held(vault_path, what))
            is_ours = True
        except VaultBusy:
            is_ours = False
        # Out here an error of the body is not said to come of the vault's being held.
        yield is_ours
