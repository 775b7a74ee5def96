"""Files that no record knows, out of the way of what tidies the vault: nothing here removes them.

After a rebuild they may be the only copies of objects whose records were never shipped.
"""

from __future__ import annotations

import os
from pathlib import Path

from s3gc_core.vault.failures import disk_failure
from s3gc_core.vault.places import BACKUPS, make_folder, open_folder

FOUND = "found-by-rebuild"


def unknown_folders(vault: Path, known: set[str]) -> list[str]:
    """Folders of backups that belong to no operation of the log. Raises `VaultUnreachable`."""
    try:
        with os.scandir(vault / BACKUPS) as found:
            return sorted(e.name for e in found if e.name not in known and _is_folder(e))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_failure("looking through the backups", error) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def set_aside(vault: Path, path: str) -> str:
    """Move a file, or an operation's folder, below `backups` to the same place below `FOUND`,
    durably; where it lies then. Never over anything. Paths are relative to the vault.

    Raises `VaultFull`, `VaultUnreachable`.
    """
    parts = path.split("/")[1:]
    try:
        with open_folder(vault) as top:
            make_folder(top, FOUND)
        for depth in range(1, len(parts)):
            with open_folder(vault, FOUND, *parts[: depth - 1]) as above:
                make_folder(above, parts[depth - 1])
        with (
            open_folder(vault, BACKUPS, *parts[:-1]) as source,
            open_folder(vault, FOUND, *parts[:-1]) as target,
        ):
            name = _free_name(target, parts[-1])
            os.rename(parts[-1], name, src_dir_fd=source, dst_dir_fd=target)
            os.fsync(target)
            os.fsync(source)
    except OSError as error:
        raise disk_failure(f"setting {path} aside", error) from error
    return "/".join((FOUND, *parts[:-1], name))


def _free_name(folder: int, name: str) -> str:
    taken = set(os.listdir(folder))
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}.{number}"
    return free
