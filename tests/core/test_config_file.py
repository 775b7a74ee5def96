"""The TOML file: what it makes, on which line it is wrong, where it is found."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from s3gc_core import find_config, load_config
from s3gc_core.config import (
    CdcOver,
    Codec,
    Config,
    DatabaseConfig,
    GuardLimits,
    Mode,
    PrefixBudget,
    SourceConfig,
)
from s3gc_core.config_lines import Lines
from s3gc_core.errors import ConfigurationError

URL = "postgresql://app:secret@db.example/app"
FULL = f"""\
bucket = "photos"
region = "eu-west-1"
mode = "audit_only"
retention_days = 30
exclude_prefixes = ["backups/"]
vault_path = "./keep"

[database]
url = "{URL}"
cdc = true

[tables]
users = ["avatar_url", "cover_photo"]
posts = [
  {{ column = "body", codec = "text" }},
  {{ column = "image", where = "deleted_at IS NULL" }},
]
files = [{{ template = "files/{{id:.2}}/{{id}}.{{type}}" }}]
"app.media" = "path"
shop.items = ["photo"]

[guards]
max_share = 0.1
"""


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Config:
    path = folder / "s3gc.toml"
    path.write_bytes(text.encode())
    return load_config(path, environ or {})


def wrong(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings with their lines, and what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text, environ)
    assert str(caught.value).startswith(str(folder / "s3gc.toml"))
    return {problem.setting: problem.allowed for problem in caught.value.problems}


def test_the_whole_file(tmp_path: Path) -> None:
    template = "files/{id:.2}/{id}.{type}"
    assert load(tmp_path, FULL) == Config(
        bucket="photos",
        region="eu-west-1",
        mode=Mode.AUDIT_ONLY,
        retention_days=30,
        exclude_prefixes=("backups/",),
        vault_path=tmp_path / "keep",
        databases=(DatabaseConfig(URL, "main", True, "postgresql"),),
        sources=(
            SourceConfig("users", ("avatar_url",)),
            SourceConfig("users", ("cover_photo",)),
            SourceConfig("posts", ("body",), Codec.TEXT),
            SourceConfig("posts", ("image",), where="deleted_at IS NULL"),
            SourceConfig("files", ("id", "type"), Codec.TEMPLATE, template),
            SourceConfig("app.media", ("path",)),
            SourceConfig("shop.items", ("photo",)),
        ),
        guards=GuardLimits(max_share=0.1),
    )
    assert load(tmp_path, FULL.replace("\n", "\r\n")) == load(tmp_path, FULL)


def test_several_databases(tmp_path: Path) -> None:
    text = """\
bucket = "photos"
[[database]]
url = "sqlite:////a.db"
name = "a"
[[database]]
url_env = "B_URL"
name = "b"
cdc_backend = "mysql"
[tables]
t = ["c", { column = "c", database = "b" }]
"""
    config = load(tmp_path, text, {"B_URL": "mysql://db/b"})
    assert config.databases == (
        DatabaseConfig("sqlite:////a.db", "a"),
        DatabaseConfig("mysql://db/b", "b", True, "mysql"),
    )
    assert [source.name for source in config.sources] == ["a:t.c", "b:t.c"]
    assert set(wrong(tmp_path, text)) == {"B_URL"}
    assert set(wrong(tmp_path, text, {"B_URL": "nonsense"})) == {"B_URL"}


def test_url_and_url_env_exclude_each_other(tmp_path: Path) -> None:
    text = f'bucket = "photos"\n[database]\nurl = "{URL}"\nurl_env = "X"'
    assert wrong(tmp_path, text) == {"database.url_env (line 4)": "only one of url and url_env"}
    text = 'bucket = "photos"\n[database]\nurl_env = 5'
    assert set(wrong(tmp_path, text)) == {"database.url_env (line 3)", "database.url (line 2)"}


def test_everything_wrong_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
# a comment
bucket = "Photos"
retention_day = 3
exclude_prefixes = [
    "ok/",
    "/slash",
]

[[database]]
url = "oracle://app:hunter2@db/app"
[[database]]
url = "mysql://db/shop"
name = "a b"

[tables]
users = ["a", "a"]
posts = [
  { column = "body", codec = "txt" },
  { column = "image", were = "x" },
]
shop.items = [5]
[tables.files]
template = "plain"

[guards]
max_share = nan
"""
    found = wrong(tmp_path, text)
    assert set(found) == {
        "bucket (line 2)",
        "retention_day (line 3)",
        "exclude_prefixes[1] (line 6)",
        "database[0].url (line 10)",
        "database[1].name (line 13)",
        "tables.users[1] (line 16)",
        "tables.posts[0].codec (line 18)",
        "tables.posts[1].were (line 19)",
        "tables.shop.items[0] (line 21)",
        "tables.files.template (line 23)",
        "guards.max_share (line 26)",
    }
    assert found["tables.posts[1].were (line 19)"] == 'did you mean "where"?'


def test_lines() -> None:
    lines = Lines(
        '\n# bucket = 1\nbucket = """\nmode = 2\n[tables]\n"""\n'
        "[tables] # here\na.b = 1\r\n"
        "c = [\n  'x', # one\n  'x',\n  'y',\n]\n"
        "[[database]]\n[[database]]\nurl = {a = 1}\n[tables.d]\n'q r' = 2"
    )
    expected = {
        ("bucket",): 3,
        ("mode",): None,
        ("tables",): 7,
        ("tables", "a"): 8,
        ("tables", "a", "b"): 8,
        ("tables", "c"): 9,
        ("database", 0): 14,
        ("database", 1): 15,
        ("database", 0, "url"): 14,
        ("database", 1, "url"): 16,
        ("database", 1, "url", "a"): 16,
        ("tables", "d"): 17,
        ("tables", "d", "q r"): 18,
        ("tables", "e"): 7,
    }
    assert {where: lines.of(where, None) for where in expected} == expected
    assert lines.of(("tables", "c", 2), "y") == 12
    assert lines.of(("tables", "c", 0), "x") == 9  # two lines have it: the statement's first


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("bucket = \n", "line 1, column 10"),
        ('bucket = "a"\nbucket = "b"\n', "line 2, column 13"),
        ('a = "', "end of document"),
        ("a = " + "9" * 5000, "configuration file"),
        ("a = " + "[" * 50_000, "configuration file"),
    ],
)
def test_what_is_no_toml(tmp_path: Path, text: str, place: str) -> None:
    found = wrong(tmp_path, text)
    assert set(found) == {place}
    assert found[place].startswith("valid TOML (")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`s3gc init`"):
        load_config(tmp_path / "none.toml", {})
    with pytest.raises(ConfigurationError, match="can be read"):
        load_config(tmp_path, {})
    (tmp_path / "latin.toml").write_bytes(b'bucket = "\xe9"')
    with pytest.raises(ConfigurationError, match="UTF-8"):
        load_config(tmp_path / "latin.toml", {})


def test_the_vault_lies_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = 'bucket = "photos"\n'
    assert load(tmp_path, bucket).vault_path == tmp_path / "s3gc_vault"
    assert load(tmp_path, bucket + 'vault_path = "/srv/v"').vault_path == Path("/srv/v")
    monkeypatch.setenv("HOME", "/home/operator")
    assert load(tmp_path, bucket + 'vault_path = "~/v"').vault_path == Path("/home/operator/v")
    assert load(tmp_path, bucket, {"S3GC_VAULT_PATH": "v"}).vault_path == Path("v")
    monkeypatch.chdir(tmp_path)
    assert load_config(Path("s3gc.toml"), {}).vault_path == tmp_path / "s3gc_vault"
    assert set(wrong(tmp_path, bucket + 'vault_path = ""')) == {"vault_path (line 2)"}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        FULL,
        {
            "S3_BUCKET": "other",
            "AWS_REGION": "auto",
            "S3GC_MODE": "dry_run",
            "S3GC_RETENTION_DAYS": "9",
            "S3GC_EXCLUDE_PREFIXES": "",
            "S3GC_MAX_OBJECTS": "5",
            "DATABASE_URL": "sqlite:////a.db",
            "S3GC_CDC_BACKEND": "sqlite",
        },
    )
    assert (config.bucket, config.region, config.mode) == ("other", "auto", Mode.DRY_RUN)
    assert (config.retention_days, config.exclude_prefixes) == (9, ())
    assert config.guards == GuardLimits(max_objects=5, max_share=0.1)
    assert config.databases == (DatabaseConfig("sqlite:////a.db", "main", True, "sqlite"),)


def test_a_stream_over_sql(tmp_path: Path) -> None:
    text = f'bucket = "photos"\n[database]\nurl = "{URL}"\ncdc = true\ncdc_over = '
    (database,) = load(tmp_path, f'{text}"sql"').databases
    assert database == DatabaseConfig(URL, "main", True, "postgresql", CdcOver.SQL)
    assert set(wrong(tmp_path, f'{text}"slq"')) == {"database.cdc_over (line 5)"}
    named = wrong(tmp_path, f'{text}"sql"', {"S3GC_CDC_OVER": "slq"})
    assert set(named) == {"S3GC_CDC_OVER"}


def test_a_wrong_variable_is_named_instead_of_the_line(tmp_path: Path) -> None:
    environ = {"S3GC_RETENTION_DAYS": "0", "DATABASE_URL": "x", "S3GC_MAX_SHARE": "2"}
    assert set(wrong(tmp_path, FULL, environ)) == set(environ)


def test_every_wrong_part_of_a_database_url_has_the_line_or_the_variable(tmp_path: Path) -> None:
    bad = "postgresql://app:hunter2@a,b/app?pool_size=5"
    text = f'bucket = "photos"\nretention_days = 0\n[database]\nurl = "{bad}"\n'
    for environ, setting in (
        ({}, "database.url (line 4)"),
        ({"DATABASE_URL": bad}, "DATABASE_URL"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path, text, environ)
        assert [(problem.setting, problem.value) for problem in caught.value.problems] == [
            ("retention_days (line 2)", "0"),
            (setting, "the host"),
            (setting, "option 1"),
        ]
        assert "hunter2" not in str(caught.value)


def test_the_environment_can_forbid_execution(tmp_path: Path) -> None:
    execute = FULL.replace("audit_only", "execute")
    assert load(tmp_path, execute).mode is Mode.EXECUTE
    assert load(tmp_path, execute, {"S3GC_EXECUTE_MODE": "false"}).mode is Mode.DRY_RUN
    assert load(tmp_path, FULL, {"S3GC_EXECUTE_MODE": "false"}).mode is Mode.AUDIT_ONLY
    assert load(tmp_path, FULL, {"S3GC_EXECUTE_MODE": "true"}).mode is Mode.EXECUTE


@pytest.mark.parametrize(
    ("databases", "urls"),
    [
        ("", ["sqlite:///env"]),
        ("database = 'sqlite:///a'", ["sqlite:///env"]),
        ("[database]\nurl = 'sqlite:///a'", ["sqlite:///env"]),
        ("[database]\nurl_env = 'UNSET'", ["sqlite:///env"]),
        ("[database]\nname = 'a'", ["sqlite:///env"]),
        ("[[database]]\nurl = 'sqlite:///a'", ["sqlite:///env"]),
        (
            "[[database]]\nurl = 'sqlite:///a'\nname = 'a'\n[[database]]\nname = 'b'",
            ["sqlite:///a", "sqlite:///env"],
        ),
    ],
)
def test_which_database_the_variable_is_for(
    tmp_path: Path, databases: str, urls: list[str]
) -> None:
    environ = {"DATABASE_URL": "sqlite:///env"}
    config = load(tmp_path, f'bucket = "photos"\n{databases}', environ)
    assert [database.url for database in config.databases] == urls


@pytest.mark.parametrize(
    "databases",
    [
        "database = ['sqlite:///a', {url = 'sqlite:///b', name = 'b'}]",
        "database = [{name = 'a'}, {name = 'b'}]",
    ],
)
def test_one_variable_for_several_databases_is_refused(tmp_path: Path, databases: str) -> None:
    environ = {"DATABASE_URL": "sqlite:///env"}
    assert "DATABASE_URL" in wrong(tmp_path, f'bucket = "photos"\n{databases}', environ)


def test_names_of_create_config_have_their_place_in_the_file(tmp_path: Path) -> None:
    text = f'bucket = "photos"\ncdc_backend = "mysql"\ncdc_connection_url = "{URL}"\ndatabases = []'
    assert wrong(tmp_path, text) == {
        "cdc_backend (line 2)": "it belongs under [database]: database.cdc_backend",
        "cdc_connection_url (line 3)": "it belongs under [database]: database.url",
        "databases (line 4)": 'did you mean "database"?',
    }


def test_by_default_the_environment_is_the_process_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.startswith(("S3GC_", "AWS_", "S3_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("S3GC_RETENTION_DAYS", "11")
    (tmp_path / "s3gc.toml").write_text('bucket = "photos"')
    assert load_config(tmp_path / "s3gc.toml").retention_days == 11


# Finding the file


def test_find_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    with pytest.raises(ConfigurationError, match=r"'s3gc.toml' \(not there\).*`s3gc init`"):
        find_config()
    (tmp_path / "s3gc.toml").touch()
    assert find_config() == Path("s3gc.toml")
    with pytest.raises(ConfigurationError, match=r"--config: .*`s3gc init`"):
        find_config(tmp_path / "other.toml")
    (tmp_path / "other.toml").touch()
    assert find_config(tmp_path / "other.toml") == tmp_path / "other.toml"
    with pytest.raises(ConfigurationError, match=r"--profile: .*prod\.toml.*`s3gc init`"):
        find_config(profile="prod")
    (tmp_path / "xdg" / "s3gc").mkdir(parents=True)
    (tmp_path / "xdg" / "s3gc" / "prod.toml").touch()
    assert find_config(profile="prod") == tmp_path / "xdg" / "s3gc" / "prod.toml"
    with pytest.raises(ConfigurationError, match="only one of"):
        find_config(tmp_path / "other.toml", "prod")


@pytest.mark.parametrize("profile", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_profile_is_a_plain_name(profile: str) -> None:
    with pytest.raises(ConfigurationError, match="letters, digits"):
        find_config(profile=profile)


def test_keys_of_the_dashboard_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text('bucket = "photos"\n[keys]\npane.log = "f2"\n"pane.jobs" = "f3"\nscan = "f5"\n')
    wanted = {"pane.log": "f2", "pane.jobs": "f3", "scan": "f5"}
    assert load_config(path, {}).keys == wanted
    path.write_text('bucket = "photos"\n[keys]\npane.log = 2\nscan = ""\n')
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, {})
    assert [problem.setting for problem in caught.value.problems] == [
        "keys.pane.log (line 3)",
        "keys.scan (line 4)",
    ]
    path.write_text('bucket = "photos"\nkeys = "f2"\n')
    with pytest.raises(ConfigurationError, match="a table"):
        load_config(path, {})


def test_a_budget_of_a_prefix_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text(
        'bucket = "photos"\n[guards]\nmax_objects = 5\n\n[guards.prefixes."a/"]\nmax_objects = 0\n'
        '[guards.prefixes."b c/"]\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, {"S3GC_MAX_SHARE": "0.3"})
    assert [problem.setting for problem in caught.value.problems] == [
        "guards.prefixes.'a/'.max_objects (line 6)",
        "guards.prefixes.'b c/' (line 7)",
    ]
    path.write_text(path.read_text().replace("= 0", "= 2") + "max_share = 0.1\n")
    config = load_config(path, {"S3GC_MAX_SHARE": "0.3"})
    assert config.guards == GuardLimits(
        max_objects=5,
        max_share=0.3,
        prefixes={"a/": PrefixBudget(max_objects=2), "b c/": PrefixBudget(max_share=0.1)},
    )
    # As JSON.
    shown = json.loads(json.dumps(config.redacted()))["guards"]["prefixes"]
    assert shown["a/"]["max_objects"] == 2
