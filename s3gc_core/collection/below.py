"""Files below one folder, reached without following a link at any step; none is ever replaced."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from s3gc_core.errors import VaultUnreachable

# A file on its way. It bears its key's hash, so the next restore finds and removes it.
PART = ".s3gc-part-"
# Something is where a file or a folder has to be; a link, too (ELOOP).
IN_THE_WAY = (FileExistsError, NotADirectoryError, IsADirectoryError)
# A file system without hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class Found(Enum):
    """What is at a name."""

    NOTHING = "nothing"
    THE_SAME = "the same"
    ANOTHER = "another"


class Below:
    """For threads: every method blocks. Raises `VaultUnreachable`, and `IN_THE_WAY`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self, name: str, size: int, sha256: str) -> Found:
        """Whether a file of these bytes is there; what an interrupted restore left there is not."""
        with self._parent(name) as (folder, last):
            with suppress(FileNotFoundError):
                os.unlink(_part(name), dir_fd=folder)
            try:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                descriptor = os.open(last, flags, dir_fd=folder)
            except FileNotFoundError:
                return Found.NOTHING
            except OSError as error:
                # A link, a socket, or not for us to read: it stays.
                if error.errno in (errno.ELOOP, errno.ENXIO, errno.EACCES):
                    return Found.ANOTHER
                raise
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                    return Found.ANOTHER
                same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
            return Found.THE_SAME if same else Found.ANOTHER

    def begin(self, name: str) -> int:
        """Open a new file beside `name`, for its owner only. `publish` or `drop` has to follow."""
        with self._parent(name) as (folder, _):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            return os.open(_part(name), flags, 0o600, dir_fd=folder)

    def publish(self, name: str) -> None:
        """Give the file its name, whole as it is; raises `IN_THE_WAY` if that is taken by now."""
        with self._parent(name) as (folder, last):
            part = _part(name)
            try:
                os.link(part, last, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
                os.unlink(part, dir_fd=folder)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # The name is taken first, so that what is replaced is our own empty file.
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
                os.close(os.open(last, flags, 0o600, dir_fd=folder))
                os.rename(part, last, src_dir_fd=folder, dst_dir_fd=folder)

    def drop(self, name: str) -> None:
        """Remove the file that was begun and not published."""
        with self._parent(name) as (folder, _), suppress(FileNotFoundError):
            os.unlink(_part(name), dir_fd=folder)

    @contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        """The folder that `name` lies in, made where it is missing, and its last part."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise VaultUnreachable(f"cannot open {self._path}: {error.strerror}") from error
        try:
            *parents, last = name.split("/")
            for part in parents:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=folder)
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder, last
        except OSError as error:
            if isinstance(error, IN_THE_WAY):
                raise
            raise VaultUnreachable(f"cannot write below {self._path}: {error.strerror}") from error
        finally:
            os.close(folder)


def _part(name: str) -> str:
    return PART + hashlib.sha256(name.encode()).hexdigest()[:32]
