"""Worlds drawn at random: keys, tables whose cells mention them, and a bucket that holds them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st

from tests.worlds.columns import PLANS, TEMPLATES, TYPES, Plan
from tests.worlds.keys import KIN, SLIPS, keys, storable, token
from tests.worlds.model import (
    Cell,
    Column,
    Holds,
    Identity,
    Life,
    Mention,
    Row,
    Sight,
    Stored,
    Table,
    World,
)
from tests.worlds.writing_urls import OTHER_BUCKETS, RESIZER_PATTERNS

ENGINES = ("postgresql", "mysql", "sqlite")
MOST_SEVERAL = 3

# What stands in a column that holds no key; the last ones are valid as JSON too.
_NOTHING = ("n/a", "-", "none", "default", "http://", "/", "\u2014", "  ", "{}", "[]", "null", "0")
_NOTHING_JSON = _NOTHING[-4:]
_TABLES = ("posts", "Files", "order items", "select", "b\u00fccher")
_COLUMNS = ("image", "Avatar", "group", "a column", "gr\u00f6\u00dfe")

_T = TypeVar("_T")


class Draw:
    """Hypothesis' `draw`, with the shapes of choice that are needed here."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def key(self, number: int) -> str:
        """A key with the token of that number."""
        return self._draw(keys(number))

    def of(self, choices: Sequence[_T]) -> _T:
        """One of the choices; the first is the simplest."""
        return self._draw(st.sampled_from(choices))

    def between(self, low: int, high: int) -> int:
        """A whole number, the ends included."""
        return self._draw(st.integers(low, high))

    def one_in(self, times: int) -> bool:
        """True once in so many times; False is the simpler choice."""
        return self.between(1, times) == times


@dataclass(frozen=True, slots=True)
class Limits:
    """What is drawn: plans and ways by name (empty: all of them), numbers of scans, and odds."""

    plans: Collection[str] = ()
    ways: Collection[str] = ()
    scans: Sequence[int] = (1, 1, 1, 2, 3)
    templates: int = 6  # one table in so many; 0: none
    young: int = 8  # young objects in one world of so many

    def of(self, plan: Plan) -> Plan:
        """The plan with the ways that are wanted."""
        wanted = tuple(way for way in plan.ways if not self.ways or way.name in self.ways)
        return Plan(plan.name, plan.declared, wanted, plan.sight)


@dataclass(slots=True)
class _Making:
    """A world in the making: the keys that rows may mention, and what is stored besides."""

    draw: Draw
    engine: str
    plans: Sequence[Plan]
    limits: Limits
    keys: Sequence[str]
    tokens: int
    scans: int
    computed: dict[str, str] = field(default_factory=dict)

    def next_token(self) -> str:
        """A token that no key has yet."""
        self.tokens += 1
        return token(self.tokens)


@st.composite
def worlds(draw: st.DrawFn, engine: str, limits: Limits = Limits()) -> World:
    """A world on one engine. Some of its keys no row mentions, some objects are not there."""
    choose = Draw(draw)
    count = choose.between(6, 20)
    names = [choose.key(number) for number in range(1, count + 1)]
    usable = [limits.of(plan.on(engine)) for plan in PLANS]
    making = _Making(
        choose,
        engine,
        [plan for plan in usable if plan.ways and (not limits.plans or plan.name in limits.plans)],
        limits,
        names[: max(1, count * 2 // 3)],
        count,
        choose.of(limits.scans),
    )
    tables = tuple(_table(making, name) for name in _TABLES[: choose.between(1, 4)])
    objects = _objects(making, names)
    return World(engine, tables, objects, making.scans, RESIZER_PATTERNS)


def _table(making: _Making, name: str) -> Table:
    draw = making.draw
    identity = draw.of(tuple(Identity))
    soft = draw.one_in(3)
    if making.limits.templates and draw.one_in(making.limits.templates):
        return _computed_table(making, name, identity, soft)
    columns: list[tuple[Column, Plan]] = []
    for column in _COLUMNS[: draw.between(2, 4)]:
        plan = draw.of(making.plans)
        holds = draw.of(
            sorted({h for w in plan.ways for h in w.holds if h in TYPES[making.engine]})
        )
        columns.append((Column(column, holds, plan.name), plan))
    rows = tuple(
        Row(
            number,
            tuple(_cell(making, column, plan) for column, plan in columns),
            _life(making, soft),
        )
        for number in range(1, draw.between(2, 6) + 1)
    )
    sources = tuple(_source({"column": c.name, **p.declared}, soft) for c, p in columns)
    return Table(name, identity, tuple(c for c, _ in columns), sources, rows, soft)


def _source(declared: Mapping[str, object], soft: bool) -> Mapping[str, object]:
    where = {"where": "deleted_at IS NULL"} if soft else {}
    return {**declared, **where, "may_be_empty": True}


def _life(making: _Making, soft: bool) -> Life:
    if making.scans > 1:
        return making.draw.of(tuple(Life))
    return Life.GONE if soft and making.draw.one_in(4) else Life.STAYS


def _cell(making: _Making, column: Column, plan: Plan) -> Cell:
    draw = making.draw
    kind = draw.between(1, 12)
    if kind > 9:
        return _cell_without_key(making, column, kind)
    way = draw.of([way for way in plan.ways if column.holds in way.holds])
    texts: list[str] = []
    for _ in range(draw.between(1, MOST_SEVERAL) if way.several else 1):
        text = draw.of(making.keys)
        if draw.one_in(6):
            text = SLIPS[draw.of(tuple(SLIPS))](text)
        if way.fits(text) and text not in texts:
            texts.append(text)
    if not texts:
        return Cell(None)
    mentions = tuple(
        Mention(text, plan.sight if way.read is None or at < way.read else Sight.ASKED)
        for at, text in enumerate(texts)
    )
    return Cell(_as(column.holds, way.write(texts)), mentions, way.name)


def _cell_without_key(making: _Making, column: Column, kind: int) -> Cell:
    """NULL, nothing, a word that is no key, or the URL of an object of another bucket."""
    draw, holds = making.draw, column.holds
    if kind == 10:
        return Cell(None)
    if holds is Holds.ARRAY:
        return Cell(())
    if holds in (Holds.JSON, Holds.BINARY_JSON):
        return Cell(draw.of(_NOTHING_JSON))
    if kind == 11 or column.codec in ("csv", "csv, ;", "csv, |"):
        return Cell(_as(holds, draw.of(("", *_NOTHING))))
    key = draw.of(making.keys)
    url = draw.of(OTHER_BUCKETS)(key)
    return Cell(_as(holds, url), (Mention(key, Sight.IGNORED),), "URL of another bucket")


def _as(
    holds: Holds, value: str | bytes | tuple[str | None, ...] | None
) -> str | bytes | tuple[str | None, ...] | None:
    return value.encode() if holds is Holds.BYTES and isinstance(value, str) else value


def _computed_table(making: _Making, name: str, identity: Identity, soft: bool) -> Table:
    """A table whose keys a template makes from its columns; they are objects of their own."""
    draw = making.draw
    made = draw.of(TEMPLATES)
    rows = []
    for number in range(1, draw.between(1, 3) + 1):
        unique = making.next_token()
        texts = [value.replace("{t}", unique) for value in made.values.values()]
        cells = tuple(Cell(text, (Mention(text, Sight.ASKED),)) for text in texts)
        if draw.one_in(5):
            cells = (Cell(None), *cells[1:])
        whole = all(cell.value is not None for cell in cells)
        of_row = [key.replace("{t}", unique) for key in made.keys]
        for key in of_row:
            making.computed[key] = ""
        for key in made.others:
            making.computed[key.replace("{t}", unique)] = "beside a template"
        mentions = tuple(map(Mention, of_row)) if whole else ()
        rows.append(Row(number, cells, _life(making, soft), mentions))
    columns = tuple(Column(column, Holds.TEXT, "template") for column in made.values)
    source = _source({"template": made.template}, soft)
    return Table(name, identity, columns, (source,), tuple(rows), soft)


def _objects(making: _Making, names: Sequence[str]) -> tuple[Stored, ...]:
    """Most of the keys, and for some of them others that are easily taken for them."""
    draw = making.draw
    young = draw.one_in(making.limits.young)
    found = dict(making.computed)
    for key in names:
        if not draw.one_in(10):
            found[key] = ""
        for _ in range(draw.between(0, 1)):
            kin = draw.of(tuple(KIN))
            other = KIN[kin](key)
            if other not in names and storable(other):
                found.setdefault(other, kin)
    return tuple(
        Stored(key, young and draw.one_in(3), kin) for key, kin in found.items() if storable(key)
    )
