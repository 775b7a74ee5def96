"""Templates: which keys a row makes, in which order, and what is no template."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_core.key_template import MOST_KEYS, BadTemplate, parse_template

ROW = {"id": "7", "hash": "abcdef", "type": "jpg", "odd name": "x", "empty": ""}


@pytest.mark.parametrize(
    ("template", "keys"),
    [
        ("files/{id}.{type}", ["files/7.jpg"]),
        ("{hash[0:2]}/{hash[2:4]}/{hash}", ["ab/cd/abcdef"]),
        ("{hash[:2]}/{hash[2:]}/{hash[-1:]}/{hash[:-4]}", ["ab/cdef/f/ab"]),
        ("{hash[:]}", ["abcdef"]),
        ("{hash[4:9]}/{hash[8:9]}/{empty[0:2]}", ["ef//"]),
        ("{hash:.2}/{hash[2:4]:0>4}/{id:0>3}", ["ab/00cd/007"]),
        ("t/{id}_{200,400,800}.webp", ["t/7_200.webp", "t/7_400.webp", "t/7_800.webp"]),
        ("{id}{,_small}.{jpg,webp}", ["7.jpg", "7.webp", "7_small.jpg", "7_small.webp"]),
        ("{id}{a,a,b}", ["7a", "7b"]),
        ("{id}{-,_}{odd name}", ["7-x", "7_x"]),
        ("{{{id}}}/{{a,b}}", ["{7}/{a,b}"]),
        ("{{{{{id}", ["{{7"]),
        ("a/[0:2],{id}:x", ["a/[0:2],7:x"]),
    ],
)
def test_keys(template: str, keys: list[str]) -> None:
    assert list(parse_template(template).keys(ROW)) == keys


def test_columns_come_once_and_in_order() -> None:
    template = parse_template("{b[0:2]}/{a}/{x,y}/{b:.3}/{c d}")
    assert template.columns == ("b", "a", "c d")


@pytest.mark.parametrize(
    "text",
    [
        *("", "plain", "{{id}}", "{a,b}", "{}", "{id", "id}", "{id}}", "{{id}", "{{}}"),
        *("{0}", "{ 1 }", "{id.x}", "{id!r}", "{id[0]}", "{id[0:2:1]}", "{id[a:]}", "{id[0,2]}"),
        *("{id:{x}}", "{id:d}", "{id:>99999}", "{id}{a:.2,b}", "{id}{a,{x}}", "{id[12345:]}"),
    ],
)
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(BadTemplate):
        parse_template(text)


def test_a_row_has_a_bounded_number_of_keys() -> None:
    ten = "{0,1,2,3,4,5,6,7,8,9}"
    assert len(list(parse_template("{id}" + ten * 3).keys(ROW))) == MOST_KEYS
    with pytest.raises(BadTemplate, match="more than 1000"):
        parse_template("{id}" + ten * 3 + "{a,b}")


@settings(max_examples=200, deadline=None)
@given(
    before=st.text(max_size=20),
    value=st.text(max_size=20),
    bounds=st.tuples(st.none() | st.integers(-99, 99), st.none() | st.integers(-99, 99)),
)
def test_any_text_and_any_slice(
    before: str, value: str, bounds: tuple[int | None, int | None]
) -> None:
    start, stop = ("" if bound is None else str(bound) for bound in bounds)
    escaped = before.replace("{", "{{").replace("}", "}}")
    template = parse_template(f"{escaped}{{id[{start}:{stop}]}}/{{id}}")
    assert list(template.keys({"id": value})) == [f"{before}{value[bounds[0] : bounds[1]]}/{value}"]
