"""What is marked: ids of one snapshot, a bit each; a million marks take 125 kB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Marks:
    """Marked orphans of one snapshot, with their count and their bytes.

    A mark is an id, never a place on the screen. `prefixes` says the same in short while it can:
    then exactly the orphans below those prefixes are marked, and nothing else.
    """

    __slots__ = ("_base", "_bits", "bytes", "count", "prefixes")

    def __init__(self, base: int = 1) -> None:
        self._base = base
        self._bits = bytearray()
        self.count = 0
        self.bytes = 0
        self.prefixes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __contains__(self, id_: int) -> bool:
        at, bit = divmod(id_ - self._base, 8)
        return 0 <= at < len(self._bits) and bool(self._bits[at] >> bit & 1)

    def __iter__(self) -> Iterator[int]:
        for at, byte in enumerate(self._bits):
            if byte:
                for bit in range(8):
                    if byte >> bit & 1:
                        yield self._base + at * 8 + bit

    def add(self, rows: Iterable[tuple[int, int]]) -> None:
        """Mark orphans, given as (id, size in bytes)."""
        for id_, size in rows:
            if id_ not in self:
                at, bit = self._place(id_)
                self._bits[at] |= 1 << bit
                self.count += 1
                self.bytes += size
                self.prefixes = ()

    def remove(self, rows: Iterable[tuple[int, int]]) -> None:
        """Take marks away."""
        for id_, size in rows:
            if id_ in self:
                at, bit = self._place(id_)
                self._bits[at] &= ~(1 << bit)
                self.count -= 1
                self.bytes -= size
                self.prefixes = ()

    def add_prefix(self, prefix: str, *, to: Marks) -> None:
        """Say that these are the marks `to` and exactly the orphans below a prefix."""
        if not to or to.prefixes:
            self.prefixes = (*to.prefixes, prefix)

    def copy(self) -> Marks:
        """The same marks, apart."""
        other = Marks(self._base)
        other._bits = bytearray(self._bits)
        other.count, other.bytes, other.prefixes = self.count, self.bytes, self.prefixes
        return other

    def covers(self, prefix: str) -> bool:
        """Whether all below a prefix was marked as such."""
        return any(prefix.startswith(whole) for whole in self.prefixes)

    def _place(self, id_: int) -> tuple[int, int]:
        at, bit = divmod(id_ - self._base, 8)
        if at < 0:
            raise ValueError("an id from before the snapshot")
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1 - len(self._bits)))
        return at, bit
