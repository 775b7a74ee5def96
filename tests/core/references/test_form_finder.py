"""Forms are found beside the marks that they share, and by an automaton where they share none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3gc_core.references.form_finder import MANY, MARKS, FormFinder, Match

# So few letters that forms hold, overlap and nearly equal each other, marks and the border among
# them.
LETTERS = st.sampled_from(b"ab/.\0\n").map(lambda code: bytes([code]))
FORMS = st.lists(LETTERS, min_size=1, max_size=40).map(b"".join)


def one_by_one(forms: list[bytes], text: bytes) -> set[Match]:
    """Each form looked for at each place."""
    return {
        (number, start, start + len(form))
        for number, form in enumerate(forms)
        for start in range(len(text))
        if text.startswith(form, start)
    }


@given(
    st.lists(FORMS, min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 39), FORMS | st.just(b"")), max_size=8),
)
def test_every_form_is_found_wherever_it_is(
    forms: list[bytes], pieces: list[tuple[int, int, bytes]]
) -> None:
    """Forms and their ends, with others between them or nothing."""
    text = b"".join(forms[n % len(forms)][cut % 7 :] + other for n, cut, other in pieces)
    found = FormFinder(forms, range(len(forms)), many=1).find(text)
    assert sorted(found) == sorted(one_by_one(forms, text))
    assert [end for _, _, end in found] == sorted(end for _, _, end in found)


@pytest.mark.parametrize(
    ("form", "mark"),
    [
        ("uploads/{n}/{name}.jpg", MARKS[0]),
        ("uploads/{n}/{short}.jpg", MARKS[1]),
        ("uploads/{name}/thumb.jpg", MARKS[2]),
        ("{short}/t.jpg", MARKS[3]),
        ("{name}.jpg", MARKS[4]),
        ("{short}.jpg", MARKS[5]),
        ("{name}", None),
    ],
)
def test_what_forms_have_in_common_is_looked_for(form: str, mark: object) -> None:
    """Each way to look finds the same as a look at each place."""
    chance = random.Random(1)
    forms = [
        form.format(
            n=chance.randrange(9),
            name=f"{chance.getrandbits(96):024x}",
            short=f"{chance.getrandbits(32):08x}",
        ).encode()
        for _ in range(MANY)
    ]
    finder = FormFinder(forms, range(len(forms)))
    assert [used for used, _ in finder._marked] == ([mark] if mark else [])
    some = chance.sample(range(len(forms)), 5)
    whole = [form for n in some for form in (forms[n], forms[n] + b"0")]
    parts = [part for n in some for part in (forms[n][1:], forms[n][:-1])]
    text = b"".join(chance.choice([b"", b"/", b".", b" and "]) + one for one in whole + parts)
    assert {number for number, _, _ in finder.find(text)} == set(some)
    assert set(finder.find(text)) == one_by_one(forms, text)


def test_what_too_many_forms_share_says_nothing() -> None:
    """Names that repeat in every folder are told apart by their folders."""
    forms = [f"{n:016d}/original-picture.jpg".encode() for n in range(MANY)]
    finder = FormFinder(forms, range(len(forms)))
    assert [used for used, _ in finder._marked] == [MARKS[2]]
    assert finder.find(b" ".join(forms[5:7])) == [(5, 0, 37), (6, 38, 75)]
