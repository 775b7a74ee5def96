"""`create_config`: the values it makes, and everything wrong at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from s3gc_core import Settings, create_config
from s3gc_core.config import (
    IMAGES_SENTENCE,
    CdcOver,
    Codec,
    Config,
    DatabaseConfig,
    Encryption,
    GuardLimits,
    Heal,
    Images,
    Mode,
    PrefixBudget,
    ReplicaConfig,
    SourceConfig,
    UnsafeStore,
)
from s3gc_core.config_create import (
    CREATE_NAMES,
    DEFAULTS,
    GUARDS,
    LISTS,
    PREFIX_BUDGET,
    SCALARS,
)
from s3gc_core.config_replica import REPLICA
from s3gc_core.config_template import CONFIG_TEMPLATE
from s3gc_core.errors import ConfigurationError, ExitCode

URL = "postgresql://app:secret@db.example/app"
MYSQL = "mysql://app:secret@db.example/shop"

RECIPIENT = "age1" + "q" * 58


def create(**settings: Any) -> Config:
    """`create_config` without the type checker, for what it must refuse."""
    return create_config(**{"bucket": "photos", **settings})


def problems(**settings: Any) -> dict[str, str]:
    """Settings that are refused, with what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        create(**settings)
    error = caught.value
    assert error.exit_code is ExitCode.USAGE
    assert len(error.problems) == len({problem.setting for problem in error.problems})
    assert all(str(problem) in str(error) for problem in error.problems)
    return {problem.setting: problem.allowed for problem in error.problems}


def test_every_setting_has_a_rule_and_a_type() -> None:
    tables = {"databases", "sources", "guards", "prices", "keys", "replica", "api"}
    of_config = {field.name for field in fields(Config)} - tables
    assert of_config == {*SCALARS, *LISTS}
    assert {field.name for field in fields(GuardLimits)} == {*GUARDS, "prefixes"}
    assert {field.name for field in fields(PrefixBudget)} == set(PREFIX_BUDGET)
    assert {field.name for field in fields(ReplicaConfig)} == set(REPLICA)
    assert set(Settings.__annotations__) == CREATE_NAMES


def test_defaults_pass_their_own_rules() -> None:
    for name, rule in {**SCALARS, **GUARDS}.items():
        if name != "bucket":
            assert rule(DEFAULTS[name]) == DEFAULTS[name]


def test_only_the_bucket_is_required() -> None:
    assert create_config(bucket="photos") == Config("photos")
    with pytest.raises(ConfigurationError, match="bucket: nothing is not usable"):
        create_config()  # type: ignore[call-arg]


def test_everything_at_once() -> None:
    config = create_config(
        bucket="photos",
        region="eu-west-1",
        endpoint_url="http://127.0.0.1:8333",
        mode="execute",
        retention_days=30,
        exclude_prefixes=["backups/"],
        exclude_patterns=["*.keep"],
        cdn_bases=["https://cdn.example.com/"],
        url_patterns=["https://img.example.com/plain/{key}@*"],
        vault_path="vault",
        schedule_cron="0 3 * * sun",
        tables={"users": ["avatar", "cover"]},
        database=URL,
        cdc_backend="postgresql",
        compression_level=3,
        deduplicate=False,
        compression_floor=2,
        jpegxl=True,
        images="compact",
        images_acknowledged=IMAGES_SENTENCE,
        encryption="age",
        encryption_recipients=[RECIPIENT],
        encryption_identity_file="/srv/identity",
        max_concurrency=8,
        plan_lifetime_hours=2,
        vault_horizon_days=10,
        database_restore_days=9,
        heal="restore",
        require_second_person=True,
        unsafe_store="head-compare-delete",
        guards={"max_objects": 5, "max_share": 1},
    )
    assert config == Config(
        bucket="photos",
        region="eu-west-1",
        endpoint_url="http://127.0.0.1:8333",
        mode=Mode.EXECUTE,
        retention_days=30,
        exclude_prefixes=("backups/",),
        exclude_patterns=("*.keep",),
        cdn_bases=("https://cdn.example.com/",),
        url_patterns=("https://img.example.com/plain/{key}@*",),
        vault_path=Path("vault"),
        schedule_cron="0 3 * * sun",
        databases=(DatabaseConfig(URL, "main", True, "postgresql"),),
        sources=(SourceConfig("users", ("avatar",)), SourceConfig("users", ("cover",))),
        compression_level=3,
        deduplicate=False,
        compression_floor=2,
        jpegxl=True,
        images=Images.COMPACT,
        images_acknowledged=IMAGES_SENTENCE,
        encryption=Encryption.AGE,
        encryption_recipients=(RECIPIENT,),
        encryption_identity_file="/srv/identity",
        max_concurrency=8,
        plan_lifetime_hours=2,
        vault_horizon_days=10,
        database_restore_days=9,
        heal=Heal.RESTORE,
        require_second_person=True,
        unsafe_store=UnsafeStore.HEAD_COMPARE,
        guards=GuardLimits(max_objects=5, max_share=1.0),
    )
    assert create(guards=GuardLimits(max_objects=5)).guards == GuardLimits(max_objects=5)


def test_the_floor_of_compression_is_not_over_its_level() -> None:
    assert create(compression_level=9, compression_floor=9).compression_floor == 9
    # The default floor fixes a level that is under it.
    assert create(compression_level=1).compression_floor == 3
    allowed = "1 to compression_level (9), which makes it fixed"
    assert problems(compression_level=9, compression_floor=10) == {"compression_floor": allowed}
    assert set(problems(compression_floor=20)) == {"compression_floor"}


@pytest.mark.parametrize("said", [{}, {"images_acknowledged": ""}])
def test_lossy_pictures_are_acknowledged(said: dict[str, str]) -> None:
    needed = f'"exact"; or also images_acknowledged = "{IMAGES_SENTENCE}"'
    assert problems(images="compact", **said) == {"images": needed}
    assert create(images="exact", **said).images is Images.EXACT


def test_the_sentence_is_written_word_for_word() -> None:
    for said in (IMAGES_SENTENCE.upper(), IMAGES_SENTENCE + ".", IMAGES_SENTENCE[:-1], "yes"):
        found = problems(images="compact", images_acknowledged=said)
        assert set(found) == {"images", "images_acknowledged"}
        assert found["images_acknowledged"] == f'"{IMAGES_SENTENCE}", word for word, or ""'
    # Alone it changes nothing: lossy pictures can be switched off and on again.
    assert create(images_acknowledged=IMAGES_SENTENCE).images is Images.EXACT


def test_the_template_holds_the_sentence() -> None:
    assert f'"{IMAGES_SENTENCE}"' in CONFIG_TEMPLATE


def test_encryption_is_for_somebody() -> None:
    assert create(encryption="age", encryption_recipients=[RECIPIENT]).encryption is Encryption.AGE
    assert set(problems(encryption="age")) == {"encryption_recipients"}
    assert set(problems(encryption="age", encryption_recipients=[])) == {"encryption_recipients"}
    # Who names recipients thinks that it is on.
    assert set(problems(encryption_recipients=[RECIPIENT])) == {"encryption"}
    assert create(encryption="none", encryption_recipients=[RECIPIENT]).encryption_recipients
    # Where backups are only restored.
    assert create(encryption_identity_file="/srv/key").encryption is Encryption.NONE


def test_a_secret_key_in_the_wrong_place_is_not_shown() -> None:
    secret = "AGE-SECRET-KEY-1" + "Q" * 58
    for settings in (
        {"encryption_recipients": [secret], "encryption": "age"},
        {"encryption_identity_file": secret},
    ):
        with pytest.raises(ConfigurationError) as refused:
            create(**settings)
        assert secret not in str(refused.value)
        assert "hidden" in str(refused.value)


def test_budgets_of_prefixes() -> None:
    written = {"a/": {"max_objects": 5}, "a/b": {"max_share": 1, "max_bytes_per_day": 7}}
    made = {
        "a/": PrefixBudget(max_objects=5),
        "a/b": PrefixBudget(max_share=1.0, max_bytes_per_day=7),
    }
    assert create(guards={"prefixes": written}).guards == GuardLimits(prefixes=made)
    assert create(guards=GuardLimits(prefixes=made)).guards == GuardLimits(prefixes=made)
    assert create(guards={"prefixes": {}}).guards == GuardLimits()
    found = problems(
        guards={
            "prefixes": {
                "a/": {"max_objects": 0, "max_byts": 1},
                "b/": {},
                "c/": 5,
                "/d": {"max_objects": 1},
                "": {"max_objects": 1},
                "e/": {"max_bytes_per_day": 0, "max_share": 1.1, "max_objects_per_day": True},
            }
        }
    )
    assert set(found) == {
        "guards.prefixes.'a/'.max_objects",
        "guards.prefixes.'a/'.max_byts",
        "guards.prefixes.'b/'",
        "guards.prefixes.'c/'",
        "guards.prefixes.'/d'",
        "guards.prefixes.''",
        "guards.prefixes.'e/'.max_bytes_per_day",
        "guards.prefixes.'e/'.max_share",
        "guards.prefixes.'e/'.max_objects_per_day",
    }
    assert "exclude_prefixes" in found["guards.prefixes.'a/'.max_objects"]
    assert found["guards.prefixes.'a/'.max_byts"] == 'did you mean "max_bytes"?'
    assert set(problems(guards={"prefixes": ["a/"]})) == {"guards.prefixes"}


def test_all_problems_come_in_one_error() -> None:
    found = problems(
        bucket="Photos",
        retention_days=0,
        mode="dry-run",
        exclude_prefixes=["ok/", ""],
        guards={"max_share": float("nan"), "max_shar": 1, "max_bytes": 0},
        databases=["oracle://db/app", {"url": URL, "nme": "x"}],
        tables={"users": [], "posts": [{"column": "body", "codec": "txt"}]},
        retention_day=3,
    )
    assert set(found) == {
        "bucket",
        "retention_days",
        "mode",
        "exclude_prefixes[1]",
        "guards.max_share",
        "guards.max_shar",
        "guards.max_bytes",
        "databases[0]",
        "databases[1].name",
        "databases[1].nme",
        "tables.users",
        "tables.posts[0].codec",
        "retention_day",
    }
    assert 'did you mean "dry_run"?' in found["mode"]
    assert found["retention_day"] == 'did you mean "retention_days"?'
    assert found["guards.max_shar"] == 'did you mean "max_share"?'
    assert found["databases[1].nme"] == 'did you mean "name"?'


def test_a_problem_names_setting_value_and_what_is_allowed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        create(max_concurrency=1000)
    assert str(caught.value) == (
        "configuration: max_concurrency: 1000 is not usable; allowed: a whole number from 1 to 256"
    )


def test_names_in_the_wrong_place_are_told_where_they_belong() -> None:
    assert problems(max_share=0.5, url=URL, cdc=True) == {
        "max_share": "it belongs under [guards]: guards.max_share",
        "url": "it belongs under [database]: database.url",
        "cdc": "it belongs under [database]: database.cdc",
    }


@pytest.mark.parametrize("name", sorted(LISTS))
@pytest.mark.parametrize("value", ["backups/", None, 5, {"a": 1}])
def test_a_list_is_a_list(name: str, value: object) -> None:
    assert problems(**{name: value}) == {name: "a list of texts"}


@pytest.mark.parametrize("value", [None, 5, "x", ["x"]])
def test_tables_and_guards_are_tables(value: object) -> None:
    assert set(problems(tables=value, guards=value)) == {"tables", "guards"}


# Databases


def test_the_url_that_is_given_is_the_one_that_is_used() -> None:
    expected = (DatabaseConfig(MYSQL, "main", True, "mysql"),)
    assert create(cdc_connection_url=MYSQL).databases == expected
    assert create(cdc_backend="mysql", cdc_connection_url=MYSQL).databases == expected
    assert create(cdc_backend="mysql", database=MYSQL).databases == expected
    assert create(database=MYSQL, cdc_connection_url=MYSQL).databases == expected
    assert create(database=MYSQL).databases == (DatabaseConfig(MYSQL),)
    assert set(problems(database=MYSQL, cdc_connection_url=URL)) == {"cdc_connection_url"}


def test_databases_in_every_form() -> None:
    config = create(
        databases=[
            URL,
            {"url": MYSQL, "name": "shop", "cdc": True},
            DatabaseConfig("sqlite:///a.db", "lite"),
            {"url": "mariadb://db/x", "name": "x", "cdc_backend": "mysql"},
            DatabaseConfig(URL, "again", True, "postgresql"),
        ]
    )
    assert config.databases == (
        DatabaseConfig(URL),
        DatabaseConfig(MYSQL, "shop", True, "mysql"),
        DatabaseConfig("sqlite:///a.db", "lite"),
        DatabaseConfig("mariadb://db/x", "x", True, "mysql"),
        DatabaseConfig(URL, "again", True, "postgresql"),
    )
    assert [d.engine for d in config.databases] == [
        "postgresql",
        "mysql",
        "sqlite",
        "mysql",
        "postgresql",
    ]
    assert create(database={"url": URL}) == create(databases=[URL]) == create(database=URL)


def test_what_the_server_may_keep() -> None:
    database = {"url": URL, "cdc": True, "max_kept_bytes": 5 << 30}
    [config] = create(database=database).databases
    assert config.max_kept_bytes == 5 << 30
    assert create(databases=[config]).databases == (config,)


def test_a_replica_may_be_declared() -> None:
    [config] = create(database={"url": URL, "replica_ok": True}).databases
    assert config == DatabaseConfig(URL, replica_ok=True)
    assert create(databases=[config]).databases == (config,)
    assert create(database=URL).databases[0].replica_ok is False
    with pytest.raises(ConfigurationError, match=r"database\.replica_ok"):
        create(database={"url": URL, "replica_ok": "yes"})


def test_how_a_stream_is_read() -> None:
    over_sql = (DatabaseConfig(URL, "main", True, "postgresql", CdcOver.SQL),)
    assert create(database={"url": URL, "cdc": True, "cdc_over": "sql"}).databases == over_sql
    assert create(database={"url": URL, "cdc": True}, cdc_over="sql").databases == over_sql
    assert create(databases=over_sql).databases == over_sql
    by_default = (DatabaseConfig(URL, "main", True, "postgresql", CdcOver.REPLICATION),)
    assert create(cdc_connection_url=URL, cdc_over="replication").databases == by_default
    assert create(cdc_connection_url=URL).databases == by_default


@pytest.mark.parametrize(
    ("settings", "refused"),
    [
        ({"cdc_over": "sql"}, {"cdc_over"}),
        ({"cdc_over": "sql", "database": URL}, {"cdc_over"}),
        ({"cdc_over": "sql", "cdc_connection_url": MYSQL}, {"cdc_over"}),
        ({"cdc_over": "replication", "cdc_connection_url": MYSQL}, {"cdc_over"}),
        ({"cdc_over": "sql", "cdc_connection_url": "sqlite:///a.db"}, {"cdc_over"}),
        ({"cdc_over": "slq", "cdc_connection_url": URL}, {"cdc_over"}),
        ({"cdc_over": "sql", "databases": [URL, {"url": MYSQL, "name": "b"}]}, {"cdc_over"}),
        ({"database": {"url": URL, "cdc": False, "cdc_over": "sql"}}, {"database.cdc_over"}),
        (
            {"databases": [DatabaseConfig(URL, "main", False, None, CdcOver.SQL)]},
            {"databases[0].cdc_over"},
        ),
        (
            {"databases": [DatabaseConfig(URL, "main", False, None, max_kept_bytes=1 << 30)]},
            {"databases[0].max_kept_bytes"},
        ),
        ({"cdc_backend": "mysql"}, {"cdc_backend"}),
        ({"cdc_backend": "mysql", "database": URL}, {"cdc_backend"}),
        ({"cdc_backend": "oracle", "database": URL}, {"cdc_backend"}),
        (
            {"cdc_backend": "mysql", "databases": [URL, {"url": MYSQL, "name": "b"}]},
            {"cdc_backend"},
        ),
        ({"database": URL, "databases": [URL]}, {"databases", "databases[0].name"}),
        ({"databases": [URL, MYSQL]}, {"databases[1].name"}),
        ({"database": {"url": URL, "cdc": 1}}, {"database.cdc"}),
        (
            {"database": {"url": URL, "cdc": False, "cdc_backend": "mysql"}},
            {"database.cdc_backend"},
        ),
        *(
            ({"database": {"url": URL, **settings}}, {"database.max_kept_bytes"})
            for settings in (
                {"cdc": True, "max_kept_bytes": 1},
                {"cdc": True, "max_kept_bytes": "10 GB"},
                {"max_kept_bytes": 10 << 30},
            )
        ),
        ({"database": {"name": "a"}}, {"database.url"}),
        ({"database": {"url": URL, "name": "a b"}}, {"database.name"}),
        ({"database": 5}, {"database"}),
        ({"databases": [5]}, {"databases[0]"}),
        ({"cdc_connection_url": "nonsense"}, {"cdc_connection_url"}),
        (
            {"databases": [DatabaseConfig(URL, "main", False, "postgresql")]},
            {"databases[0].cdc_backend"},
        ),
    ],
)
def test_databases_that_are_refused(settings: Mapping[str, Any], refused: set[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create(**settings)
    assert {problem.setting for problem in caught.value.problems} == refused


def test_all_that_is_wrong_with_a_url_is_told_with_the_rest_and_the_url_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        create(database="postgresql://app:secret@db:port/?sslmod=x", retention_days=0)
    told = [(problem.setting, problem.value) for problem in caught.value.problems]
    assert told == [
        ("retention_days", "0"),
        ("database", "the database name"),
        ("database", "the port"),
        ("database", "option 1"),
    ]
    assert "secret" not in str(caught.value)


def test_a_second_url_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        create(database=MYSQL, cdc_connection_url=URL)
    assert [problem.value for problem in caught.value.problems] == ["another URL"]


# Sources


def test_sources_in_every_form() -> None:
    config = create(
        databases=[URL, {"url": MYSQL, "name": "shop"}],
        tables={
            "users": "avatar",
            "app.media": ["path"],
            "posts": [
                {"column": "body", "codec": "text"},
                {"column": "image", "where": "deleted_at IS NULL", "may_be_empty": True},
            ],
            "orders": {"column": "invoice", "codec": Codec.KEY, "database": "shop"},
            "files": [{"template": "files/{id:.2}/{id}.{type}"}],
            "store": {"items": ["photo"], "deep": {"er": ("a", "b")}},
            "articles": [
                {"column": "meta", "codec": "json", "path": "$.images[*].src"},
                {"column": "list", "codec": "csv", "separator": ";"},
                {"column": "plain", "codec": "csv"},
                {"column": "log", "codec": "regex", "pattern": "file=(?P<key>[^ ]+)"},
                {"column": "pictures", "codec": "array"},
                {"template": "thumbs/{id[0:2]}/{id}_{200,400}.webp"},
            ],
        },
    )
    template = "files/{id:.2}/{id}.{type}"
    assert config.sources == (
        SourceConfig("users", ("avatar",)),
        SourceConfig("app.media", ("path",)),
        SourceConfig("posts", ("body",), Codec.TEXT),
        SourceConfig("posts", ("image",), where="deleted_at IS NULL", may_be_empty=True),
        SourceConfig("orders", ("invoice",), Codec.KEY, database="shop"),
        SourceConfig("files", ("id", "type"), Codec.TEMPLATE, template),
        SourceConfig("store.items", ("photo",)),
        SourceConfig("store.deep.er", ("a",)),
        SourceConfig("store.deep.er", ("b",)),
        SourceConfig("articles", ("meta",), Codec.JSON, path="$.images[*].src"),
        SourceConfig("articles", ("list",), Codec.CSV, separator=";"),
        SourceConfig("articles", ("plain",), Codec.CSV, separator=","),
        SourceConfig("articles", ("log",), Codec.REGEX, pattern="file=(?P<key>[^ ]+)"),
        SourceConfig("articles", ("pictures",), Codec.ARRAY),
        SourceConfig("articles", ("id",), Codec.TEMPLATE, "thumbs/{id[0:2]}/{id}_{200,400}.webp"),
    )
    assert config.sources[5].name == f"main:files.{template}"


def test_the_default_database_is_the_first() -> None:
    tables = {"users": ["avatar"]}
    first = {"url": URL, "name": "first"}
    second = {"url": MYSQL, "name": "second"}
    assert create(databases=[first, second], tables=tables).sources[0].database == "first"
    assert create(databases=[second, first], tables=tables).sources[0].database == "second"
    assert create(tables=tables).sources == (SourceConfig("users", ("avatar",)),)


def test_nothing_tracked_is_no_configuration_error() -> None:
    # The collector refuses it (NothingTracked, exit 3): it is a matter of judgement.
    assert create(tables={}).sources == ()
    assert create(databases=[]).databases == ()


@pytest.mark.parametrize(
    ("entry", "refused"),
    [
        ([], ""),
        (5, ""),
        ({}, ""),
        ([5], "[0]"),
        ([""], "[0].column"),
        (" ", ".column"),
        ([{"column": 5}], "[0].column"),
        ([{"colum": "a", "column": "a"}], "[0].colum"),
        ([{"column": "a", "codec": "xml"}], "[0].codec"),
        ([{"column": "a", "codec": "template"}], "[0].codec"),
        ([{"column": "a", "where": ""}], "[0].where"),
        ([{"column": "a", "where": 5}], "[0].where"),
        ([{"column": "a", "may_be_empty": "yes"}], "[0].may_be_empty"),
        ([{"column": "a", "database": "other"}], "[0].database"),
        ([{"column": "a", "template": "{a}"}], "[0]"),
        ([{"codec": "key"}], "[0]"),
        ([{"template": "{a}", "codec": "key"}], "[0].codec"),
        ([{"template": "plain"}], "[0].template"),
        ([{"template": 5}], "[0].template"),
        ([{"column": "a", "path": "$.a"}], "[0].path"),
        ([{"column": "a", "codec": "text", "path": "$.a"}], "[0].path"),
        ([{"column": "a", "codec": "json", "path": "a.b"}], "[0].path"),
        ([{"column": "a", "codec": "json", "path": "$.a["}], "[0].path"),
        ([{"column": "a", "codec": "json", "path": ""}], "[0].path"),
        ([{"column": "a", "codec": "json", "path": 5}], "[0].path"),
        ([{"column": "a", "codec": "regex"}], "[0].pattern"),
        ([{"column": "a", "codec": "regex", "pattern": "(a"}], "[0].pattern"),
        ([{"column": "a", "codec": "regex", "pattern": 5}], "[0].pattern"),
        ([{"column": "a", "codec": "key", "pattern": "(a)"}], "[0].pattern"),
        ([{"column": "a", "codec": "csv", "separator": ", "}], "[0].separator"),
        ([{"column": "a", "codec": "csv", "separator": ""}], "[0].separator"),
        ([{"column": "a", "codec": "csv", "separator": "\n"}], "[0].separator"),
        ([{"column": "a", "codec": "csv", "separator": '"'}], "[0].separator"),
        ([{"column": "a", "codec": "csv", "separator": 5}], "[0].separator"),
        ([{"column": "a", "separator": ";"}], "[0].separator"),
        ([{"template": "{a}", "path": "$.a"}], "[0].path"),
        ([{"template": "{a}{1,2}", "separator": ";"}], "[0].separator"),
        (["a", "a"], "[1]"),
        (["a", {"column": "a", "where": "x"}], "[1]"),
    ],
)
def test_sources_that_are_refused(entry: object, refused: str) -> None:
    assert set(problems(database=URL, tables={"users": entry})) == {f"tables.users{refused}"}


def test_an_empty_table_name_is_refused() -> None:
    assert set(problems(tables={"": ["a"], "a.": ["a"]})) == {"tables.''[0]", "tables.a.[0]"}


def test_the_same_column_in_two_databases_is_no_duplicate() -> None:
    config = create(
        databases=[{"url": URL, "name": "a"}, {"url": MYSQL, "name": "b"}],
        tables={"t": ["c", {"column": "c", "database": "b"}]},
    )
    assert {source.name for source in config.sources} == {"a:t.c", "b:t.c"}


# Display


def test_redacted_is_everything_but_the_password() -> None:
    config = create(database=f"{URL}?sslkey=/secret.key", tables={"users": "avatar"})
    shown = config.redacted()
    assert set(shown) == {field.name for field in fields(Config)}
    assert shown["databases"] == [
        {
            "url": "postgresql://app@db.example/app",
            "name": "main",
            "cdc": False,
            "cdc_backend": None,
            "cdc_over": "replication",
            "max_kept_bytes": 10 << 30,
            "replica_ok": False,
        }
    ]
    assert shown["mode"] == "dry_run"
    assert shown["vault_path"] == "s3gc_vault"
    assert "secret" not in json.dumps(shown)
    assert json.loads(json.dumps(shown)) == shown


def test_redacted_holds_plain_values() -> None:
    shown = create(database=MYSQL, cdc_backend="mysql").redacted()
    database = {"url": "mysql://app@db.example/shop", "name": "main"}
    followed = {"cdc": True, "cdc_backend": "mysql", "cdc_over": "replication"}
    rest = {"max_kept_bytes": 10 << 30, "replica_ok": False}
    assert repr(shown["databases"]) == repr([{**database, **followed, **rest}])
