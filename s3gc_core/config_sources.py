"""From what was written under `database` and `tables` to databases and sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from s3gc_core import config_rules as rules
from s3gc_core.config import MAX_KEPT_BYTES, CdcOver, Codec, DatabaseConfig, SourceConfig
from s3gc_core.config_codecs import read_options
from s3gc_core.config_rules import Findings, Where
from s3gc_core.database_url import DatabaseUrl, Engine

_DATABASE_NAMES = tuple(field.name for field in fields(DatabaseConfig))
_SOURCE_NAMES = (
    *("column", "template", "codec", "where", "database", "may_be_empty"),
    *("path", "pattern", "separator"),
)


@dataclass(frozen=True, slots=True)
class _Written:
    """One database as written: its settings, and where each of them stands."""

    values: dict[str, object]
    places: dict[str, Where]
    base: Where

    def place(self, name: str) -> Where:
        return self.places.get(name, (*self.base, name))


def read_databases(
    settings: Mapping[str, object], findings: Findings
) -> tuple[tuple[DatabaseConfig, ...], tuple[str, ...]]:
    """The databases that are usable, and the names of all that are written.

    `settings` may hold `database` or `databases` (a URL, a table, or several of them),
    `cdc_backend`, `cdc_over` and `cdc_connection_url`.
    """
    written = _collect(settings, findings)
    _add_connection_url(settings.get("cdc_connection_url"), written, findings)
    for setting in ("cdc_backend", "cdc_over"):
        _add_to_one(setting, settings.get(setting), written, findings)
    databases: list[DatabaseConfig] = []
    names: list[str] = []
    for entry in written:
        name = entry.values.get("name", "main")
        if name in names:
            findings.add(entry.place("name"), name, "a name that no other database has")
        database = _database(entry, findings)
        names.append(database.name)
        if database.url:
            databases.append(database)
    return tuple(databases), tuple(names)


def _collect(settings: Mapping[str, object], findings: Findings) -> list[_Written]:
    given = [name for name in ("database", "databases") if settings.get(name) is not None]
    if len(given) == 2:
        findings.add(("databases",), None, "only one of the two", said="given besides database")
    written: list[_Written] = []
    for name in given:
        value = settings[name]
        several = isinstance(value, Sequence) and not isinstance(value, (str, bytes))
        entries = list(value) if isinstance(value, Sequence) and several else [value]
        for number, entry in enumerate(entries):
            base: Where = (name, number) if several else (name,)
            values = _values(entry)
            if values is None:
                findings.add(base, entry, "a database URL, or a table with url, name, cdc")
                continue
            places = {"url": base} if isinstance(entry, str) else {}
            written.append(_Written(values, places, base))
    return written


def _values(entry: object) -> dict[str, object] | None:
    match entry:
        case str():
            return {"url": entry}
        case DatabaseConfig():
            values: dict[str, object] = {"url": entry.url, "name": entry.name}
            if entry.cdc:
                values |= {"cdc": True, "cdc_backend": entry.cdc_backend}
            elif entry.cdc_backend is not None:
                values |= {"cdc": False, "cdc_backend": entry.cdc_backend}
            if entry.replica_ok:
                values["replica_ok"] = True
            if entry.cdc_over is not CdcOver.REPLICATION:
                values["cdc_over"] = entry.cdc_over
            if entry.max_kept_bytes != MAX_KEPT_BYTES:
                values["max_kept_bytes"] = entry.max_kept_bytes
            return values
        case Mapping():
            return {str(name): value for name, value in entry.items()}
        case _:
            return None


def _add_connection_url(url: object, written: list[_Written], findings: Findings) -> None:
    """`cdc_connection_url` is the database's URL where no other is given."""
    where: Where = ("cdc_connection_url",)
    if url is None:
        return
    if not written:
        written.append(_Written({"url": url, "cdc": True}, {"url": where}, ("database",)))
    elif len(written) == 1 and written[0].values.get("url") == url:
        written[0].values.setdefault("cdc", True)
    else:
        allowed = "left out, or the same URL as the one database that is given"
        findings.add(where, url, allowed, said="another URL")


def _add_to_one(setting: str, value: object, written: list[_Written], findings: Findings) -> None:
    """A setting that stands by itself is that of the one database."""
    where: Where = (setting,)
    if value is None:
        return
    if len(written) == 1:
        written[0].values[setting] = value
        written[0].places[setting] = where
    elif written:
        findings.add(where, value, "left out; with several databases, each has its own")
    else:
        findings.add(where, value, "left out, or given together with a database URL")


def _database(entry: _Written, findings: Findings) -> DatabaseConfig:
    """The database; with an empty URL where the one written is not usable."""
    for name in entry.values:
        if name not in _DATABASE_NAMES:
            findings.unknown((*entry.base, name), _DATABASE_NAMES)
    url = findings.take(entry.place("url"), rules.database_url, entry.values.get("url"), "")
    name = findings.take(
        entry.place("name"), rules.database_name, entry.values.get("name", "main"), "main"
    )
    written_backend = entry.values.get("cdc_backend")
    cdc = findings.take(
        entry.place("cdc"), rules.flag, entry.values.get("cdc", written_backend is not None), False
    )
    engine = DatabaseUrl.parse(url).engine if url else None
    if written_backend is not None:
        where = entry.place("cdc_backend")
        backend = findings.take(where, rules.engine, written_backend, None)
        if backend and engine and backend != engine:
            findings.add(where, backend, f"{engine}, which the database's URL names")
        if not cdc and entry.values.get("cdc") is False:
            findings.add(where, written_backend, "left out where cdc is false")
    over = _over(entry, cdc, engine, findings)
    most = _max_kept_bytes(entry, cdc, findings)
    replica_ok = findings.take(
        entry.place("replica_ok"), rules.flag, entry.values.get("replica_ok", False), False
    )
    return DatabaseConfig(url, name, cdc, engine if cdc else None, over, most, replica_ok)


def _over(entry: _Written, cdc: bool, engine: Engine | None, findings: Findings) -> CdcOver:
    """How the stream is read. Only PostgreSQL's can be read in two ways."""
    written = entry.values.get("cdc_over")
    if written is None:
        return CdcOver.REPLICATION
    where = entry.place("cdc_over")
    if cdc and engine not in (Engine.POSTGRESQL, None):
        findings.add(where, written, f"left out: it is for postgresql, and this is {engine}")
    _refuse_without_cdc(cdc, where, written, findings)
    return findings.take(where, rules.cdc_over, written, CdcOver.REPLICATION)


def _max_kept_bytes(entry: _Written, cdc: bool, findings: Findings) -> int:
    written = entry.values.get("max_kept_bytes")
    if written is None:
        return MAX_KEPT_BYTES
    where = entry.place("max_kept_bytes")
    _refuse_without_cdc(cdc, where, written, findings)
    return findings.take(where, rules.whole_number(1 << 20, 1 << 50), written, MAX_KEPT_BYTES)


def _refuse_without_cdc(cdc: bool, where: Where, written: object, findings: Findings) -> None:
    """A setting of the stream says nothing of a database that is not followed."""
    if not cdc:
        findings.add(where, written, "left out where cdc is not true")


def read_sources(
    tables: object, databases: Sequence[str], findings: Findings
) -> tuple[SourceConfig, ...]:
    """The sources under `tables`, a mapping from table to columns, each in words:

    `"users": "avatar"`, `["avatar", "cover"]`, or tables such as `{"column": "body", "codec":
    "text", "where": ..., "database": ..., "may_be_empty": ...}` and `{"template": "files/{id}"}`;
    `path`, `pattern` and `separator` beside a codec that takes them.
    """
    if not isinstance(tables, Mapping):
        findings.add(("tables",), tables, "a table: table name = columns")
        return ()
    sources: dict[str, SourceConfig] = {}
    for table, entry, where in _entries(tables, ("tables",), "", findings):
        source = _source(table, entry, where, databases, findings)
        if source is None:
            continue
        if source.name in sources:
            findings.add(where, source.name, "each source once")
        sources[source.name] = source
    return tuple(sources.values())


def _entries(
    tables: Mapping[object, object], where: Where, schema: str, findings: Findings
) -> Iterator[tuple[str, object, Where]]:
    for name, value in tables.items():
        place: Where = (*where, str(name))
        table = f"{schema}{name}"
        if isinstance(value, (list, tuple)):
            if not value:
                findings.add(place, value, "at least one column")
            for number, entry in enumerate(value):
                yield table, entry, (*place, number)
        elif (
            isinstance(value, Mapping)
            and value
            and all(isinstance(inner, (list, tuple, Mapping)) for inner in value.values())
        ):
            # schema.table without quotes is a table within a table in TOML.
            yield from _entries(value, place, f"{table}.", findings)
        else:
            yield table, value, place


def _source(
    table: str, entry: object, where: Where, databases: Sequence[str], findings: Findings
) -> SourceConfig | None:
    """One source, or None where it cannot be told which column is meant."""
    before = len(findings.problems)
    findings.take(where, rules.table_name, table, "")
    values = {"column": entry} if isinstance(entry, str) else entry
    if not isinstance(values, Mapping):
        findings.add(where, entry, "a column's name, or a table with column or template")
        return None
    for name in values:
        if name not in _SOURCE_NAMES:
            findings.unknown((*where, str(name)), _SOURCE_NAMES)
    columns, template, codec = _columns(values, where, findings)
    options = read_options(values, codec, where, findings)
    condition = values.get("where")
    if condition is not None:
        findings.take((*where, "where"), rules.text, condition, "")
    may_be_empty = findings.take(
        (*where, "may_be_empty"), rules.flag, values.get("may_be_empty", False), False
    )
    database = values.get("database", databases[0] if databases else "main")
    if "database" in values and database not in databases:
        known = ", ".join(databases) or "none is configured"
        findings.add((*where, "database"), database, f"the name of a database: {known}")
    if len(findings.problems) > before:
        return None
    return SourceConfig(
        table, columns, codec, template, condition, str(database), may_be_empty, *options
    )


def _columns(
    values: Mapping[object, object], where: Where, findings: Findings
) -> tuple[tuple[str, ...], str | None, Codec]:
    """Columns, template and codec of a source; a template brings its columns and its codec."""
    template = values.get("template")
    written = values.get("codec", "auto" if template is None else "template")
    codec = findings.take((*where, "codec"), rules.codec, written, Codec.AUTO)
    if ("column" in values) == (template is not None):
        findings.add(
            where,
            None,
            "one of column and template",
            said="both" if "column" in values else "neither",
        )
        return (), None, codec
    if template is None:
        if codec is Codec.TEMPLATE:
            findings.add((*where, "codec"), written, "template only where a template is given")
        column = findings.take((*where, "column"), rules.text, values["column"], "")
        return (column,), None, codec
    if codec is not Codec.TEMPLATE:
        findings.add((*where, "codec"), written, "template (or left out) where a template is given")

    def columns_of(value: object) -> tuple[str, ...]:
        return rules.template_columns(rules.text(value))

    return findings.take((*where, "template"), columns_of, template, ()), str(template), codec
