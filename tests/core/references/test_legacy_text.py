"""Text that went through Latin-1 is read back, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.references.legacy_text import legacy_bytes, misread, read_again

TEXTS = st.text(st.characters(codec="utf-8")) | st.text("m\u00fc\u00e0\u00c5\u20ac\u044f\u65e5/")


@given(TEXTS)
def test_what_was_misread_is_read_again(text: str) -> None:
    as_latin, as_windows = misread(text)
    assert as_latin == text.encode().decode("latin-1")
    assert read_again(as_latin) == read_again(as_windows) == text


@given(st.text(st.characters(codec="cp1252")))
def test_bytes_that_are_no_utf_8_are_windows_1252(text: str) -> None:
    data = text.encode("cp1252")
    assert legacy_bytes(text) == data
    kept = "".join(chr(0xDC00 + code) if code > 0x7F else chr(code) for code in data)
    assert read_again(kept) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a.jpg",
            "\u00fc.jpg",
            "\u65e5.jpg",
            "\u00c3.jpg",
            "\u00bc\u00c3",
            "\u00c3(",
            "\u00c0\u00af",
        ),
        "\u00ed\u00a0\u20ac",  # half of a surrogate pair
    ],
)
def test_what_nobody_misread_stays(text: str) -> None:
    assert read_again(text) == text


def test_beside_what_was_not_misread() -> None:
    assert read_again("\u00e9/m\u00c3\u00bc/\u65e5") == "\u00e9/m\u00fc/\u65e5"


def test_the_codes_that_windows_1252_does_not_have() -> None:
    assert [*misread("\u0141\u00cd")][1] == "\u00c5\x81\u00c3\x8d"
    assert legacy_bytes("\u0141") is None
