"""Backups encrypted at rest, in the age format (age-encryption.org/v1): `age -d` opens them.

pyrage, an extra, holds the interpreter's lock for as long as it works on bytes at hand, so large
backups go through its streams, in threads of their own (vault notes, section 6). Everything
streamed is bounded by the pieces that are handed over.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from s3gc_core.errors import CodecMissing, IdentityWrong, S3gcError
from s3gc_core.vault.encoding import DECODE_CHUNK, Source
from s3gc_core.vault.failures import BackupDamaged

SUFFIX = ".age"
# Up to this much is encrypted, or decrypted, in one go: a stall of a few milliseconds.
_WHOLE = 1 << 20


def age() -> Any:
    """pyrage, imported only when it is needed: it is an extra. Raises `CodecMissing`."""
    try:
        import pyrage
    except ImportError as error:
        raise CodecMissing(
            f"pyrage is not installed ({error})",
            why="backups are encrypted, or are to be, in the age format",
            next_step='pip install "s3gc[encrypt]", then run again (by hand: age -d -i KEYFILE)',
        ) from error
    return pyrage


def mark_of(recipients: Iterable[str]) -> str:
    """What backups for these recipients are marked with: `age:` and 16 hex digits."""
    ordered = "\n".join(sorted(set(recipients)))
    return "age:" + hashlib.sha256(ordered.encode()).hexdigest()[:16]


class _Abandoned(Exception):
    """Whoever gave or took the bytes has gone."""


class _HandOver:
    """Hands bytes from one thread to another, a piece at a time; either side may break it off."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._piece: bytes | memoryview | None = None
        self._ended = self._broken = False

    def put(self, piece: bytes | memoryview) -> None:
        """Hand over one piece, once the one before it was taken. Raises `_Abandoned`."""
        with self._changed:
            self._changed.wait_for(lambda: self._piece is None or self._broken)
            if self._broken:
                raise _Abandoned
            self._piece = piece
            self._changed.notify_all()

    def take(self) -> bytes | memoryview:
        """The next piece; empty at the end. Raises `_Abandoned`."""
        with self._changed:
            self._changed.wait_for(lambda: self._piece is not None or self._ended or self._broken)
            if self._broken:
                raise _Abandoned
            piece, self._piece = self._piece, None
            self._changed.notify_all()
            return piece if piece is not None else b""

    def end(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def break_off(self) -> None:
        """Whoever waits on the other side is told so."""
        with self._changed:
            self._broken = True
            self._changed.notify_all()


class _Reader:
    """A file to read from, for pyrage. It wraps what is raised here, so that is kept."""

    def __init__(self, take: Callable[[], bytes | memoryview]) -> None:
        self._take = take
        self._rest = memoryview(b"")
        self.failure: BaseException | None = None

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""
        if not self._rest:
            try:
                self._rest = memoryview(self._take())
            except BaseException as error:
                self.failure = error
                raise
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def drain(self) -> None:
        """Read all that is left."""
        while self.read(DECODE_CHUNK):
            pass


class _Writer:
    """A file to write to, for pyrage."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> int:
        """Take everything."""
        try:
            self._put(bytes(data))
        except BaseException as error:
            self.failure = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


class Sealer:
    """Encrypts what one object was encoded to, piece by piece, in bounded memory.

    `recipients` are pyrage's; each alone can open it. `mark` tells which they were.
    """

    def __init__(self, recipients: Sequence[object], mark: str) -> None:
        self.mark = mark
        self._recipients = list(recipients)
        self._held: list[bytes | memoryview] = []
        self._held_size = 0
        self._stream: _SealingStream | None = None

    def seal(self, piece: bytes | memoryview) -> list[bytes]:
        """What may be stored so far."""
        if self._stream is not None:
            return self._stream.seal(piece)
        self._held.append(piece)
        self._held_size += len(piece)
        if self._held_size <= _WHOLE:
            return []
        stream = self._stream = _SealingStream(self._recipients)
        held, self._held = self._held, []
        return [sealed for one in held for sealed in stream.seal(one)]

    def finish(self) -> list[bytes]:
        """The rest. Nothing may be sealed after it."""
        if self._stream is not None:
            return self._stream.finish()
        sealed = io.BytesIO()
        age().encrypt_io(io.BytesIO(b"".join(self._held)), sealed, self._recipients)
        self._held = []
        return [sealed.getvalue()]

    def abandon(self) -> None:
        """Give up; the thread, where there is one, ends."""
        if self._stream is not None:
            self._stream.abandon()


class _SealingStream:
    """pyrage reads by itself and we are given pieces, so it runs in a thread and waits for them."""

    def __init__(self, recipients: list[object]) -> None:
        self._pyrage = age()
        self._recipients = recipients
        self._given = _HandOver()
        self._sealed: deque[bytes] = deque()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="s3gc-seal", daemon=True)
        self._thread.start()

    def seal(self, piece: bytes | memoryview) -> list[bytes]:
        """Hand a piece over; what has become of earlier ones."""
        try:
            self._given.put(piece)
        except _Abandoned:
            raise self._failed() from self._failure
        return self._ready()

    def finish(self) -> list[bytes]:
        """Wait for the end of it."""
        self._given.end()
        self._thread.join()
        if self._failure is not None:
            raise self._failed() from self._failure
        return self._ready()

    def abandon(self) -> None:
        self._given.break_off()

    def _ready(self) -> list[bytes]:
        ready = []
        while self._sealed:
            ready.append(self._sealed.popleft())
        return ready

    def _failed(self) -> BackupDamaged:
        return BackupDamaged(f"cannot be encrypted: {self._failure or 'it was given up'}")

    def _run(self) -> None:
        writer = _Writer(self._sealed.append)
        try:
            self._pyrage.encrypt_io(_Reader(self._given.take), writer, self._recipients)
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits
            self._failure = error
        finally:
            self._given.break_off()


class Unsealed:
    """The encoded bytes of a sealed backup, for `decode`. To be closed.

    Nothing is told to be damaged before the stored bytes were read to their end, so that their hash
    is known by then. Raises, from `read`, `BackupDamaged` where they do not decrypt, and
    `IdentityWrong` where none of the identities is one they were encrypted for.
    """

    def __init__(self, source: Source, identities: Sequence[object], size: int) -> None:
        self._pyrage = age()
        self._source = source
        self._identities = list(identities)
        self._rest = memoryview(b"")
        self._opened = _HandOver()
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._plain: io.BytesIO | None = None
        self._streams = size > _WHOLE

    def read(self, size: int) -> bytes:
        """The next bytes, none at the end."""
        if self._plain is None and not self._streams:
            plain = io.BytesIO()
            self._open(plain.write)
            plain.seek(0)
            self._plain = plain
        if self._plain is not None:
            return self._plain.read(size)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="s3gc-unseal", daemon=True)
            self._thread.start()
        if not self._rest:
            self._rest = memoryview(self._opened.take())
            if not self._rest and self._failure is not None:
                raise self._failure
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    def close(self) -> None:
        """End the thread, which reads nothing more after this."""
        self._opened.break_off()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._open(self._opened.put)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that reads
            self._failure = error
        finally:
            self._opened.end()

    def _open(self, put: Callable[[bytes], Any]) -> None:
        reader, writer = _Reader(lambda: self._source.read(DECODE_CHUNK)), _Writer(put)
        wrong: S3gcError | None = None
        try:
            self._pyrage.decrypt_io(reader, writer, self._identities)
        except (OSError, self._pyrage.DecryptError, self._pyrage.EncryptError) as error:
            # What our own files raised comes out of it as something else.
            if (failure := reader.failure or writer.failure) is not None:
                raise failure from None
            wrong = BackupDamaged(f"cannot be decrypted: {error}")
            if isinstance(error, self._pyrage.DecryptError):
                # A header that was damaged says so, too; the hash of the stored bytes tells.
                wrong = IdentityWrong(f"cannot be decrypted by the identities at hand: {error}")
        reader.drain()
        if wrong is not None:
            raise wrong
