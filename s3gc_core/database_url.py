"""Database URLs: what the operator wrote, judged and taken apart, for configuration and drivers.

Pure; nothing here opens a connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import quote, unquote

from s3gc_core.errors import ConfigurationError, Problem


class Engine(StrEnum):
    """The engines we read. MariaDB speaks MySQL's protocol."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    SQLITE = "sqlite"


# Scheme -> engine, and the driver names that application frameworks append with a `+`.
_SCHEMES = {
    "postgresql": Engine.POSTGRESQL,
    "postgres": Engine.POSTGRESQL,
    "mysql": Engine.MYSQL,
    "mariadb": Engine.MYSQL,
    "sqlite": Engine.SQLITE,
}
_DRIVERS = {
    Engine.POSTGRESQL: frozenset({"asyncpg", "psycopg", "psycopg2"}),
    Engine.MYSQL: frozenset({"aiomysql", "asyncmy", "pymysql", "mysqldb", "mysqlconnector"}),
    Engine.SQLITE: frozenset({"aiosqlite", "pysqlite"}),
}
ALLOWED = "a URL that begins with postgresql://, mysql://, mariadb:// or sqlite:///"

_ANYTHING: frozenset[str] = frozenset()
# Option -> the values it may have (none listed: any text). Everything else is an error.
_OPTIONS: dict[Engine, dict[str, frozenset[str]]] = {
    Engine.POSTGRESQL: {
        "sslmode": frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}),
        "sslrootcert": _ANYTHING,
        "sslcert": _ANYTHING,
        "sslkey": _ANYTHING,
        "application_name": _ANYTHING,
    },
    Engine.MYSQL: {
        "ssl-mode": frozenset(
            {"disabled", "preferred", "required", "verify-ca", "verify-identity"}
        ),
        "ssl-ca": _ANYTHING,
        "ssl-cert": _ANYTHING,
        "ssl-key": _ANYTHING,
        "charset": frozenset({"utf8mb4"}),
    },
    Engine.SQLITE: {},
}
# The option that names a unix socket: a folder for PostgreSQL, the socket itself for MySQL.
_SOCKET_OPTION = {Engine.POSTGRESQL: "host", Engine.MYSQL: "unix-socket"}
_DEFAULT_PORT = {Engine.POSTGRESQL: 5432, Engine.MYSQL: 3306}
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]")
_SETTING = "database url"
# Decodes a percent-encoded text, given what it is; notes a problem where it cannot.
_Decode = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """One database URL, decoded. `password` is never part of `repr`, `str` or `redacted`.

    `host` is a name, an address, the path of a unix socket (it then starts with `/`), or None for
    the driver's default. `database` is the database's name; for SQLite the path of the file.
    """

    engine: Engine
    database: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, url: str) -> DatabaseUrl:
        """Take `url` apart. Raises `ConfigurationError` with everything that is wrong with it.

        A password should be percent-encoded. One that is not still works where only one reading
        of the URL makes sense: then the last `@` ends it.
        """
        scheme, separator, rest = url.strip().partition("://")
        name, _, driver = scheme.lower().partition("+")
        engine = _SCHEMES.get(name)
        if not separator:
            what = "a text that is no URL (hidden)" if scheme else "an empty text"
            raise _refusal([_problem(what, ALLOWED)])
        if engine is None or (driver and driver not in _DRIVERS[engine]):
            raise _refusal([_problem("the scheme", ALLOWED)])
        if engine is Engine.SQLITE:
            return _parse_sqlite(rest)
        return _parse_network(engine, rest)

    def render(self) -> str:
        """The whole URL, password included: for drivers and tests, never for people."""
        secret = "" if self.password is None else f":{quote(self.password, safe='')}"
        return self._render(secret)

    @property
    def redacted(self) -> str:
        """The URL for people: without password and without TLS options."""
        return self._without_options()._render("")

    def __str__(self) -> str:
        return self.redacted

    def _without_options(self) -> DatabaseUrl:
        return DatabaseUrl(self.engine, self.database, self.host, self.port, self.user)

    def _render(self, secret: str) -> str:
        if self.engine is Engine.SQLITE:
            return f"sqlite:///{quote(self.database, errors='surrogateescape')}"
        user = "" if self.user is None else f"{quote(self.user, safe='')}{secret}@"
        options = dict(self.options)
        where = ""
        if self.host is not None and self.host.startswith("/"):
            options = {_SOCKET_OPTION[self.engine]: self.host, **options}
        elif self.host is not None:
            where = f"[{quote(self.host, safe=':')}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in options.items())
        return (
            f"{self.engine}://{user}{where}{port}/{quote(self.database, safe='')}"
            f"{'?' if query else ''}{query}"
        )


def _problem(what: str, allowed: str) -> Problem:
    """A problem that shows no part of the URL: any part may be a piece of the password."""
    return Problem(_SETTING, what, allowed)


def _refusal(problems: list[Problem]) -> ConfigurationError:
    return ConfigurationError(problems, origin="database")


def _parse_sqlite(rest: str) -> DatabaseUrl:
    path, question, _ = rest.partition("?")
    # `unquote` keeps bytes that are not UTF-8 the way `os.fsencode` takes them back.
    name = unquote(path[1:], errors="surrogateescape")
    problems = []
    try:
        name.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        problems.append(_problem("the path", "text without lone surrogates"))
    if question:
        problems.append(_problem("an option", "none for SQLite; write `?` in a path as %3F"))
    if not path.startswith("/"):
        problems.append(_problem("the path", "sqlite:///relative or sqlite:////absolute"))
    elif not name or "\0" in name or name == ":memory:":
        problems.append(_problem("the path", "a file's path"))
    if problems:
        raise _refusal(problems)
    return DatabaseUrl(Engine.SQLITE, name)


def _parse_network(engine: Engine, rest: str) -> DatabaseUrl:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    standard = _read(engine, rest, authority.rfind("@"))
    last = rest.rfind("@")
    # Without a user before it, a later `@` cannot end a password.
    if last == authority.rfind("@") or re.search(r"[/?#]", rest[:last].partition(":")[0]):
        return _accept(standard)
    odd = _read(engine, rest, last)
    if isinstance(standard, DatabaseUrl) and isinstance(odd, DatabaseUrl):
        raise _refusal([_problem("the password", "percent-encoded: it can be read in two ways")])
    if isinstance(standard, list) and isinstance(odd, list):
        hint = _problem("the password", "percent-encoded, like every part with / ? # @ in it")
        return _accept([*odd, hint])
    return _accept(standard if isinstance(standard, DatabaseUrl) else odd)


def _accept(result: DatabaseUrl | list[Problem]) -> DatabaseUrl:
    if isinstance(result, DatabaseUrl):
        return result
    raise _refusal(result)


def _read(engine: Engine, rest: str, at: int) -> DatabaseUrl | list[Problem]:
    """One reading of the part after `://`, with the `@` at index `at` (-1: no user)."""
    problems: list[Problem] = []

    def decode(text: str, what: str) -> str:
        try:
            decoded = unquote(text, errors="strict")
            decoded.encode()  # an environment variable may hold bytes that are no UTF-8
        except UnicodeError:
            decoded = "\0"
        if "\0" in decoded:
            problems.append(_problem(what, "UTF-8 without NUL, percent-encoded where needed"))
        return decoded

    user_text, colon, secret = rest[: max(at, 0)].partition(":")
    user = decode(user_text, "the user") or None
    password = decode(secret, "the password") if colon else None
    if at >= 0 and user is None:
        problems.append(_problem("the user", "a name before the `:` or `@`"))
    tail, _, query = rest[at + 1 :].partition("?")
    place, _, path = tail.partition("/")
    if re.search(r"[/@#]", path) or "#" in tail + query:
        problems.append(_problem("the database name", "with / @ # percent-encoded"))
    database = decode(path, "the database name")
    if not database:
        problems.append(_problem("the database name", "a name after the host: ...host/NAME"))
    host, port = _read_place(place, problems, decode)
    options = _read_options(engine, query, problems, decode)
    socket = options.pop(_SOCKET_OPTION[engine], None)
    if socket is not None:
        if host is not None or not socket.startswith("/"):
            problems.append(_problem("the unix socket", "an absolute path and no host beside it"))
        host = socket
    if engine is Engine.MYSQL and host is None:
        problems.append(_problem("the host", "a name or address, or ?unix_socket=/path"))
    _check_tls(engine, host, options, problems)
    if problems:
        return problems
    return DatabaseUrl(
        engine, database, host, port, user, password, MappingProxyType(dict(options))
    )


def _read_place(
    place: str, problems: list[Problem], decode: _Decode
) -> tuple[str | None, int | None]:
    found = re.fullmatch(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[^:]*))?", place)
    if found is None:
        problems.append(_problem("the host", "one name or address; IPv6 as [::1]"))
        return None, None
    host, port = decode(found["host"], "the host"), found["port"]
    if host and not host.startswith("/") and not _HOST.fullmatch(host):
        problems.append(_problem("the host", "one name or address; IPv6 as [::1]"))
    if port is not None and not (
        port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) < 65536
    ):
        problems.append(_problem("the port", "a number from 1 to 65535"))
        port = None
    return host.strip("[]") or None, None if port is None else int(port)


def _read_options(
    engine: Engine, query: str, problems: list[Problem], decode: _Decode
) -> dict[str, str]:
    known = {*_OPTIONS[engine], _SOCKET_OPTION[engine]}
    options: dict[str, str] = {}
    for number, part in enumerate(filter(None, query.split("&")), 1):
        written, _, value = part.partition("=")
        name = written.replace("_", "-") if engine is Engine.MYSQL else written
        if name not in known:
            # Its name may be the end of a password with a `?` or `&` in it.
            problems.append(_problem(f"option {number}", ", ".join(sorted(known))))
            continue
        text = decode(value, f"the option {name}")
        allowed = _OPTIONS[engine].get(name, _ANYTHING)
        if engine is Engine.MYSQL and allowed:
            text = text.lower().replace("_", "-")
        if name in options:
            problems.append(_problem(f"the option {name}", "given once"))
        elif not text or (allowed and text not in allowed):
            choice = ", ".join(sorted(allowed)) or "a value"
            problems.append(_problem(f"the option {name}", choice))
        options[name] = text
    return options


def _check_tls(
    engine: Engine, host: str | None, options: Mapping[str, str], problems: list[Problem]
) -> None:
    """Refuse TLS options that could not take effect: a check that is silently off is worse."""
    if engine is not Engine.MYSQL:
        return
    mode = options.get("ssl-mode")
    files = sorted({"ssl-ca", "ssl-cert", "ssl-key"} & options.keys())
    if mode == "disabled" and files:
        problems.append(_problem(f"the option {files[0]}", "not together with ssl-mode=disabled"))
    if host is not None and host.startswith("/") and (files or mode not in {None, "disabled"}):
        problems.append(_problem("the option ssl-mode", "none with a unix socket"))
