"""What columns there are: how each is declared to s3gc, and how its values are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.worlds.model import Holds, Sight
from tests.worlds.writing import (
    ARRAY,
    AT_JSON_PATH,
    JSON,
    JSON_PATH,
    KEY,
    NAMED_PATTERN,
    NUMBERED_PATTERN,
    REGEX_NAMED,
    REGEX_NUMBERED,
    Way,
    csv_ways,
)
from tests.worlds.writing_text import SERIALISED, TEXT
from tests.worlds.writing_urls import RAW_URL, RESIZER, URL


@dataclass(frozen=True, slots=True)
class Plan:
    """A column to be: what the configuration says besides its name, and its ways of writing.

    `sight` is who sees the keys: with a codec that does not fit, only the wide search.
    """

    name: str
    declared: Mapping[str, object]
    ways: tuple[Way, ...]
    sight: Sight = Sight.READ

    def on(self, engine: str) -> Plan:
        """The same without the ways that an engine has no column type for."""
        ways = tuple(way for way in self.ways if set(way.holds) & set(TYPES[engine]))
        return replace(self, ways=ways)


_URL = (*URL, *RESIZER, *RAW_URL)
_TEXT = (*TEXT, *SERIALISED)
# Every codec, and some columns that are declared with a codec that does not fit.
PLANS: tuple[Plan, ...] = (
    Plan("key", {"codec": "key"}, KEY),
    Plan("url", {"codec": "url"}, _URL),
    Plan("json", {"codec": "json"}, JSON),
    Plan("json with a path", {"codec": "json", "path": JSON_PATH}, AT_JSON_PATH),
    Plan("text", {"codec": "text"}, (*_TEXT, *URL)),
    Plan("array", {"codec": "array"}, ARRAY),
    Plan("csv", {"codec": "csv"}, csv_ways(",")),
    Plan("csv, ;", {"codec": "csv", "separator": ";"}, csv_ways(";")),
    Plan("csv, |", {"codec": "csv", "separator": "|"}, csv_ways("|")),
    Plan("regex", {"codec": "regex", "pattern": NAMED_PATTERN}, REGEX_NAMED),
    Plan("regex by number", {"codec": "regex", "pattern": NUMBERED_PATTERN}, REGEX_NUMBERED),
    Plan("auto", {}, (*KEY, *_URL, *JSON, *_TEXT, *ARRAY)),
    Plan("auto, named", {"codec": "auto"}, (*KEY, *_URL)),
    Plan("key, wrongly", {"codec": "key"}, (*_URL[:12], *JSON[2:6]), Sight.ASKED),
    Plan("url, wrongly", {"codec": "url"}, (KEY[0], *KEY[4:6]), Sight.ASKED),
    Plan(
        "regex, wrongly",
        {"codec": "regex", "pattern": "never(.+)here"},
        (KEY[0], KEY[4], *JSON[:4], *_URL[:4]),
        Sight.ASKED,
    ),
)

# Types of the columns, by engine.
TYPES: dict[str, dict[Holds, str]] = {
    "postgresql": {
        Holds.TEXT: "text",
        Holds.VARCHAR: "varchar",
        Holds.JSON: "json",
        Holds.BINARY_JSON: "jsonb",
        Holds.BYTES: "bytea",
        Holds.ARRAY: "text[]",
    },
    "mysql": {
        Holds.TEXT: "longtext",
        Holds.VARCHAR: "text",
        Holds.JSON: "json",
        Holds.BINARY_JSON: "json",
        Holds.BYTES: "longblob",
    },
    "sqlite": {
        Holds.TEXT: "TEXT",
        Holds.VARCHAR: "VARCHAR(10)",
        Holds.JSON: "JSON",
        Holds.BINARY_JSON: "TEXT",
        Holds.BYTES: "BLOB",
    },
}


@dataclass(frozen=True, slots=True)
class Template:
    """A template, the values of its columns in a row (`{n}` is a token), and what they give."""

    template: str
    values: Mapping[str, str]
    keys: tuple[str, ...]
    # Keys that look as if the template made them, and are not its.
    others: tuple[str, ...] = ()


TEMPLATES: tuple[Template, ...] = (
    Template("up/{a}/{b}", {"a": "al bum", "b": "{t}.jpg"}, ("up/al bum/{t}.jpg",)),
    Template(
        "thumbs/{a}_{200,400,800}.webp",
        {"a": "{t}"},
        ("thumbs/{t}_200.webp", "thumbs/{t}_400.webp", "thumbs/{t}_800.webp"),
        ("thumbs/{t}_1600.webp", "thumbs/{t}_20.webp", "thumbs/{t}.webp"),
    ),
    Template(
        "files/{a[0:2]}/{a[2:4]}/{a}",
        {"a": "c0ffee{t}"},
        ("files/c0/ff/c0ffee{t}",),
        ("files/c0/fe/c0ffee{t}", "files/c0/ff/c0ffee{t}x"),
    ),
    Template("{a:.2}/{a}.{b}", {"a": "fe{t}", "b": "png"}, ("fe/fe{t}.png",), ("f/fe{t}.png",)),
    Template("%/{a}", {"a": "50% off+{t}.gif"}, ("%/50% off+{t}.gif",)),
)
