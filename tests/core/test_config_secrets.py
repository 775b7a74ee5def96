"""No password in any error, traceback, repr or display, wherever it was written."""

from __future__ import annotations

import json
import tempfile
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core import create_config, create_config_from_env, load_config
from s3gc_core.config_create import CREATE_NAMES
from s3gc_core.config_environment import VARIABLES
from s3gc_core.errors import ConfigurationError
from s3gc_core.redaction import redact_url, shown, shown_url

SECRET = "Hunter9"
# The secret with anything around it: it must not show, in whichever way the text falls apart.
around = st.text(
    st.one_of(st.sampled_from("@/?#:%[] \n\t'\"\\=&,é"), st.characters(codec="utf-8")), max_size=6
)
passwords = st.builds(lambda before, after: f"{before}{SECRET}{after}", around, around)
forms = st.sampled_from(
    [
        "postgresql://app:{}@db.example/app",
        "postgresql://app:{}@db.example:port/app",
        "oracle://app:{}@db.example/app",
        "mysql://app:{}@[::1/app",
        "mysql://app:{}",
        "mysql://app:5/a?{}=",
        "postgresql://app@db.example/app?sslmode={}",
        "postgresql://app@db.example/app?sslmode=require&{}=1",
        "postgresql://db.example/app?password={}",
        "postgresql:/app:{}@db.example/app",
        "host=db.example password={} user=app",
        "see postgresql://app:{}@db.example/app",
        "app:{}@db.example",
        "https://key:{}@s3.example.com",
        "sqlite://app:{}@file.db",
    ]
)


def everything_said(error: ConfigurationError) -> str:
    parts = [str(error), repr(error), repr(error.problems), error.why, error.next_step]
    return "\n".join([*parts, *traceback.format_exception(error)])


def silent(error: ConfigurationError) -> bool:
    return SECRET not in everything_said(error)


@given(passwords, forms, st.sampled_from(sorted(CREATE_NAMES)), st.integers(0, 3))
def test_in_any_setting(password: str, form: str, setting: str, depth: int) -> None:
    value: Any = form.format(password)
    for wrapped in range(depth):
        value = [value] if wrapped % 2 else {"url": value}
    settings: dict[str, Any] = {"bucket": "photos", "retention_days": 0, setting: value}
    with pytest.raises(ConfigurationError) as caught:
        create_config(**settings)
    assert silent(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "settings",
    [
        {"database": SECRET},
        {"databases": [SECRET]},
        {"database": {"url": SECRET}},
        {"cdc_connection_url": SECRET},
        {"endpoint_url": SECRET},
        {"tables": {"users": [{"column": "avatar", "database": SECRET}]}},
    ],
)
def test_what_should_be_a_url_and_is_none(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"a text that is no URL \(hidden\)") as caught:
        create_config(bucket="photos", **settings)
    assert silent(caught.value)


@given(passwords, forms)
def test_as_a_name(password: str, form: str) -> None:
    name = form.format(password)
    settings: dict[str, Any] = {"bucket": "photos", name: name, "guards": {name: name}}
    with pytest.raises(ConfigurationError) as caught:
        create_config(**settings, databases=[{name: name}], tables={"t": {name: name}})
    assert silent(caught.value)


@pytest.mark.parametrize("variable", ["S3GC_CDN_BASES", "S3GC_URL_PATTERNS"])
def test_in_a_list_whose_commas_cut_it_out_of_its_url(variable: str) -> None:
    environ = {"S3_BUCKET": "photos", variable: f"postgresql://app:,{SECRET},@db.example/app"}
    with pytest.raises(ConfigurationError) as caught:
        create_config_from_env(environ=environ)
    assert silent(caught.value)


@given(passwords, forms, st.sampled_from(sorted({*VARIABLES, "DATABASE_URL"})))
def test_in_any_variable(password: str, form: str, variable: str) -> None:
    environ = {"S3_BUCKET": "photos", variable: form.format(password), "S3GC_NO_SUCH": password}
    with pytest.raises(ConfigurationError) as caught:
        create_config_from_env(environ=environ)
    assert silent(caught.value)


@given(passwords, forms, st.booleans())
def test_in_a_file(password: str, form: str, valid: bool) -> None:
    text = json.dumps(form.format(password).replace("\x7f", ""))
    end = "" if valid else "\nbucket == 'x'"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s3gc.toml"
        path.write_text(f"retention_days = 0\n[database]\nurl = {text}\nurll = {text}{end}\n")
        with pytest.raises(ConfigurationError) as caught:
            load_config(path, {})
    assert silent(caught.value)
    assert caught.value.__context__ is None


@given(passwords.filter(lambda password: "\0" not in password))
def test_a_valid_configuration_does_not_show_it(password: str) -> None:
    url = f"postgresql://app:{quote(password, safe='')}@db.example:5432/app"
    config = create_config(bucket="photos", database=url)
    assert config.databases[0].url == url
    assert SECRET not in repr(config)
    assert SECRET not in str(config.redacted())
    assert config.redacted()["databases"] == [
        {
            "url": "postgresql://app@db.example:5432/app",
            "name": "main",
            "cdc": False,
            "cdc_backend": None,
            "cdc_over": "replication",
            "max_kept_bytes": 10 << 30,
            "replica_ok": False,
        }
    ]
    assert redact_url(url) == "postgresql://app:***@db.example:5432/app"


@given(passwords, forms)
def test_redaction(password: str, form: str) -> None:
    text = form.format(password)
    if "://" in text:
        assert SECRET not in redact_url(text)
    assert SECRET not in shown(text)
    assert SECRET not in shown_url(text)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mysql://app:pw@db:3306/shop", "mysql://app:***@db:3306/shop"),
        ("mysql://app:p@w@db/shop", "mysql://app:***@db/shop"),
        ("mysql://token@db/shop", "mysql://***@db/shop"),
        ("mysql://db/shop?a=b", "mysql://db/shop?***"),
        ("postgresql://a:b@[::1]:5432,h2/x", "postgresql://a:***@[::1]:5432,h2/x"),
        ("sqlite:////srv/app.db", "sqlite:////srv/app.db"),
        ("mysql://app:p/w@db/shop", "mysql://***"),
        ("mysql://app:pw", "mysql://***"),
        ("app:pw@db", "***"),
    ],
)
def test_what_is_left_of_a_url(url: str, expected: str) -> None:
    assert redact_url(url) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "nothing"),
        (True, "true"),
        (7, "7"),
        (0.5, "0.5"),
        ("photos", "'photos'"),
        ("a\x1b[31m\u202e", r"'a\x1b[31m\u202e'"),
        ("x" * 100, f"'{'x' * 80}...'"),
        (Path("a/b"), "'a/b'"),
        ({"a": 1}, "a table"),
        (["a"], "a list of 1"),
        (b"abc", "a value of type bytes"),
        ("pwd = x", "a text that may hold a secret (hidden)"),
        ("tokens/", "'tokens/'"),
    ],
)
def test_how_values_are_shown(value: object, expected: str) -> None:
    assert shown(value) == expected


def test_a_number_without_end_is_shown_too() -> None:
    # Python refuses to print a number of more than 4300 digits.
    assert shown(10**5000) == "a number of more than 18 digits"
