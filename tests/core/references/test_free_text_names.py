"""Names in free text, however they stand there; each was once missed, and its object an orphan."""

from __future__ import annotations

import pytest

from s3gc_core.config import Codec
from s3gc_core.references import BucketNames, keys_of_value

NAMES = BucketNames("photos")


@pytest.mark.parametrize("codec", [Codec.TEXT, Codec.AUTO])
@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("<img src=a/q.jpg alt=x>", "a/q.jpg"),
        ("size=300\nimage=a/q.jpg\n", "a/q.jpg"),
        ("size:300 image:a/q.jpg left", "a/q.jpg"),
        ("size=300&image=a%2Fq.jpg&x=1", "a/q.jpg"),
        ("image=a%2Fq%2Ejpg", "a/q.jpg"),
        ("image=a=b.jpg here", "a=b.jpg"),
        ("See [[File:a/q.jpg|thumb]]", "a/q.jpg"),
        ("first line\na/my cat (2).png\nlast line", "a/my cat (2).png"),
        ("first line\r\n  a/my cat's.png\r\nlast line", "a/my cat's.png"),
        ('<img src="a&#47;q&#34;q&#46;jpg">', 'a/q"q.jpg'),
        ('a/my "cat" [2], (3).png', 'a/my "cat" [2], (3).png'),
        # The second half of what was misread is white space, or a mark.
        ("see a/voil\u00c3\u00a0.jpg left", "a/voil\u00e0.jpg"),
        ("see \u00bba/\u00c3\u00bc\u00c3\u2026.jpg\u00ab", "a/\u00fc\u00c5.jpg"),
        ("image:9000/a/q.jpg", "9000/a/q.jpg"),
        ("a//image:9000/a/q.jpg", "9000/a/q.jpg"),
    ],
)
def test_the_name_is_found(codec: Codec, value: str, key: str) -> None:
    assert key in keys_of_value(codec, value, NAMES)


BESIDE = (
    *(
        "see **{}** please",
        "see _{}_ please",
        "see ~~{}~~",
        "#{}",
        "^{}^",
        "\u201c{}\u201d",
        "\u00ab{}\u00bb",
    ),
    *(
        "\u8bf7\u770b{}\uff0c\u8c22\u8c22",
        "\u8bf7\u770b {}\u3002",
        "{}\u3001{}",
        "a\u3001{}",
        "\u2022{}",
        "x \u2014 {}\u2026",
        "x\u2013{}",
    ),
    *(
        "{}->done",
        "a->{}",
        "{}=>b",
        "a\u2192{}\u2192b",
        "\u200b{}\u200b",
        "b.jpg%2C{}",
        "{}%2Cb.jpg",
        "b.jpg%0A{}",
    ),
    *("\u00b7{}\u00b7", "\xa0{}\xa0", "{}\uff1b", "\u300c{}\u300d", "\u0e14\u0e39{}"),
)


@pytest.mark.parametrize("codec", [Codec.TEXT, Codec.AUTO])
@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("key", ["uploads/2024/a-3f.jpg", "caf\u00e9/\u00fcber.jpg"])
def test_a_name_is_found_beside_marks_of_any_script(codec: Codec, beside: str, key: str) -> None:
    assert key in keys_of_value(codec, beside.replace("{}", key), NAMES)


def test_the_port_of_a_url_is_no_folder() -> None:
    names = BucketNames("photos", "store.test:9000")
    url = "http://store.test:9000/other-bucket/a/q.jpg"
    for codec in (Codec.TEXT, Codec.AUTO):
        assert keys_of_value(codec, url, names) == {url}
        assert keys_of_value(codec, f'<img src="{url}">', names) >= {url}
        found = keys_of_value(codec, f"see //store.test:9000/other/a/q.jpg or image={url}", names)
        assert not {key for key in found if key.startswith("9000")}
