"""Guesses templates: keys that no column spells out, but that are made of a row's columns.

Pure. A key that ends in a value, or has one as a token, becomes a template in which the value is
`{column}`; slices of the value before it (`ab/cd/abcd...`) and the row's id become fields as well.
What is guessed for enough values of a column is offered; what differs in one token only is joined.
Where the values are keys' last steps, below folders that no template can say (`3/32/{name}`, by a
hash of the name), the column is offered without a template: its keys are near misses, and held.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from s3gc_core.databases.protocol import Value
from s3gc_core.references.discovery import ColumnId
from s3gc_core.references.examining import TableSample

# A token is what stands between separators; a UUID is one, and so is each of its parts.
_TOKENS = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_PIECES = re.compile(r"([A-Za-z0-9]+)")
_SHORTEST = 4
_LONGEST = 300
# Values of a column that are looked for.
_VALUES = 300
# So many different values at least, and this share of those looked for, must fit one template: a
# kind or a format, of which there are two or three, is in many keys as well.
_VALUES_FITTING = 3
_SHARE = 0.2
# Small numbers are in many keys: a row's id counts only where most rows have their object. So do
# names below folders of any kind.
_SHARE_OF_IDS = _SHARE_OF_NAMES = 0.5
_TEMPLATES_KEPT = 2_000
_OFFERED = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value that may be a part of a key: its column, and the id of its row."""

    id: ColumnId
    value: str
    row_id: str | None
    id_column: str | None

    @property
    def column(self) -> str:
        """The column's bare name."""
        return self.id.column


@dataclass(frozen=True, slots=True)
class Guess:
    """Templates for one column: of `sought` different values, `values` name `objects` objects.

    Without templates, the values are the last steps of keys.
    """

    id: ColumnId
    templates: tuple[str, ...]
    sought: int
    values: int
    objects: int


@dataclass(slots=True)
class Guesses:
    """Looks for the values of one or many tables in the keys of a listing."""

    _by_value: dict[str, list[Wanted]] = field(default_factory=dict)
    _sought: defaultdict[ColumnId, set[str]] = field(default_factory=lambda: defaultdict(set))
    _ids: set[ColumnId] = field(default_factory=set)
    _fitting: dict[ColumnId, dict[str, set[str]]] = field(default_factory=dict)

    def want(self, sample: TableSample, columns: Collection[str]) -> None:
        """Look for the values of some columns, and for the rows' ids, from now on."""
        for wanted in _wanted(sample, columns):
            if _worth_looking_for(wanted):
                self._by_value.setdefault(wanted.value, []).append(wanted)
                self._sought[wanted.id].add(wanted.value)
                if wanted.column == wanted.id_column:
                    self._ids.add(wanted.id)

    def look(self, keys: Iterable[str]) -> None:
        """Look at a page of the listing."""
        if not self._by_value:
            return
        for key in keys:
            for part in _parts(key) & self._by_value.keys():
                for wanted in self._by_value[part]:
                    templates = self._fitting.setdefault(wanted.id, {})
                    template = template_of(key, wanted)
                    if template in templates or len(templates) < _TEMPLATES_KEPT:
                        templates.setdefault(template, set()).add(wanted.value)

    def found(self) -> list[Guess]:
        """By column: the templates that enough of its values fit."""
        return [
            guess
            for column, templates in self._fitting.items()
            if (guess := self._guess(column, templates))
        ]

    def _guess(self, column: ColumnId, templates: Mapping[str, set[str]]) -> Guess | None:
        sought = len(self._sought[column])
        share = _SHARE_OF_IDS if column in self._ids else _SHARE
        least = max(_VALUES_FITTING, share * sought)
        fitting = {t: values for t, values in templates.items() if len(values) >= least}
        best = sorted(fitting, key=lambda t: (-len(fitting[t]), len(t), t))[:_OFFERED]
        if not best:
            return self._guess_names(column, templates)
        values = frozenset[str]().union(*(fitting[t] for t in best))
        objects = sum(len(fitting[t]) for t in best)
        return Guess(column, tuple(joined(best)), sought, len(values), objects)

    def _guess_names(self, column: ColumnId, templates: Mapping[str, set[str]]) -> Guess | None:
        sought = len(self._sought[column])
        below = [found for t, found in templates.items() if t.endswith(f"/{{{column.column}}}")]
        names = {value for found in below for value in found if "." in value}
        if len(names) < max(_VALUES_FITTING, _SHARE_OF_NAMES * sought):
            return None
        return Guess(column, (), sought, len(names), sum(map(len, below)))


def _wanted(sample: TableSample, columns: Collection[str]) -> Iterator[Wanted]:
    id_column = sample.id_column
    places = [(place, c) for place, c in enumerate(sample.columns) if c in columns]
    for row in sample.rows[:_VALUES]:
        row_id = str(row.id) if id_column is not None else None
        if id_column is not None and row_id is not None:
            yield Wanted(sample.id_of(id_column), row_id, row_id, id_column)
        for place, column in places:
            value = _strict_text(row.values[place])
            if value and column != id_column:
                yield Wanted(sample.id_of(column), value, row_id, id_column)


def _strict_text(value: Value) -> str:
    """The value as text; nothing where it is none."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return ""
    return value or ""


def _worth_looking_for(wanted: Wanted) -> bool:
    value = wanted.value
    if wanted.column == wanted.id_column:
        return value.isalnum() or "-" in value or "." in value
    # A name may have spaces in it; without a dot, they make a sentence.
    is_name = "." in value or not any(c.isspace() for c in value)
    return _SHORTEST <= len(value) <= _LONGEST and is_name


def _parts(key: str) -> set[str]:
    """Everything in a key that may be a column's value: its path suffixes, and its tokens."""
    parts = {key}
    rest = key
    while "/" in rest:
        rest = rest.partition("/")[2]
        parts.add(rest)
    name = key.rpartition("/")[2]
    parts.add(name.rpartition(".")[0])
    for token in _TOKENS.findall(key):
        parts.add(token)
        if "-" in token:
            parts.update(token.split("-"))
    parts.discard("")
    return parts


def template_of(key: str, wanted: Wanted) -> str:
    """`key` with the wanted value, its leading slices and the row's id turned into fields."""
    before, _, after = _cut(key, wanted.value)
    column = f"{{{wanted.column}}}"
    return _head(before, wanted) + column + _escaped(after)


def _cut(key: str, value: str) -> tuple[str, str, str]:
    """Around the last occurrence that no letter or digit touches; the very end comes first."""
    if key.endswith(value):
        return key[: -len(value)], value, ""
    for match in reversed(list(re.finditer(re.escape(value), key))):
        left, right = key[: match.start()], key[match.end() :]
        if not left[-1:].isalnum() and not right[:1].isalnum():
            return left, value, right
    return key.rpartition(value)


def _head(text: str, wanted: Wanted) -> str:
    """What stands before the value: slices of it in their order (shards), and the row's id."""
    done, position = "", 0
    for piece in _PIECES.split(text):
        end = position + len(piece)
        is_word = piece.isalnum()
        if is_word and len(piece) <= 4 and wanted.value[position:end] == piece:
            done += f"{{{wanted.column}[{position}:{end}]}}"
            position = end
        elif is_word and piece == wanted.row_id and wanted.column != wanted.id_column:
            done += f"{{{wanted.id_column}}}"
        else:
            done += _escaped(piece)
    return done


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def joined(templates: Sequence[str]) -> list[str]:
    """Templates that differ in one word only become one, with that word's alternatives.

    `t/{id}_200.webp` and `t/{id}_400.webp` are `t/{id}_{200,400}.webp`.
    """
    waiting = list(dict.fromkeys(templates))
    result: list[str] = []
    while waiting:
        first = waiting.pop(0)
        groups = [group for group in _alternatives(first, waiting) if len(group[1]) > 1]
        if not groups:
            result.append(first)
            continue
        pieces, words, place = max(groups, key=lambda group: len(group[1]))
        used = {"".join([*pieces[:place], word, *pieces[place + 1 :]]) for word in words}
        waiting = [template for template in waiting if template not in used]
        braces = "{" + ",".join(sorted(words)) + "}"
        result.append("".join([*pieces[:place], braces, *pieces[place + 1 :]]))
    return result


_FIELDS_AND_WORDS = re.compile(r"(\{[^{}]+\}|[A-Za-z0-9]+)")


def _alternatives(first: str, others: Sequence[str]) -> Iterator[tuple[list[str], list[str], int]]:
    """By place: the pieces of `first`, and the words that stand there in it and in `others`."""
    pieces = _FIELDS_AND_WORDS.split(first)
    for place in range(1, len(pieces), 2):
        if pieces[place].startswith("{"):
            continue
        words = [pieces[place]]
        for other in others:
            theirs = _FIELDS_AND_WORDS.split(other)
            if (
                len(theirs) == len(pieces)
                and not theirs[place].startswith("{")
                and theirs[:place] == pieces[:place]
                and theirs[place + 1 :] == pieces[place + 1 :]
            ):
                words.append(theirs[place])
        yield pieces, words, place
