"""Writing one backup: codec from the first bytes, hashes on the way, a `.part` until settled.

A small one touches no disk: it is held in memory until it is settled into a pack.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from s3gc_core.bucket.objects import ObjectHeaders
from s3gc_core.vault import jpegxl as jxl
from s3gc_core.vault.compact import Compact, compacted
from s3gc_core.vault.compact_rules import WhyExact, may_be_compact
from s3gc_core.vault.encoding import (
    PROBE_BYTES,
    Encoder,
    StoredCodec,
    choose_codec,
    most_as_compact,
    most_as_jpegxl,
)
from s3gc_core.vault.failures import BackupDamaged, BackupNotDurable, disk_failure
from s3gc_core.vault.names import backup_name
from s3gc_core.vault.packs import HeldBackup
from s3gc_core.vault.places import PART, create_file, operation_folder, place_of, write_all
from s3gc_core.vault.records import COMPACT, Fidelity, StoredBackup
from s3gc_core.vault.sealing import Sealer

T = TypeVar("T")


class BackupWriter:
    """Writes one object's backup. Made by `BackupFiles.open_writer`.

    `write` and `close` encode and touch the disk: call them in threads, one after the other.
    `abandon` may be called from anywhere at any time, also while a thread is inside the others,
    as happens when the task that waits for it is cancelled.
    """

    def __init__(
        self,
        vault: Path,
        operation_id: str,
        key: str,
        level: int,
        size: int | None,
        headers: ObjectHeaders | None,
        packed_below: int,
        *,
        jpegxl: bool = False,
        compact: bool = False,
        sealer: Sealer | None = None,
    ) -> None:
        self._vault = vault
        self._headers = headers
        self._packed_below = packed_below
        self._held: list[bytes | memoryview] = []  # until it is too much for a pack
        self._operation_id = operation_id
        self._key = key
        self._level = level
        self._size = size
        self._first: list[bytes] = []  # until there is enough of it to choose a codec
        self._first_size = 0
        self._encoder: Encoder | None = None
        self._descriptor = -1
        self._codec = "raw"
        self._streamed: StoredCodec | None = None  # until it is chosen
        self._jpegxl = jpegxl
        self._compact = compact
        self._sealer = sealer
        self._copy: Compact | None = None  # where it is stored LOSSY
        self._waits_for_the_whole = False  # for what takes all of it to encode
        self._name = ""
        self._raw_size = self._stored_size = 0
        self._raw_sha256, self._stored_sha256 = hashlib.sha256(), hashlib.sha256()
        self._encoding_seconds = 0.0
        self._lock = threading.Lock()
        self._abandoned = self._ended = False

    @property
    def encodes(self) -> bool:
        """Whether what is written from now on goes through an encoder, which takes megabytes.

        Not of an object under `PROBE_BYTES`: `close` chooses, and encodes it in one go.
        """
        return self._codec == "zstd"

    @property
    def encoding_seconds(self) -> float:
        """Processor time spent inside the encoder so far."""
        return self._encoding_seconds

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the object.

        Raises `VaultFull` or `VaultUnreachable`; nothing is left on disk then.
        """
        self._guarded(lambda: self._take(chunk))

    def close(self) -> StoredBackup:
        """End the file, still under its temporary name and not yet durable: `settle` does both.

        Of a small one a `HeldBackup`, whose path is that of its operation until it is settled.

        Raises as `write` does, and `BackupDamaged` where the object had another size than said.
        """
        self._guarded(self._end)
        codec, level = self._codec, self._level if self._codec == "zstd" else 0
        fidelity: Fidelity = "lossy" if self._copy else "exact"
        width, height = (self._copy.width, self._copy.height) if self._copy else (0, 0)
        copy_size, copy_sha256 = 0, ""
        if self._copy and self._sealer:
            # What is stored no longer tells what it decrypts to.
            copy_size = len(self._copy.data)
            copy_sha256 = hashlib.sha256(self._copy.data).hexdigest()
        if not self._name:
            data, self._held = b"".join(self._held), []
            return HeldBackup(
                path=self._operation_id,
                codec=codec,
                raw_size=self._raw_size,
                raw_sha256=self._raw_sha256.hexdigest(),
                stored_size=self._stored_size,
                stored_sha256=self._stored_sha256.hexdigest(),
                level=level,
                fidelity=fidelity,
                width=width,
                height=height,
                sealed=self._sealer.mark if self._sealer else "",
                copy_size=copy_size,
                copy_sha256=copy_sha256,
                key=self._key,
                data=data,
                headers=self._headers,
            )
        return StoredBackup(
            path=place_of(self._operation_id, self._name),
            codec=codec,
            raw_size=self._raw_size,
            raw_sha256=self._raw_sha256.hexdigest(),
            stored_size=self._stored_size,
            stored_sha256=self._stored_sha256.hexdigest(),
            level=level,
            fidelity=fidelity,
            width=width,
            height=height,
            sealed=self._sealer.mark if self._sealer else "",
            copy_size=copy_size,
            copy_sha256=copy_sha256,
        )

    def abandon(self) -> None:
        """Give up and remove the file. Never waits: a thread that writes does it as it leaves."""
        self._abandoned = True
        self._discard_if_free()

    def _guarded(self, step: Callable[[], None]) -> None:
        if self._ended or self._abandoned:
            raise RuntimeError("this backup's writer has ended")
        try:
            with self._lock:
                step()
        except FileExistsError as error:
            # Not ours: an earlier backup of the same key in this operation stays as it is.
            self._name = ""
            raise BackupNotDurable(f"a file of this name is already there: {error}") from error
        except OSError as error:
            self.abandon()
            raise disk_failure("writing a backup", error) from error
        except BaseException:
            self.abandon()
            raise
        finally:
            if self._abandoned:
                self._discard_if_free()

    def _take(self, chunk: bytes) -> None:
        self._raw_size += len(chunk)
        if self._size is not None and self._raw_size > self._size:
            raise BackupDamaged(f"more than the {self._size} bytes of the object arrived")
        self._raw_sha256.update(chunk)
        if self._streamed:
            self._store(self._encoder or self._begin(), chunk)
            return
        self._first.append(chunk)
        self._first_size += len(chunk)
        if self._first_size >= PROBE_BYTES and not self._waits_for_the_whole:
            self._look(b"".join(self._first))

    def _look(self, head: bytes) -> None:
        """Choose the codec; what may become another picture is collected to its end first."""
        self._waits_for_the_whole = (self._jpegxl and jxl.may_transcode(head, self._size)) or (
            self._compact and may_be_compact(head, self._size)
        )
        if not self._waits_for_the_whole and self._choose(head) == "raw":
            self._begin()

    def _choose(self, head: bytes) -> StoredCodec:
        codec = self._codec = self._streamed = choose_codec(head)
        return codec

    def _begin(self) -> Encoder:
        """Make the encoder: only now, for whoever writes may have to wait for its memory."""
        head = b"".join(self._first)
        self._first.clear()
        codec = self._streamed or self._choose(head)
        encoder = self._encoder = Encoder(codec, self._level, self._size)
        if not self._packed_below:
            self._open_file()
        self._store(encoder, head)
        return encoder

    def _open_file(self) -> None:
        """From here on the backup is a file of its own."""
        self._name = backup_name(self._key, self._codec, sealed=self._sealer is not None)
        with operation_folder(self._vault, self._operation_id) as folder:
            self._descriptor = create_file(folder, self._name + PART)
        for piece in self._held:
            write_all(self._descriptor, piece)
        self._held.clear()

    def _store(self, encoder: Encoder, data: bytes) -> None:
        pieces = encoder.encode(data)
        while (piece := self._timed(lambda: next(pieces, None))) is not None:
            self._put(piece)

    def _timed(self, encode: Callable[[], T]) -> T:
        # Of this thread, not of the clock: waiting for the interpreter's lock is no encoding.
        began = time.thread_time()
        encoded = encode()
        self._encoding_seconds += time.thread_time() - began
        return encoded

    def _put(self, piece: bytes | memoryview) -> None:
        """Store what came out of the encoder, encrypted where that is asked for."""
        if self._sealer is None:
            self._keep(piece)
            return
        for sealed in self._sealer.seal(piece):
            self._keep(sealed)

    def _keep(self, piece: bytes | memoryview) -> None:
        self._stored_sha256.update(piece)
        self._stored_size += len(piece)
        if self._descriptor >= 0:
            write_all(self._descriptor, piece)
            return
        self._held.append(piece)
        if self._stored_size >= self._packed_below:
            self._open_file()

    def _end(self) -> None:
        if self._size is not None and self._raw_size != self._size:
            raise BackupDamaged(f"{self._raw_size} of the object's {self._size} bytes arrived")
        if not self._end_as_compact() and not self._end_as_jpegxl():
            encoder = self._encoder or self._begin()
            self._put(self._timed(encoder.finish))
        for piece in self._sealer.finish() if self._sealer else ():
            self._keep(piece)
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
        self._ended = True

    def _end_as_jpegxl(self) -> bool:
        """Whether it was stored as JPEG XL: a JPEG, given back exactly by it, and smaller."""
        if self._streamed or not self._jpegxl:
            return False
        jpeg = b"".join(self._first)
        if not jxl.may_transcode(jpeg, self._size):
            return False
        if (encoded := jxl.transcoded(jpeg, most_as_jpegxl(jpeg))) is None:
            return False
        self._end_as(jxl.CODEC, encoded)
        return True

    def _end_as_compact(self) -> bool:
        """Whether it was stored LOSSY: a picture that may be, and much smaller."""
        if self._streamed or not self._compact:
            return False
        picture = b"".join(self._first)
        if not may_be_compact(picture, self._size):
            return False
        copy = compacted(picture, most_as_compact(picture))
        if isinstance(copy, WhyExact):
            return False
        self._copy = copy
        self._end_as(COMPACT, copy.data)
        return True

    def _end_as(self, codec: str, encoded: bytes) -> None:
        self._first.clear()
        self._codec = codec
        if not self._packed_below:
            self._open_file()
        for piece in Encoder("raw", self._level, len(encoded)).encode(encoded):
            self._put(piece)

    def _discard_if_free(self) -> None:
        if not self._lock.acquire(blocking=False):
            return  # the thread that holds it comes here when it leaves
        try:
            if self._sealer:
                self._sealer.abandon()
            # What cannot be removed stays as a stray, which recovery finds again.
            with suppress(OSError):
                if self._descriptor >= 0:
                    descriptor, self._descriptor = self._descriptor, -1
                    os.close(descriptor)
            with suppress(OSError):
                if self._name:
                    with operation_folder(self._vault, self._operation_id) as folder:
                        os.unlink(self._name + PART, dir_fd=folder)
        finally:
            self._lock.release()
