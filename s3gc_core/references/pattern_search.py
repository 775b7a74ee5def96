"""Searches values for many keys at once, in every form in which these may be written. Pure.

All keys are found in one pass over a text, at the speed at which a database gives it.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from s3gc_core.databases.protocol import Lines, Page, RowId, Value
from s3gc_core.references.codecs import BucketNames
from s3gc_core.references.discovery import ColumnId
from s3gc_core.references.foreign_urls import is_elsewhere
from s3gc_core.references.form_finder import FormFinder
from s3gc_core.references.spellings import key_hashes
from s3gc_core.references.token_borders import MentionKind, kind_of
from s3gc_core.references.undone_escapes import copies, escaped_places
from s3gc_core.references.written_forms import ESCAPES, SLASHES, escaped_forms, is_odd, sought_forms

_BORDER = re.compile(b"\0")
# Beginnings of keys that are the end of an escaped slash, right behind a percent sign.
_ENDS_OF_SLASHES = ("2F", "2f", "F", "f")
_ANY_SLASH = re.compile(b"|".join(map(re.escape, SLASHES)))
# Bytes searched at once. Bounds the matches of a key that is one letter; only where one holds what
# may be a key is its place looked for.
_CHUNK = 1 << 14
# Characters that are searched in less time than two threads lose by taking turns.
_QUICK = 1 << 20
# Where a line holds what is escaped; and of how many lines one may be so, before all are read.
_ESCAPE = re.compile(rb"\\[^N]")
_NULL = b"\\N"
_LINE_END = re.compile(b"\n")
_LINES_PER_ESCAPE = 4
# Places told of one key, of each kind.
PLACES_TOLD = 10
# Bytes told on each side of a key.
_AROUND = 24


class Mention(msgspec.Struct, frozen=True):
    """A place that holds the key with this hash: a row's column. `text` is what stands there, or
    what is meant by it where it is escaped in a way that no list of forms has.
    """

    hash: int
    kind: MentionKind
    place: str
    row: RowId
    text: str


class KeySearch:
    """Looks for `keys` in columns; at most `PLACES_TOLD` mentions a key and kind are told.

    Not for several threads at a time.
    """

    def __init__(self, keys: Sequence[str], names: BucketNames | None = None) -> None:
        """With the bucket's `names`, keys in URLs that name another bucket are passed over."""
        self._keys = keys
        self._names = names
        self.hashes = key_hashes(keys)
        self._told: Counter[tuple[int, MentionKind]] = Counter()
        together = "".join(keys)
        self._plain = (
            FormFinder(list(map(str.encode, keys)), range(len(keys)))
            if together.isascii() and "\0" not in together  # the same, in a third of the time
            else _finder(enumerate(keys), sought_forms)
        )
        # Of most keys nothing but the slash is ever escaped; the others are looked for beside them,
        # from the first text on that has an escape.
        any_odd = is_odd(together)
        self._odd = [(n, key) for n, key in enumerate(keys) if is_odd(key)] if any_odd else []
        # Where slashes are no longer escaped these may be gone, or changed.
        self._needs_raw = bool(self._odd) or any(key.startswith(_ENDS_OF_SLASHES) for key in keys)
        self._escaped: FormFinder | None = None
        # Only of a space is a plus sign a form.
        self._spaces = " " in together

    def is_quick(self, part: Page | Lines) -> bool:
        """Whether `part_mentions` takes some milliseconds, in which no other thread runs anyway."""
        return part.size <= _QUICK and not self._plain.lets_others_run and not self._odd

    def part_mentions(self, columns: Sequence[ColumnId], part: Page | Lines) -> list[Mention]:
        """Where rows, read of these columns, hold keys."""
        if isinstance(part, Page):
            return self.page_mentions(columns, part)
        # Of most lines no row is made.
        lines = self._lines_to_read(part.data)
        return self.page_mentions(columns, part.page(lines)) if lines else []

    def _lines_to_read(self, data: bytes) -> bytes:
        """Every line of `protocol.Lines` whose row may hold a key; others may be among them."""
        if len(data) > _QUICK:
            return data  # of a row so long, the looks would take more memory than it does
        starts: set[int] = set()
        # Where there is none, that is told ten times as fast as how many there are.
        if b"\\" in data and (escapes := data.count(b"\\") - data.count(_NULL)):
            if escapes * _LINES_PER_ESCAPE > data.count(b"\n"):
                return data
            starts |= _line_starts(data, data, [found.start() for found in _ESCAPE.finditer(data)])
        places = list(escaped_places(data, spaces=self._spaces, backslashes=False))
        if places and len(places) * _LINES_PER_ESCAPE > data.count(b"\n"):
            return data
        starts |= _line_starts(data, data, places)
        for text, finder in self._looks(data):
            hints = finder.hints(text)
            if hints is None:
                return data
            starts |= _line_starts(data, text, hints)
        return b"".join([data[start : data.index(b"\n", start) + 1] for start in sorted(starts)])

    def _looks(self, raw: bytes) -> Iterator[tuple[bytes, FormFinder]]:
        """What is searched, and for which forms."""
        if self._plain.sees_through and not self._odd:
            yield raw, self._plain
            return
        with_slashes = _with_slashes(raw)
        yield with_slashes, self._plain
        if self._needs_raw and with_slashes != raw:
            yield raw, self._plain
        if self._odd and any(escape in raw for escape in ESCAPES):
            yield raw, self._escaped_finder()

    def page_mentions(self, columns: Sequence[ColumnId], page: Page) -> list[Mention]:
        """Where a page, read of these columns, holds keys."""
        return [
            mention
            for column, values in zip(columns, page.columns, strict=True)
            for mention in self.mentions(column, page.ids, values)
        ]

    def mentions(
        self, column: ColumnId, ids: Sequence[RowId], values: Sequence[Value]
    ) -> list[Mention]:
        """Where the values of a column hold keys; a row is told once for each kind."""
        size = sum(map(len, filter(None, values)))
        rows = max(1, len(values) * _CHUNK // max(size, 1))
        found: dict[tuple[int, MentionKind, int], bytes] = {}
        for start in range(0, len(values) if size else 0, rows):
            self._search(_buffer(values[start : start + rows]), start, found)
        place = str(column)
        return [
            Mention(self.hashes[number], kind, place, ids[row], _told(text))
            for (number, kind, row), text in found.items()
        ]

    def _search(
        self, raw: bytes, first: int, found: dict[tuple[int, MentionKind, int], bytes]
    ) -> None:
        """Add to `found` what the rows from `first` on hold, by number of the key, kind and row."""
        with_slashes = _with_slashes(raw)
        self._search_one(with_slashes, raw, self._plain, first, found)
        if self._needs_raw and with_slashes != raw:
            self._search_one(raw, raw, self._plain, first, found)
        if self._odd and any(escape in raw for escape in ESCAPES):
            self._search_one(raw, raw, self._escaped_finder(), first, found)
        if any(True for _ in escaped_places(raw, spaces=self._spaces)):
            for copy in copies(raw, spaces=self._spaces):
                if copy != with_slashes:
                    self._search_one(copy, copy, self._plain, first, found)

    def _escaped_finder(self) -> FormFinder:
        if self._escaped is None:
            self._escaped = _finder(self._odd, escaped_forms)
        return self._escaped

    def _search_one(
        self,
        buffer: bytes,
        raw: bytes,
        finder: FormFinder,
        first: int,
        found: dict[tuple[int, MentionKind, int], bytes],
    ) -> None:
        starts: list[int] = []
        for number, start, end in finder.find(buffer):
            # A key that many rows hold need not be looked at any more.
            if self._told[number, MentionKind.WHOLE] >= PLACES_TOLD:
                continue
            kind = kind_of(buffer, start, end, self._keys[number])
            if self._told[number, kind] >= PLACES_TOLD:
                continue
            if self._names is not None and is_elsewhere(buffer, start, end, self._names):
                continue
            starts = starts or [border.end() for border in _BORDER.finditer(buffer)]
            row = bisect_right(starts, start) - 1
            if (number, kind, first + row) not in found:
                self._told[number, kind] += 1
                text = raw.split(b"\0", row + 2)[row + 1]
                span = (start - starts[row], end - starts[row])
                if buffer is not raw:
                    span = (_in_raw(text, span[0]), _in_raw(text, span[1]))
                found[number, kind, first + row] = text[
                    max(0, span[0] - _AROUND) : span[1] + _AROUND
                ]


def _finder(
    keys: Iterable[tuple[int, str]], forms_of: Callable[[str], Iterable[str | bytes]]
) -> FormFinder:
    forms = [(form, number) for number, key in keys for form in forms_of(key)]
    patterns = [_bytes(form).replace(b"\0", b"\n") for form, _ in forms]
    return FormFinder(patterns, [number for _, number in forms])


def _with_slashes(raw: bytes) -> bytes:
    for escape in SLASHES:
        # One byte is looked for ten times as fast as several.
        if escape[:1] in raw:
            raw = raw.replace(escape, b"/")
    return raw


def _line_starts(data: bytes, text: bytes, places: Sequence[int]) -> set[int]:
    """Where in `data` the lines begin that have these places in `text`: the same lines, maybe with
    slashes in another form, of which none has a line break.
    """
    if text is data or not places:
        return {data.rfind(b"\n", 0, place) + 1 for place in places}
    ends = [end.start() for end in _LINE_END.finditer(text)]
    starts = [0, *(end.end() for end in _LINE_END.finditer(data))]
    return {starts[bisect_left(ends, place)] for place in places}


def _buffer(values: Sequence[Value]) -> bytes:
    """The values in one, with a border around each that is nowhere else."""
    texts = [value or "" for value in values]
    try:
        buffer = "\0".join(["", *texts, ""]).encode()  # type: ignore[list-item]
        if buffer.count(b"\0") == len(texts) + 1:
            return buffer
    except (TypeError, UnicodeEncodeError):
        pass  # there are bytes, or what is no Unicode: each value by itself
    return b"\0".join([b"", *(_bytes(text).replace(b"\0", b"\n") for text in texts), b""])


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _in_raw(raw: bytes, place: int) -> int:
    """Where in a text the place is that has this number once its slashes are no longer escaped."""
    for escape in _ANY_SLASH.finditer(raw):
        if escape.start() >= place:
            break
        place += len(escape[0]) - 1
    return place


def _told(text: bytes) -> str:
    """As text, without the half of a character at either end."""
    return text.decode("utf-8", "replace").strip("\ufffd")
