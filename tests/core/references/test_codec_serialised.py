"""Serialised values: every key inside is found, and nothing in them is carried out."""

from __future__ import annotations

import pickle
import pickletools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3gc_core.config import Codec
from s3gc_core.references import keys_of_value
from s3gc_core.references.codecs.serialised import binary_strings, strings
from tests.core.references.test_codec_round_trips import ODD_KEYS
from tests.core.references.writings import AS_BYTES, KEYS, NAMES, BytesWriting, php, wordpress

READERS = (Codec.TEXT, Codec.AUTO)


@pytest.mark.parametrize("writing", AS_BYTES.values(), ids=list(AS_BYTES))
def test_odd_keys_in_bytes(writing: BytesWriting) -> None:
    lost = [
        (codec, key)
        for key in ODD_KEYS
        for codec in READERS
        if key not in keys_of_value(codec, writing(key), NAMES)
    ]
    assert lost == []


@settings(max_examples=100, deadline=None)
@given(key=KEYS)
def test_any_key_in_bytes(key: str) -> None:
    lost = [
        (codec, name)
        for name, writing in AS_BYTES.items()
        for codec in READERS
        if key not in keys_of_value(codec, writing(key), NAMES)
    ]
    assert lost == []


@settings(max_examples=150, deadline=None)
@given(key=KEYS | st.text(min_size=1, max_size=20))
def test_any_string_of_php_is_read_by_its_length_in_bytes(key: str) -> None:
    """It may hold quotes, semicolons, braces, and what looks like the end of itself."""
    for inside in (key, f'{key}";s:1:"x', f'a";}}{key}'):
        text = php({"a": 1, "b": {"c": inside}, "d": "z"})
        assert {"a", "b", "c", inside, "d", "z"} <= set(strings(text))


def test_a_length_that_ends_inside_of_a_string_is_none_of_php() -> None:
    assert set(strings('s:3:"a/b.jpg";')) == set()


def test_php_strings_with_wrong_lengths() -> None:
    """A search and replace over the whole database makes them wrong: read as text."""
    broken = 's:5:"https://photos.s3.amazonaws.com/uploads/a b.jpg";'
    assert "uploads/a b.jpg" in keys_of_value(Codec.TEXT, broken, NAMES)


ATTACHMENT = (
    'a:6:{s:5:"width";i:2400;s:6:"height";i:1600;s:4:"file";s:17:"2024/05/photo.jpg";'
    's:8:"filesize";i:412345;s:5:"sizes";a:2:{s:6:"medium";a:5:{s:4:"file";'
    's:17:"photo-300x200.jpg";s:5:"width";i:300;s:6:"height";i:200;s:9:"mime-type";'
    's:10:"image/jpeg";s:8:"filesize";i:9000;}s:9:"thumbnail";a:5:{s:4:"file";'
    's:17:"photo-150x150.jpg";s:5:"width";i:150;s:6:"height";i:150;s:9:"mime-type";'
    's:10:"image/jpeg";s:8:"filesize";i:4000;}}s:14:"original_image";s:12:"original.jpg";}'
)
SIZES = {
    "2024/05/photo.jpg",
    "2024/05/photo-300x200.jpg",
    "2024/05/photo-150x150.jpg",
    "2024/05/original.jpg",
}


@pytest.mark.parametrize("codec", READERS)
def test_the_sizes_of_an_attachment_lie_in_the_folder_of_its_file(codec: Codec) -> None:
    found = keys_of_value(codec, ATTACHMENT, NAMES)
    assert found >= SIZES
    assert {key for key in found if key.startswith("2024/") and "/" in key[5:]} == SIZES
    assert "image/photo-150x150.jpg" not in found


def test_the_sizes_of_an_attachment_in_json() -> None:
    text = (
        '{"file": "2024/05/photo.jpg", "sizes": {"t": {"file": "photo-150x150.jpg"}},'
        ' "original_image": "original.jpg"}'
    )
    found = keys_of_value(Codec.JSON, text, NAMES)
    assert {"2024/05/photo.jpg", "2024/05/photo-150x150.jpg", "2024/05/original.jpg"} <= found
    # Without a main file and sizes, a base name is only itself.
    plain = keys_of_value(Codec.JSON, '{"file": "x/a.jpg", "other": "b.jpg"}', NAMES)
    assert plain == {"file", "x/a.jpg", "other", "b.jpg"}


def test_a_main_file_that_is_a_url() -> None:
    text = php({"file": "https://photos.s3.amazonaws.com/w/2024/p.jpg", "sizes": {"file": "s.jpg"}})
    assert {"w/2024/p.jpg", "w/2024/s.jpg"} <= keys_of_value(Codec.TEXT, text, NAMES)


def test_base_names_are_joined_with_few_folders() -> None:
    text = php({**{f"{n}": f"folder{n}/x.jpg" for n in range(50)}, "last": "base.jpg"})
    joined = {s for s in strings(text) if s.endswith("/base.jpg")}
    assert joined == {f"folder{n}/base.jpg" for n in range(8)}
    assert php(wordpress("a/b.jpg")).count("b.jpg") == 2


RUBY = """\
--- !ruby/hash:ActiveSupport::HashWithIndifferentAccess
:cover: uploads/cover image.jpg
gallery:
- uploads/1.jpg
- 'uploads/it''s.jpg'
- "uploads/caf\\xC3\\xA9 \\"x\\".jpg"
-   - deep/er.jpg
- !ruby/object:Upload
  path: &1 deep/upload.jpg
  "odd name": x/odd.jpg
note: >-
  see uploads/note.jpg
binary: !binary |-
  dXBsb2Fkcy/DqS5qcGc=
long: a long text of many words that the writer has folded because it is long
  uploads/folded.jpg
path: uploads/a very long name of a file that has been folded where it has a
  space.jpg
"""


@pytest.mark.parametrize("codec", READERS)
def test_yaml_as_ruby_writes_it(codec: Codec) -> None:
    assert {
        "uploads/cover image.jpg",
        "uploads/1.jpg",
        "uploads/it's.jpg",
        "deep/er.jpg",
        "deep/upload.jpg",
        "x/odd.jpg",
        "uploads/note.jpg",
        "uploads/\u00e9.jpg",
        "uploads/folded.jpg",
        "uploads/a very long name of a file that has been folded where it has a space.jpg",
    } <= keys_of_value(codec, RUBY, NAMES)


class _Executed:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_never_executed(protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    value = pickle.dumps({"image": "a/b.jpg", "x": _Executed(mark)}, protocol)
    pickle.loads(value)  # the trap works
    assert mark.exists()
    mark.unlink()
    for codec in Codec:
        if codec not in (Codec.TEMPLATE, Codec.REGEX):
            keys_of_value(codec, value, NAMES)
            keys_of_value(codec, value.decode("latin-1"), NAMES)
    assert "a/b.jpg" in keys_of_value(Codec.AUTO, value, NAMES)
    assert not mark.exists()


def test_a_pickle_of_protocol_0_in_a_text_column() -> None:
    value = pickle.dumps({"image": "a/\u00e9 b.jpg"}, 0).decode("latin-1")
    assert "a/\u00e9 b.jpg" in keys_of_value(Codec.AUTO, value, NAMES)


def test_what_is_found_before_a_pickle_breaks_counts() -> None:
    value = pickle.dumps(["a/b.jpg", "c/d.jpg"], 4)
    cut = value[: value.index(b"c/d")] + b"."
    with pytest.raises(ValueError, match=r"exhausted|expected"):
        list(pickletools.genops(cut))
    assert "a/b.jpg" in keys_of_value(Codec.AUTO, cut, NAMES)


def test_a_url_in_bytes_begins_where_it_begins() -> None:
    assert list(binary_strings(b"https://other.example/a/b.jpg")) == [
        "https://other.example/a/b.jpg"
    ]
    # A length of 104 looks like the letter h.
    assert "a/b.jpg" in set(binary_strings(b"\x00ha/b.jpg"))
    assert "https://h/a.jpg" in set(binary_strings(b"\x00zhttps://h/a.jpg"))


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=80))
def test_no_bytes_raise(data: bytes) -> None:
    for value in (data, data + b".", b"\x80\x04" + data + b"."):
        list(binary_strings(value))
        list(strings(value.decode("utf-8", "surrogateescape")))
        list(strings(value.decode("latin-1") + "\n."))
