"""Which columns hold keys of the bucket: what a sample of their values says. Pure functions.

A column's values are read with every codec, and the keys found are looked up in the bucket's
listing. The codec that finds the most objects wins; among equals the narrowest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.databases.protocol import Value
from s3gc_core.references.codecs import BucketNames, keys_of_row
from s3gc_core.references.spellings import key_hash

# From narrow to broad: what finds as much as a broader one says more about the column.
CODECS = (
    Codec.KEY,
    Codec.URL,
    Codec.JSON,
    Codec.ARRAY,
    Codec.CSV,
    Codec.TEXT,
    Codec.AUTO,
)
_MARKS = re.compile(r"[<>{}()\[\]]")
_SEPARATORS = re.compile(r"[,;|\t]")
# These read what has not their form as free text; without the form they would say nothing.
_FORMS: Mapping[Codec, Callable[[str], bool]] = {
    Codec.JSON: lambda text: text[:1] + text[-1:] in ("[]", "{}", '""'),
    Codec.ARRAY: lambda text: text[:1] + text[-1:] == "{}",
    Codec.CSV: lambda text: not _MARKS.search(text) and bool(_SEPARATORS.search(text)),
}
# A narrower codec may miss this share of what a broader one finds: stray values are no reason.
_AS_GOOD = 0.98
_SAMPLES = 3
_SAMPLE_CHARACTERS = 200
# A value without dot and slash is a key by chance, unless it is this long or many of them are.
_LONG = 16
_BY_CHANCE = 0.05

# A URL's query may be a signature, and before its host a password may stand.
_SECRETS = re.compile(r"(\?|//)(?:(?<=\?)[^\s\"'<>]+|[^\s/@\"'<>]*:[^\s/@\"'<>]*(?=@))")

# The hashes of the keys in each value, by codec.
Reading = Mapping[Codec, Sequence[frozenset[int]]]


class ColumnId(msgspec.Struct, frozen=True, order=True):
    """A column of an application database, by the table's one canonical name."""

    database: str
    table: str
    column: str

    def __str__(self) -> str:
        """`database:table.column`, as sources are named."""
        return f"{self.database}:{self.table}.{self.column}"


class Finding(msgspec.Struct, frozen=True):
    """What was seen in a column when it was last looked at. Times are UTC.

    `table` is the name to configure; `rows` the table's size as its database estimates it (None:
    not known), `sampled` how many were read, `values` how many of those hold something, `resolved`
    how many of these hold a key of the bucket. `objects` counts the different objects named, and
    `explained` estimates their share of all, scaled up from the sample. `codec` or `templates` say
    how to read the column; neither, where it names no object. `patterns`: the URL patterns that it
    takes as well. `problem`: why it could not be read.
    """

    id: ColumnId
    table: str
    type: str
    examined_at: datetime
    rows: int | None = None
    sampled: int = 0
    values: int = 0
    resolved: int = 0
    objects: int = 0
    explained: float = 0.0
    codec: Codec | None = None
    templates: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    problem: str = ""

    @property
    def share(self) -> float:
        """Share of the values that hold a key of the bucket."""
        return self.resolved / self.values if self.values else 0.0

    @property
    def holds_keys(self) -> bool:
        """Whether the column names objects of the bucket."""
        return self.resolved > 0


class Score(msgspec.Struct, frozen=True):
    """How far one codec explains a column. `resolved` are positions of values."""

    codec: Codec
    resolved: tuple[int, ...]
    objects: frozenset[int]


def read_values(
    values: Sequence[Value], names: BucketNames, codecs: Iterable[Codec] = CODECS
) -> Reading:
    """The hashes of the keys in each of a column's values, with each codec whose form it has."""
    sources = {
        codec: SourceConfig("sample", ("value",), codec)
        for codec in codecs
        if _has_form(values, codec)
    }
    return {
        codec: [
            frozenset(key_hash(key) for key in keys_of_row(source, (value,), names))
            for value in values
        ]
        for codec, source in sources.items()
    }


def hashes_of(reading: Reading) -> set[int]:
    """Every hash that has to be looked up."""
    return {h for values in reading.values() for hashes in values for h in hashes}


def best_codec(values: Sequence[Value], reading: Reading, listed: set[int]) -> Score | None:
    """The codec that finds most objects; None where none finds any, unless by chance.

    `listed` are the hashes that objects of the bucket have.
    """
    scores = [
        Score(
            codec,
            tuple(place for place, hashes in enumerate(found) if not listed.isdisjoint(hashes)),
            frozenset(h for hashes in found for h in hashes & listed),
        )
        for codec, found in reading.items()
    ]
    most = max((len(score.objects) for score in scores), default=0)
    for score in scores:
        if score.objects and len(score.objects) >= _AS_GOOD * most:
            return score if not _by_chance(values, score) else None
    return None


def _has_form(values: Sequence[Value], codec: Codec) -> bool:
    """Whether most values look like what the codec is for."""
    form = _FORMS.get(codec)
    if form is None:
        return True
    return 2 * sum(form(text_of(value).strip()) for value in values) > len(values)


def text_of(value: Value) -> str:
    """The value as text, whatever its bytes; for looking at it, never for naming a key."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""


def _by_chance(values: Sequence[Value], score: Score) -> bool:
    """Whether only short bare words were found, and few of them: `draft` may be a key as well."""
    if len(score.resolved) > _BY_CHANCE * len(values):
        return False
    return not any(_is_keylike(values[place]) for place in score.resolved)


def _is_keylike(value: Value) -> bool:
    text = shown_value(value)
    return "." in text or "/" in text or len(text) >= _LONG


def shown_value(value: Value) -> str:
    """A value for people, cut to what fits a line or two, without what may be a secret in URLs."""
    if isinstance(value, bytes):
        value = value[: _SAMPLE_CHARACTERS * 4].decode("utf-8", "backslashreplace")
    return _SECRETS.sub(r"\1...", (value or "")[: _SAMPLE_CHARACTERS * 4])[:_SAMPLE_CHARACTERS]


def explained_share(objects: int, sampled: int, rows: int | None, listed: int) -> float:
    """The share of the bucket's objects that a column explains, scaled up from its sample."""
    if not listed or not sampled:
        return 0.0
    scale = max(1.0, (rows or 0) / sampled)
    return min(1.0, objects * scale / listed)


def samples_of(values: Sequence[Value], places: Sequence[int]) -> tuple[str, ...]:
    """A few values that name objects, for people."""
    return tuple(shown_value(values[place]) for place in places[:_SAMPLES])


def ranked(findings: Iterable[Finding]) -> list[Finding]:
    """Columns that hold keys, those that explain most of the bucket first."""
    return sorted(
        (finding for finding in findings if finding.holds_keys),
        key=lambda finding: (-finding.explained, -finding.share, finding.id),
    )
