"""The file that `s3gc init` writes is valid, complete, and changes nothing."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from s3gc_core import CONFIG_TEMPLATE, load_config
from s3gc_core.config import Codec, Config, DatabaseConfig, GuardLimits, PrefixBudget, SourceConfig
from s3gc_core.errors import ConfigurationError


def load(folder: Path, text: str) -> Config:
    path = folder / "s3gc.toml"
    path.write_text(text)
    return load_config(path, {"APP_DATABASE_URL": "sqlite:////a.db"})


def test_it_is_valid_but_for_the_bucket(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, CONFIG_TEMPLATE)
    assert [p.setting.partition(" ")[0] for p in caught.value.problems] == ["bucket"]


def test_it_holds_the_defaults(tmp_path: Path) -> None:
    text = CONFIG_TEMPLATE.replace('bucket = ""', 'bucket = "photos"')
    assert load(tmp_path, text) == Config("photos", vault_path=tmp_path / "s3gc_vault")


def test_every_setting_is_written(tmp_path: Path) -> None:
    written = set(re.findall(r"^([a-z_]+) = ", CONFIG_TEMPLATE, re.MULTILINE))
    settings = {field.name for of in (Config, GuardLimits) for field in fields(of)}
    assert written == settings - {
        "databases", "sources", "guards", "prefixes", "prices", "keys", "replica",
        "api",
    }  # fmt: skip
    for header in ("[guards]", "# [replica]", "# [api]", "# [keys]", "# [database]", "[tables]"):
        assert f"\n{header}\n" in CONFIG_TEMPLATE
    for name in (*(field.name for field in fields(DatabaseConfig)), "url_env"):
        assert f"\n# {name} = " in CONFIG_TEMPLATE
    for name in {*(field.name for field in fields(SourceConfig))} - {"table", "columns"}:
        assert f"{name} = " in CONFIG_TEMPLATE.partition("[tables]")[2]
    assert all(str(codec) in CONFIG_TEMPLATE for codec in Codec)


def test_its_examples_are_valid(tmp_path: Path) -> None:
    text = CONFIG_TEMPLATE.replace('bucket = ""', 'bucket = "photos"')
    head, tables, tail = text.partition("# [database]")
    # Prose begins with a capital letter, and goes on until the next example.
    prose = r"^# (?:The|A codec|A template)\b.*\n(?:# (?![\"\w.]+ = ).*\n)*|^# url = .*\n"
    examples = re.sub(prose, "", tables + tail, flags=re.MULTILINE)
    examples = re.sub(r"^# ?", "", examples, flags=re.MULTILINE)
    needs_cdc = r"^(?:cdc_backend|cdc_over|max_kept_bytes) = .*\n"
    examples, count = re.subn(needs_cdc, "", examples, flags=re.MULTILINE)
    assert count == 3
    config = load(tmp_path, head + examples)
    assert config.databases == (DatabaseConfig("sqlite:////a.db"),)
    assert [source.name for source in config.sources] == [
        "main:users.avatar_url",
        "main:users.cover_photo",
        "main:posts.body",
        "main:posts.image",
        "main:articles.meta",
        "main:articles.gallery",
        "main:articles.log",
        "main:articles.pictures",
        "main:media.files.files/{id:.2}/{id}.{type}",
        "main:media.thumbs.thumbs/{hash[0:2]}/{hash}_{200,400,800}.webp",
    ]
    assert {source.codec for source in config.sources} == set(Codec) - {Codec.KEY, Codec.URL}


def test_its_example_of_keys_is_valid(tmp_path: Path) -> None:
    text = CONFIG_TEMPLATE.replace('bucket = ""', 'bucket = "photos"')
    for commented in ("[keys]", "pane.log = ", "execute = "):
        text = text.replace(f"# {commented}", commented)
    assert load(tmp_path, text).keys == {"pane.log": "f2", "execute": "alt+x"}


def test_its_example_of_a_prefix_is_valid_and_whole(tmp_path: Path) -> None:
    text = CONFIG_TEMPLATE.replace('bucket = ""', 'bucket = "photos"')
    head, start, tail = text.partition("# [guards.prefixes")
    example, blank, rest = (start + tail).partition("\n\n")
    config = load(tmp_path, head + re.sub(r"^# ", "", example, flags=re.MULTILINE) + blank + rest)
    assert config.guards.prefixes == {
        "avatars/": PrefixBudget(1000, 1 << 30, 0.2, 2000, 2 << 30),
    }
    # Each setting is in it, as the defaults are all None.
    assert None not in vars_of(config.guards.prefixes["avatars/"])


def vars_of(budget: PrefixBudget) -> list[object]:
    return [getattr(budget, field.name) for field in fields(budget)]
