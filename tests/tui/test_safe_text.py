"""What reaches the terminal: every hidden character as an escape, and no two texts alike."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3gc_tui.safe_text import printable, safe_text

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Any code point at all: lone surrogates come from undecodable arguments and file names.
anything = st.text(st.characters(codec=None) | st.characters(categories=["Cc", "Cf", "Cs"]))
visible_ascii = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\")
)


@given(anything)
def test_nothing_hidden_gets_through(text: str) -> None:
    shown = safe_text(text)
    assert {unicodedata.category(c) for c in shown} & HIDDEN == set()
    assert shown.encode().decode() == shown  # no lone surrogate is left


@given(visible_ascii)
@example("[red]bold[/red] [@click=app.quit]x[/]")
def test_what_everybody_can_see_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text


@given(anything, anything)
@example("\x1b", r"\x1b")
@example("\u202e", r"\u{202e}")
@example("\x1b", "\\\\x1b")
@example("a\\", "a\\\\")
def test_two_texts_never_look_alike(one: str, other: str) -> None:
    assert (safe_text(one) == safe_text(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]52;c;Y3VybA==\x07", r"\x1b]52;c;Y3VybA==\x07"),
        ("a\nb\rc\td", r"a\x0ab\x0dc\x09d"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("photo\u202egpj.exe", r"photo\u{202e}gpj.exe"),
        ("zero\u200bwidth\ufeff", r"zero\u{200b}width\u{feff}"),
        ("\u2028\u2029", r"\u{2028}\u{2029}"),
        ("\ue000\U000e0041", r"\u{e000}\u{e0041}"),
        ("\udcff", r"\u{dcff}"),
        ("日本語 ümläut 😀", "日本語 ümläut 😀"),
        ("", ""),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert safe_text(text) == shown


GLYPHLESS = {
    "hangul": "\u3164",
    "half hangul": "\uffa0",
    "choseong": "\u115f",
    "jungseong": "\u1160",
    "braille": "\u2800",
    "variation": "\ufe0f",
    "no-break": "\u00a0",
    "ideographic": "\u3000",
    "em": "\u2003",
}


@pytest.mark.parametrize("invisible", GLYPHLESS.values(), ids=GLYPHLESS)
def test_letters_and_spaces_without_a_glyph_are_shown(invisible: str) -> None:
    """They belong to no hidden category, and still make one key look like another."""
    assert safe_text(f"a{invisible}b") == rf"a{escape(invisible)}b"


def escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("e\u0301", "e\u0301"),
        ("e\u0301\u0302", "e\u0301\u0302"),
        ("e\u0301\u0302\u0303x", "e\u0301\u0302\\u{303}x"),
        ("e" + "\u0301" * 5, "e\u0301\u0301" + "\\u{301}" * 3),
        ("\u0301x", "\\u{301}x"),
        ("\u0939\u093f\u0902", "\u0939\u093f\u0902"),
    ],
)
def test_marks_are_not_piled_up(text: str, shown: str) -> None:
    assert safe_text(text) == shown
    assert printable(text) == shown
    assert printable(safe_text(text)) == shown
