from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.config import DatabaseConfig
from s3gc_core.databases import DatabaseUrl, Engine, open_database
from s3gc_core.databases.mysql import MysqlDatabase
from s3gc_core.databases.postgres import PostgresDatabase
from s3gc_core.databases.sqlite import SqliteDatabase
from s3gc_core.errors import ConfigurationError

PG, MY, LITE = Engine.POSTGRESQL, Engine.MYSQL, Engine.SQLITE


def url(
    engine: Engine,
    database: str,
    host: str | None = None,
    port: int | None = None,
    user: str | None = None,
    password: str | None = None,
    **options: str,
) -> DatabaseUrl:
    named = {name.replace("ssl_", "ssl-"): value for name, value in options.items()}
    return DatabaseUrl(engine, database, host, port, user, password, MappingProxyType(named))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:p@h:5433/db", url(PG, "db", "h", 5433, "u", "p")),
        ("postgres://h/db", url(PG, "db", "h")),
        ("postgresql+asyncpg://u@h/db", url(PG, "db", "h", None, "u")),
        ("  POSTGRESQL://u@h/db\n", url(PG, "db", "h", None, "u")),
        ("postgresql://u:@h/db", url(PG, "db", "h", None, "u", "")),
        ("postgresql://u:a%40b%3A%2F%25@h/db", url(PG, "db", "h", None, "u", "a@b:/%")),
        ("postgresql://u%40x:p%C3%BC@h/d%20b", url(PG, "d b", "h", None, "u@x", "pü")),
        ("postgresql://u:p@[::1]:5432/db", url(PG, "db", "::1", 5432, "u", "p")),
        ("postgresql:///db?host=/run/pg", url(PG, "db", "/run/pg")),
        ("postgresql://u@%2Frun%2Fpg/db", url(PG, "db", "/run/pg", None, "u")),
        (
            "postgresql://u@h/db?sslmode=verify-full&sslrootcert=/a%20b.pem",
            url(PG, "db", "h", None, "u", sslmode="verify-full", sslrootcert="/a b.pem"),
        ),
        ("postgresql://u:p@h/db?sslkey=/a@b", url(PG, "db", "h", None, "u", "p", sslkey="/a@b")),
        ("mysql://u:p@h:3307/db", url(MY, "db", "h", 3307, "u", "p")),
        ("mysql+aiomysql://h/db?charset=utf8mb4", url(MY, "db", "h", charset="utf8mb4")),
        ("mariadb://u@h/db", url(MY, "db", "h", None, "u")),
        ("mysql://u@h/db?ssl_mode=VERIFY_CA", url(MY, "db", "h", None, "u", ssl_mode="verify-ca")),
        (
            "mysql://h/db?ssl-mode=verify-identity&ssl-ca=/ca&ssl-cert=/c&ssl-key=/k",
            url(
                MY, "db", "h", ssl_mode="verify-identity", ssl_ca="/ca", ssl_cert="/c", ssl_key="/k"
            ),
        ),
        ("mysql://u:p@/db?unix_socket=/run/my.sock", url(MY, "db", "/run/my.sock", None, "u", "p")),
        ("sqlite:///relative.db", url(LITE, "relative.db")),
        ("sqlite:////abs/a%20b%3Fc.db", url(LITE, "/abs/a b?c.db")),
        ("sqlite+aiosqlite:///a#b", url(LITE, "a#b")),
        ("sqlite:////abs/%ff", url(LITE, "/abs/\udcff")),
    ],
)
def test_a_good_url_is_taken_apart(text: str, expected: DatabaseUrl) -> None:
    assert DatabaseUrl.parse(text) == expected
    assert DatabaseUrl.parse(expected.render()) == expected


@pytest.mark.parametrize(
    "password",
    [
        "p@ss",
        "a:b",
        "a/b",
        "a#b",
        "a?b",
        "@",
        "a@b/c#d?e:f@g",
        "12/3",
        "1?sslmode=x",
        "a b",
        "%",
        "5%x",
    ],
)
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_an_unencoded_password_still_works(scheme: str, password: str) -> None:
    parsed = DatabaseUrl.parse(f"{scheme}://u:{password}@h:99/db")
    assert (parsed.user, parsed.password) == ("u", password)
    assert (parsed.host, parsed.port, parsed.database) == ("h", 99, "db")


def test_a_password_that_can_be_read_in_two_ways_is_refused() -> None:
    # Either the host is `u`, or everything up to the last `@` is the password.
    with pytest.raises(ConfigurationError, match="percent-encoded: it can be read in two ways"):
        DatabaseUrl.parse("postgresql://u:1/d?sslkey=x@h/db")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("oracle://u:secret@h/db", "postgresql://"),
        ("postgresql+mysqldb://u:secret@h/db", "postgresql://"),
        ("u:secret@h/db", "postgresql://"),
        ("", "postgresql://"),
        ("postgresql://u:secret@h", "a name after the host"),
        ("postgresql://u:secret@h/", "a name after the host"),
        ("postgresql://u:secret@h:port/db", "a number from 1 to 65535"),
        ("postgresql://u:secret@h:0/db", "a number from 1 to 65535"),
        ("postgresql://u:secret@h:65536/db", "a number from 1 to 65535"),
        ("postgresql://u:secret@h1,h2/db", "one name or address"),
        ("postgresql://u:secret@a b/db", "one name or address"),
        ("postgresql://:secret@h/db", "a name before the"),
        ("postgresql://u:secret%00@h/db", "without NUL"),
        ("postgresql://u:secret%ff@h/db", "UTF-8"),
        ("postgresql://u:secret@h/a/b", "percent-encoded"),
        ("postgresql://u:secret@h/db#x", "percent-encoded"),
        ("postgresql://u:secret@h/db?sslmode=maybe", "verify-full"),
        ("postgresql://u:secret@h/db?sslmode=", "verify-full"),
        ("postgresql://u:secret@h/db?sslmode=require&sslmode=disable", "given once"),
        ("postgresql://u:secret@h/db?ssl-mode=required", "sslmode"),
        ("postgresql://u:secret@h/db?host=/run", "no host beside it"),
        ("postgresql://u:secret@/db?host=relative", "an absolute path"),
        ("postgresql://u/db?secret", "sslmode"),
        ("mysql://u:secret@h/db?sslmode=require", "ssl-mode"),
        ("mysql://u:secret@/db", "unix_socket"),
        ("mysql://u:secret@h/db?ssl-mode=disabled&ssl-ca=/x", "not together"),
        ("mysql://u:secret@/db?unix-socket=/s&ssl-mode=required", "none with a unix socket"),
        ("mysql://u:secret@h/db?charset=latin1", "utf8mb4"),
        ("sqlite://secret.db", "sqlite:///relative"),
        ("sqlite:///", "a file's path"),
        ("sqlite:///:memory:", "a file's path"),
        ("sqlite:///a.db?mode=rwc", "none for SQLite"),
    ],
)
def test_a_bad_url_is_refused_without_showing_it(text: str, allowed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        DatabaseUrl.parse(text)
    assert any(allowed in problem.allowed for problem in caught.value.problems)
    assert "secret" not in str(caught.value)


def test_an_unknown_option_is_counted_and_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        DatabaseUrl.parse("postgresql://u:secret@h:x/db?sslmod=require&pool_size=5")
    assert [problem.value for problem in caught.value.problems] == [
        "the port",
        "option 1",
        "option 2",
    ]


def test_an_odd_password_that_cannot_be_read_brings_the_hint_to_encode_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        DatabaseUrl.parse("postgresql://u:se/cret@h:x/db")
    assert [(problem.value, problem.allowed) for problem in caught.value.problems] == [
        ("the port", "a number from 1 to 65535"),
        ("the password", "percent-encoded, like every part with / ? # @ in it"),
    ]
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u\udcff@h/db",
        "postgresql://u:p\udcff@h/db",
        "postgresql://u@%2Frun\udcff/db",
        "postgresql://u@%2Frun%00/db",
        "postgresql://u@h/db\udcff",
        "postgresql://u@h/db?sslkey=\udcff",
        "sqlite:///\ud800",
    ],
)
def test_text_that_no_driver_could_send_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        DatabaseUrl.parse(text)


def test_the_password_is_in_no_text_for_people() -> None:
    parsed = DatabaseUrl.parse("postgresql://u:s3cret@h:1/db?sslmode=require")
    assert parsed.redacted == str(parsed) == "postgresql://u@h:1/db"
    assert "s3cret" not in repr(parsed)
    assert "s3cret" in parsed.render()
    assert DatabaseUrl.parse("mysql://u:x@/d?unix_socket=/s").redacted == (
        "mysql://u@/d?unix-socket=/s"
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
HOSTS = st.sampled_from(["h", "db.example.org", "10.0.0.1", "::1", "fe80::1%eth0", "/run/x y"])
MODES = {PG: ("sslmode", "require"), MY: ("ssl-mode", "required")}


@given(
    engine=st.sampled_from([PG, MY]),
    database=TEXT,
    host=HOSTS,
    port=st.none() | st.integers(1, 65535),
    user=st.none() | TEXT,
    password=st.none() | st.just("") | TEXT,
    tls=st.booleans(),
)
def test_what_is_rendered_is_parsed_again(
    engine: Engine,
    database: str,
    host: str,
    port: int | None,
    user: str | None,
    password: str | None,
    tls: bool,
) -> None:
    options = dict([MODES[engine]]) if tls and not host.startswith("/") else {}
    parts = DatabaseUrl(
        engine, database, host, port, user, password if user else None, MappingProxyType(options)
    )
    assert DatabaseUrl.parse(parts.render()) == parts


@given(st.text(st.sampled_from("ab@:/#?&+ =ü"), min_size=1))
def test_an_odd_password_is_understood(password: str) -> None:
    parsed = DatabaseUrl.parse(f"postgresql://user:{password}@host:5432/db")
    assert (parsed.user, parsed.password, parsed.host) == ("user", password, "host")


@given(TEXT.filter(lambda path: path != ":memory:"))
def test_any_path_comes_back(path: str) -> None:
    parts = DatabaseUrl(LITE, path)
    assert DatabaseUrl.parse(parts.render()).database == path


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("postgresql://u@h/db", PostgresDatabase),
        ("mariadb://u@h/db", MysqlDatabase),
        ("sqlite:///x.db", SqliteDatabase),
    ],
)
def test_the_engine_follows_from_the_url(text: str, kind: type) -> None:
    database = open_database(DatabaseConfig(url=text, name="shop"))
    assert type(database) is kind
    assert database.name == "shop"
    assert database.address == DatabaseUrl.parse(text).redacted
