"""Files that a dashboard writes on request: new ones only, for their owner only."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TextIO

_TRIES = 1000


def new_file(folder: Path, name: str, suffix: str = ".jsonl") -> tuple[Path, TextIO]:
    """Create `name` + `suffix`, or with a number where that exists; never over anything.

    `name` becomes a plain file name. Raises `OSError`.
    """
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "s3gc"
    for number in range(1, _TRIES):
        path = folder / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        return path, os.fdopen(descriptor, "w", encoding="ascii")
    raise FileExistsError(f"{_TRIES} files named {stem} are there already")
