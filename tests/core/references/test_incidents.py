"""Incidents of other collectors, each as a test: live data deleted although a reference existed.

Group b: a kind of reference that nobody told the collector about. Group c: the same key in another
spelling. Each test is named after the incident (project and number of its thread). What is decided
above codecs and configuration (guards, coverage, layers) is tested there.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote

import pytest

from s3gc_core.config import Codec, Config, SourceConfig
from s3gc_core.config_create import create_config
from s3gc_core.errors import ConfigurationError
from s3gc_core.references import BucketNames, fold, keys_of_value, near_forms
from s3gc_core.references.codecs import broad_keys_of_row, keys_of_row
from s3gc_core.references.spellings import reference_forms
from tests.core.references.writings import DECLARED, NAMES, php

AWS = BucketNames("images")


def auto(value: str | bytes) -> set[str]:
    return keys_of_value(Codec.AUTO, value, AWS)


def near(key: str, written: str) -> bool:
    """Whether the candidate `key` is held because of a reference that reads `written`."""
    return bool(set(near_forms(key)) & set(reference_forms(written)))


# b. A kind of reference that nobody told the collector about


def test_nessie_9879_and_amoro_1959_a_new_member_names_a_new_kind_of_file() -> None:
    """Statistics files came with a later version of the metadata; the walk knew the old members."""
    metadata = {
        "manifest-list": "meta/snap-1.avro",
        "statistics": [{"statistics-path": "meta/1.stats", "blobs": [{"file": "meta/1.puffin"}]}],
        "partition-statistics": {"v3": ["meta/p.parquet"]},
    }
    found = keys_of_value(Codec.JSON, json.dumps(metadata), AWS)
    assert {"meta/snap-1.avro", "meta/1.stats", "meta/1.puffin", "meta/p.parquet"} <= found


def test_nessie_9879_a_path_that_knows_the_old_members_costs_nothing() -> None:
    """A declared path reads only what it selects; the check before a delete reads all."""
    source = SourceConfig("t", ("meta",), Codec.JSON, path="$['manifest-list']")
    row = (json.dumps({"manifest-list": "meta/snap-1.avro", "statistics": "meta/1.stats"}),)
    assert keys_of_row(source, row, AWS) == {"meta/snap-1.avro"}
    assert "meta/1.stats" in broad_keys_of_row(source, row, AWS)


def test_distribution_3004_a_list_of_lists() -> None:
    """A manifest list refers to manifests, which refer to layers: at every depth there is one."""
    nested: object = "blobs/layer"
    for _ in range(50):
        nested = {"manifests": [nested]}
    assert "blobs/layer" in keys_of_value(Codec.JSON, json.dumps(nested), AWS)


def test_gitlab_244848_the_same_store_is_used_by_another_kind_of_table() -> None:
    """Wikis and designs kept files in the store of the repositories: each source counts."""
    tables = {"lfs_objects": "file", "wiki_pages": "upload", "designs": "image"}
    sources = create_config(bucket="images", tables=tables).sources
    assert [(source.table, source.columns) for source in sources] == [
        ("lfs_objects", ("file",)),
        ("wiki_pages", ("upload",)),
        ("designs", ("image",)),
    ]
    assert all("x/a" in keys_of_row(source, ("x/a",), AWS) for source in sources)


def test_gitea_30037_and_mastodon_30281_a_key_that_stands_in_no_column() -> None:
    """Avatars and favicons were stored under a key made of the row: a template says how."""
    source = create_config(
        bucket="images",
        tables={"repository": {"template": "repo-avatars/{id}-{avatar[0:8]}{,@2x}.png"}},
    ).sources[0]
    assert keys_of_row(source, ("7", "0123456789"), AWS) == {
        "repo-avatars/7-01234567.png",
        "repo-avatars/7-01234567@2x.png",
    }


def test_genhub_310_a_reference_in_serialised_settings() -> None:
    settings = php({"theme": {"logo": "brand/logo 1.png"}, "icons": {"i0": "brand/i.svg"}})
    assert {"brand/logo 1.png", "brand/i.svg"} <= auto(settings)


@pytest.mark.parametrize("declared", [c for c in Codec if c not in (Codec.TEMPLATE, Codec.REGEX)])
def test_datajoint_1469_a_codec_that_is_not_in_the_list(declared: Codec) -> None:
    """Custom codecs were unknown to a list by name: whatever is declared, the check before a
    delete reads every value in every way.
    """
    source = SourceConfig("t", ("c",), declared)
    for codec, name, writing in DECLARED:
        key = "users/1/a b.jpg"
        assert key in broad_keys_of_row(source, (writing(key),), NAMES), (codec, name)


def test_datajoint_1469_an_unknown_codec_is_refused() -> None:
    for written in ("filepath", "attach", "Key", "txt", ""):
        with pytest.raises(ConfigurationError) as caught:
            create_config(bucket="images", tables={"t": [{"column": "c", "codec": written}]})
        assert [problem.setting for problem in caught.value.problems] == ["tables.t[0].codec"]
        assert all(str(codec) in caught.value.problems[0].allowed for codec in Codec)


# c. The same key, in another spelling


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n", "S3A"])
def test_iceberg_4194_s3_and_s3a_are_one_scheme(scheme: str) -> None:
    assert keys_of_value(Codec.URL, f"{scheme}://images/db/t/1.parquet", AWS) == {"db/t/1.parquet"}
    assert keys_of_value(Codec.URL, f"{scheme}://other/db/t/1.parquet", AWS) == set()


@pytest.mark.parametrize("key", ["t/ts=2024-01-01 10:00/1.orc", "t/a%3Ab/1.orc", "t/a+b c/1.orc"])
def test_trino_24872_special_characters_are_encoded_in_some_places_only(key: str) -> None:
    """The same partition stood as `%3A` in the table's metadata and as `:` in the store, and the
    other way round.
    """
    for written in (key, quote(key, safe="/"), quote(key, safe="/:+"), quote(quote(key))):
        for base in ("", "s3://images/", "https://images.s3.amazonaws.com/"):
            assert key in auto(base + written), base + written


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_gumroad_6137_composed_and_decomposed_letters(form: str, written: str) -> None:
    name = "attachments/Pr\u00e9sentation d\u2019\u00e9t\u00e9 \u1e69.pdf"
    key = unicodedata.normalize(form, name)  # type: ignore[arg-type]
    text = unicodedata.normalize(written, name)  # type: ignore[arg-type]
    base = "https://images.s3.amazonaws.com/"
    for value in (text, quote(text), base + quote(text), base + text, json.dumps([text])):
        assert key in auto(value), value


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("media/Show/S01E01.mkv", "media/show/s01e01.mkv"),
        ("Media/Straße.mkv", "media/STRASSE.mkv"),
        ("media/a b.mkv", "media\\A%20B.MKV"),
        ("media/show/e1.mkv", "/data/torrents/media/show/e1.mkv"),
        ("torrents/media/e1.mkv", "media/e1.mkv"),
        ("media/e1.mkv", "e1.mkv"),
    ],
)
def test_qbit_manage_1370_what_is_almost_the_same_is_held(key: str, written: str) -> None:
    """6,068 of 6,225 files that were called orphans were in use, under a path that read a little
    differently.
    """
    assert near(key, written)


@pytest.mark.parametrize(
    ("key", "written"), [("a/e1.mkv", "b/e1.mkv"), ("a/e1.mkv", "a/e11.mkv"), ("e1.mkv", "ee1.mkv")]
)
def test_qbit_manage_1370_other_files_are_not_held(key: str, written: str) -> None:
    assert not near(key, written)


@pytest.mark.parametrize(
    "written",
    [
        *("images/a b.jpg", "/images/a b.jpg", "//images/a b.jpg", "images//a b.jpg"),
        *("./images/a b.jpg", "images/./a b.jpg", "images\\a b.jpg", "\\images\\a b.jpg"),
        *("/images//a%20b.jpg", "images\\/a b.jpg", "///images/a b.jpg"),
    ],
)
def test_django_unused_media_21_slashes(written: str) -> None:
    assert "images/a b.jpg" in auto(written)
    assert "images/a b.jpg" in keys_of_value(Codec.KEY, written, AWS)


def test_supabase_830_images_is_not_images2() -> None:
    """A prefix without its boundary took the files of another bucket for its own."""
    for place in (
        "https://{bucket}.s3.amazonaws.com/",
        "https://s3.amazonaws.com/{bucket}/",
        "s3://{bucket}/",
        "arn:aws:s3:::{bucket}/",
    ):
        assert "a.jpg" in keys_of_value(Codec.URL, place.format(bucket="images") + "a.jpg", AWS)
        for other in ("images2", "my-images", "image", "images.x", "x.images"):
            assert not keys_of_value(Codec.URL, place.format(bucket=other) + "a.jpg", AWS), other
    names = BucketNames.of(Config("b", cdn_bases=("https://c.example/images",)))
    assert "a.jpg" in keys_of_value(Codec.URL, "https://c.example/images/a.jpg", names)
    found = keys_of_value(Codec.URL, "https://c.example/images2/a.jpg", names)
    assert found == {"images2/a.jpg"}
    # Nor is one folder the near miss of the other.
    assert not near("images/a.jpg", "images2/a.jpg")
    assert not near("images2/a.jpg", "images/a.jpg")


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("upload/library/1/a.jpg", "/usr/src/app/upload/library/1/a.jpg"),
        ("upload/library/1/a.jpg", "library/1/a.jpg"),
        ("usr/src/app/upload/1/a.jpg", "upload/1/a.jpg"),
        ("upload/1/a.jpg", "file:///srv/upload/1/a.jpg"),
    ],
)
def test_immich_7436_absolute_and_relative_paths(key: str, written: str) -> None:
    """Half a library was called untracked: its paths were absolute in one place only."""
    found = auto(written)
    assert key in found or any(near(key, reference) for reference in found)


def test_datajoint_1442_values_are_matched_as_they_are_stored() -> None:
    """Values were decoded before the scan, so that nothing matched and nothing raised: the same
    value counts as text, as bytes, and decoded.
    """
    document = '{"path": "store/a/1.blob", "hash": "0123"}'
    values: Mapping[str, str | bytes] = {
        "text": document,
        "bytes": document.encode(),
        "encoded twice": json.dumps(document),
        "the decoded value as Python shows it": str(json.loads(document)),
    }
    for name, value in values.items():
        for codec in (Codec.AUTO, Codec.JSON):
            assert "store/a/1.blob" in keys_of_value(codec, value, AWS), (name, codec)


@pytest.mark.parametrize("declared", [Codec.KEY, Codec.URL, Codec.ARRAY, Codec.CSV, Codec.TEXT])
def test_datajoint_1442_a_wrong_codec_costs_nothing(declared: Codec) -> None:
    source = SourceConfig("t", ("c",), declared)
    row = ('{"path": "store/a/1.blob"}',)
    assert "store/a/1.blob" in broad_keys_of_row(source, row, AWS)


def test_datajoint_1479_a_folder_and_the_files_in_it() -> None:
    """A row named a folder, and its files were orphans: templates name each file of it."""
    source = create_config(
        bucket="images", tables={"t": {"template": "{folder}/{index.html,data.bin,meta.json}"}}
    ).sources[0]
    assert keys_of_row(source, ("zarr/1",), AWS) == {
        "zarr/1/index.html",
        "zarr/1/data.bin",
        "zarr/1/meta.json",
    }


def test_gotosocial_1180_the_stored_key_counts_and_no_pattern_of_it() -> None:
    """Keys were made anew by a pattern, and older rows were stored under another one: the column
    that holds the key is read besides, and either finds its own.
    """
    tables = {"media": ["file_path", {"template": "{account}/attachment/original/{id}.jpeg"}]}
    stored, computed = create_config(bucket="images", tables=tables).sources
    old = "01ABC/attachment/original/01XYZ.jpg"
    assert keys_of_row(stored, (old,), AWS) == {old}
    assert keys_of_row(computed, ("01ABC", "01XYZ"), AWS) == {
        "01ABC/attachment/original/01XYZ.jpeg"
    }
    assert fold(old) != fold("01ABC/attachment/original/01XYZ.jpeg")
