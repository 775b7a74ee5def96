"""What a filled application looks like from outside: its database, its files, and the truth."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from s3gc_core.database_url import Engine

Columns = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Application:
    """A real application with a database of its own making and the files it keeps.

    The truth (`holds`, `computed`, `mentions`, `unreferenced`) comes from the application's own
    models and from what was asked of it, never from s3gc. Columns are named `table.column`.
    """

    name: str
    database_url: str
    files: Mapping[str, bytes]  # key -> content, as a bucket would hold them
    holds: Columns  # the keys each column spells out: the whole key, a part of it, or its base name
    computed: Columns  # keys that follow from a column (hashed folders, thumbnails), not spelled
    mentions: Columns  # base names in titles, logs and the like, by which no file is read
    unreferenced: frozenset[str]  # the keys of files no row stands for

    def __post_init__(self) -> None:
        stands_for = frozenset[str]().union(*self.holds.values(), *self.computed.values())
        spoken_of = stands_for.union(*self.mentions.values())
        if stray := spoken_of - self.files.keys():
            raise ValueError(f"{self.name}: the truth names files that are not there: {stray}")
        if (rest := self.files.keys() - stands_for) != self.unreferenced:
            raise ValueError(f"{self.name}: not as abandoned: {rest ^ self.unreferenced}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One application to choose: `await fill(database_url, folder, cache)`.

    The database must be empty and of one of `engines`; `folder` takes the media files and is the
    caller's to remove; `cache` keeps what is installed for the next time. `spelled`: whether keys
    follow from what columns hold; where they do not, nothing can find all of them.
    """

    name: str
    engines: tuple[Engine, ...]
    fill: Callable[[str, Path, Path], Awaitable[Application]]
    spelled: bool = True


def read_application(
    name: str, database_url: str, media: Path, prefix: str, truth: Path
) -> Application:
    """Take up what was filled: the files below `media` and the truth its filling wrote down.

    Keys are the paths below `media` after `prefix`; the truth's keys have no prefix. `truth` is
    JSON: `{"holds": {column: [key]}, "computed": ..., "mentions": ..., "abandoned": [key]}`.

    Raises ValueError when the truth and the files do not agree.
    """

    def columns(found: dict[str, list[str]]) -> Columns:
        return {
            column: frozenset(prefix + key for key in keys)
            for column, keys in found.items()
            if keys
        }

    told = json.loads(truth.read_bytes())
    return Application(
        name=name,
        database_url=database_url,
        files={
            prefix + path.relative_to(media).as_posix(): path.read_bytes()
            for path in sorted(media.rglob("*"))
            if path.is_file()
        },
        holds=columns(told["holds"]),
        computed=columns(told["computed"]),
        mentions=columns(told["mentions"]),
        unreferenced=frozenset(prefix + key for key in told["abandoned"]),
    )
