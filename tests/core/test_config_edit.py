"""Sources are added to a file that keeps everything else as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3gc_core.config import Codec, SourceConfig
from s3gc_core.config_edit import (
    add_sources,
    by_table,
    patterns_line,
    table_line,
    with_sources,
)
from s3gc_core.config_file import load_config
from s3gc_core.errors import ConfigurationError

FILE = """\
# our photos
bucket = "photos"   # the old one
[database]
url = "sqlite:///app.db"

[tables]
# who
users = ["avatar"]  # and what
posts = { column = "body", codec = "text" }
"""
NEW = [
    SourceConfig("users", ("cover",)),
    SourceConfig("posts", ("data",), Codec.JSON),
    SourceConfig("odd.table", ("a", "b"), Codec.TEMPLATE, "x/{a}/{b}", database="second"),
]


def test_what_is_added_is_read_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text(
        FILE.replace("[database]", "[[database]]")
        + '[[database]]\nname = "second"\nurl = "sqlite:///b.db"\n'
    )
    path.chmod(0o640)
    before = load_config(path, {})
    add_sources(path, NEW, "main", {})
    after = load_config(path, {})
    assert set(after.sources) == {*before.sources, *NEW}
    assert path.stat().st_mode & 0o777 == 0o640
    text = path.read_text()
    for comment in ("# our photos", "# the old one", "# who"):
        assert comment in text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "text", ["", 'bucket = "photos"\n', "[tables]\n", "[guards]\nmax_objects = 5\n"]
)
def test_a_file_with_no_tables_yet(text: str) -> None:
    assert 'users = ["cover"]' in with_sources(text, NEW[:1], "main")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ["/b/{key}", "/a/{key} -> x/{key}"]),
        ('url_patterns = ["/b/{key}"]\n', ["/b/{key}", "/a/{key} -> x/{key}"]),
        ("url_patterns = [  # of ours\n]\n", ["/b/{key}", "/a/{key} -> x/{key}"]),
    ],
)
def test_url_patterns_are_added_before_the_first_table(
    tmp_path: Path, before: str, after: list[str]
) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text(FILE.replace("[database]", f"{before}[database]"))
    add_sources(path, NEW[:1], "main", {}, ["/b/{key}", "/a/{key} -> x/{key}"])
    config = load_config(path, {})
    assert list(config.url_patterns) == after
    assert NEW[0] in config.sources


def test_a_pattern_that_is_none_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text(FILE)
    with pytest.raises(ConfigurationError):
        add_sources(path, (), "main", {}, ["{key}"])
    assert path.read_text() == FILE


def test_the_line_of_patterns_to_paste() -> None:
    assert patterns_line(["/media/{key}"]) == 'url_patterns = ["/media/{key}"]'


def test_a_file_that_would_be_wrong_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text(FILE)
    with pytest.raises(ConfigurationError):
        add_sources(path, [SourceConfig("users", ("avatar",))], "main", {})  # there already
    assert path.read_text() == FILE
    assert list(tmp_path.iterdir()) == [path]


def test_the_lines_to_paste() -> None:
    lines = [table_line(t, entries) for t, entries in by_table(NEW, "main").items()]
    assert lines == [
        'users = ["cover"]',
        'posts = [{column = "data", codec = "json"}]',
        '"odd.table" = [{template = "x/{a}/{b}", database = "second"}]',
    ]


@pytest.mark.parametrize("column", ['quo"te', "back\\slash", "ünïcode", "new\nline", "tab\t"])
def test_odd_names_survive(tmp_path: Path, column: str) -> None:
    path = tmp_path / "s3gc.toml"
    path.write_text(FILE)
    add_sources(path, [SourceConfig("users", (column,))], "main", {})
    assert column in {source.columns[0] for source in load_config(path, {}).sources}
