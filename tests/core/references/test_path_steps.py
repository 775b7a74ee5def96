"""Steps that go up or nowhere, compared with how Python's URLs resolve them."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.references.path_steps import without_dots, without_dots_in

STEPS = st.lists(st.sampled_from(["a", "b c", "..", "..", ".", "..x", "y.", ".z"]), min_size=1)


@given(STEPS)
def test_as_a_browser_takes_them(steps: list[str]) -> None:
    path = "/".join([*steps, "e.jpg"])
    assert without_dots(f"/{path}") == urljoin("https://h", f"/{path}").removeprefix("https://h")
    assert f"/{without_dots(path)}" == without_dots(f"/{path}")
    assert without_dots(f"https://h/{path}") == urljoin("https://h", f"/{path}")


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("a/../..", ".."),
        ("a/b/./", "a/b/"),
        ("a//../b", "a/b"),
        ("..", ".."),
        ("C:/data/../a.jpg", "C:/a.jpg"),
        ("https:/h/../a.jpg", "https:/h/a.jpg"),
        ("a.jpg", "a.jpg"),
    ],
)
def test_ends_and_beginnings(path: str, taken: str) -> None:
    assert without_dots(path) == taken


@given(st.lists(st.sampled_from(["a", "/", ".", "/../", "/./", "\0", "\n"]), max_size=30))
def test_in_a_text_no_value_and_no_line_goes(pieces: list[str]) -> None:
    text = "".join(pieces)
    taken = without_dots_in(text.encode())
    assert (taken.count(b"\0"), taken.count(b"\n")) == (text.count("\0"), text.count("\n"))


@given(st.lists(STEPS, min_size=1, max_size=3))
def test_in_a_text_every_path_is_taken(paths: list[list[str]]) -> None:
    written = ["/".join(["p", *path, "e.jpg"]) for path in paths]
    taken = without_dots_in("\0".join(written).encode()).decode().split("\0")
    for path, found in zip(written, taken, strict=True):
        assert found.endswith(without_dots(path).removeprefix("p/"))


def test_a_text_of_many_steps_takes_no_time() -> None:
    without_dots_in(b"\0" + b"a/" * 200_000 + b"../" * 200_000)
    without_dots_in(b"\0" + b"x" * 2_000_000 + b"/../")
