"""What panes show: lines of pieces of text, each with a look. No markup, no terminal codes.

Text from outside goes through `safe_text` before it is measured or cut; whoever draws a line lets
nothing by that a terminal would act on, whether that was done or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rich.cells import cell_len

from s3gc_core.errors import S3gcError
from s3gc_tui.display import wrap
from s3gc_tui.safe_text import printable


class Look(StrEnum):
    """How a piece of text stands out. Never the only sign of a state: that is a word."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text in one look."""

    text: str
    look: Look = Look.PLAIN


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a pane. `id` names what the cursor is on there; None cannot be chosen."""

    pieces: tuple[Piece, ...] = ()
    id: str | None = None

    @property
    def text(self) -> str:
        """The line without its looks, not cleaned."""
        return "".join(piece.text for piece in self.pieces)


def line(*pieces: str | Piece, id: str | None = None) -> Line:
    """A line; text without a look is plain."""
    return Line(tuple(Piece(p) if isinstance(p, str) else p for p in pieces), id)


def dim(text: str) -> Piece:
    """Less important text."""
    return Piece(text, Look.DIM)


def strong(text: str) -> Piece:
    """A title, or what the eye should find."""
    return Piece(text, Look.STRONG)


def good(text: str) -> Piece:
    """All is well."""
    return Piece(text, Look.GOOD)


def warn(text: str) -> Piece:
    """Worth a look."""
    return Piece(text, Look.WARN)


def bad(text: str) -> Piece:
    """Something failed, or will."""
    return Piece(text, Look.BAD)


BLANK = Line()


def wrapped(text: str, width: int, look: Look) -> list[Line]:
    """Text from outside, cleaned, in as many lines as it needs."""
    return [line(Piece(f" {part}", look)) for part in wrap(text, width - 2)]


def error_lines(error: S3gcError, width: int) -> list[Line]:
    """What went wrong, why that matters, and what to do."""
    return [
        *wrapped(error.what, width, Look.BAD),
        *wrapped(f"why:  {error.why}", width, Look.PLAIN),
        *wrapped(f"next: {error.next_step}", width, Look.PLAIN),
    ]


def changed_cells(old: Line, new: Line) -> tuple[int, int] | None:
    """From which cell to which (excluded) two lines differ; None where that cannot be told for
    sure. The end is that of the longer line where they are not equally long.
    """
    if not (_plain(old) and _plain(new)):
        return None
    before, after = _looks(old), _looks(new)
    start = _alike(before, after)
    if len(before) != len(after):
        return start, max(len(before), len(after))
    return start, len(after) - _alike(before[start:][::-1], after[start:][::-1])


def _plain(one: Line) -> bool:
    # A cell for each character: what is combined, wide or escaped later makes cells uncertain.
    text = one.text
    return printable(text) == text and all(cell_len(character) == 1 for character in text)


def _alike(one: list[tuple[str, Look]], other: list[tuple[str, Look]]) -> int:
    """How many cells from the start are the same."""
    differing = (n for n, (old, new) in enumerate(zip(one, other, strict=False)) if old != new)
    return next(differing, min(len(one), len(other)))


def _looks(one: Line) -> list[tuple[str, Look]]:
    return [(character, piece.look) for piece in one.pieces for character in piece.text]


def plain_text(lines: Iterable[Line]) -> str:
    """The lines as text, not cleaned."""
    return "\n".join(one.text.rstrip() for one in lines)
