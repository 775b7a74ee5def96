"""Where a zstd frame ends, from its structure alone (RFC 8878, section 3.1.1)."""

from __future__ import annotations

from s3gc_core.vault.failures import BackupDamaged

_MAGIC = b"\x28\xb5\x2f\xfd"
_START = len(_MAGIC) + 1  # magic number and frame header descriptor
_BLOCK_HEADER = 3
_CHECKSUM = 4
_DICTIONARY_ID = (0, 1, 2, 4)
_CONTENT_SIZE = (0, 2, 4, 8)
_RLE, _RESERVED = 1, 3


class FrameEnd:
    """Follows the blocks of one frame as its bytes pass by.

    Needed because the streaming decoder takes a frame that was cut for one that has ended, and
    never looks at what comes after it.
    """

    def __init__(self) -> None:
        self._head = b""  # the part of a header that has been seen
        self._head_size = _START
        self._skip = 0  # bytes of contents until the next header
        self._begun = False
        self._last_block = False
        self._checksum = 0

    @property
    def reached(self) -> bool:
        """Whether the frame is complete."""
        return self._last_block and not self._skip

    def follow(self, data: bytes) -> None:
        """Look at the next bytes. Raises `BackupDamaged` for what is no frame, or is after it."""
        position = 0
        while position < len(data):
            if self.reached:
                raise BackupDamaged("there are bytes after the end of the zstd frame")
            if self._skip:
                step = min(self._skip, len(data) - position)
                self._skip -= step
            else:
                step = min(self._head_size - len(self._head), len(data) - position)
                self._head += data[position : position + step]
                if len(self._head) == self._head_size:
                    self._read_header()
            position += step

    def _read_header(self) -> None:
        head, self._head, self._head_size = self._head, b"", _BLOCK_HEADER
        if self._begun:
            self._begin_block(int.from_bytes(head, "little"))
        else:
            self._begin_frame(head)

    def _begin_frame(self, head: bytes) -> None:
        if not head.startswith(_MAGIC):
            raise BackupDamaged("does not begin as a zstd frame does")
        descriptor = head[-1]
        single_segment = descriptor >> 5 & 1
        size_flag = descriptor >> 6
        content_size = _CONTENT_SIZE[size_flag] if size_flag else single_segment
        window = 1 - single_segment
        self._checksum = _CHECKSUM if descriptor >> 2 & 1 else 0
        self._skip = window + _DICTIONARY_ID[descriptor & 3] + content_size
        self._begun = True

    def _begin_block(self, header: int) -> None:
        kind, size = header >> 1 & 3, header >> 3
        if kind == _RESERVED:
            raise BackupDamaged("a block of the zstd frame is of no known kind")
        self._skip = 1 if kind == _RLE else size
        if header & 1:
            self._last_block = True
            self._skip += self._checksum
