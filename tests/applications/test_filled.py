"""Wagtail and WordPress, which the gate can afford: their truth is what their databases say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import pytest

from tests.applications import Application
from tests.applications.filled import differences
from tests.applications.searching import spelled_columns
from tests.servers.app_database import AppDatabase


class Expected(NamedTuple):
    """What is known beforehand of one application."""

    files: int
    columns: set[str]
    folders_of_unreferenced: dict[str, int]
    comments: tuple[str, str]  # a table and a column of free text in it


EXPECTED = {
    "wagtail": Expected(
        files=57,
        columns={
            "wagtail_site_article.attachment",
            "wagtail_site_article.body",
            "wagtail_site_article.intro",
            "wagtailcore_comment.text",
            "wagtailcore_revision.content",
            "wagtaildocs_document.file",
            "wagtailimages_image.file",
            "wagtailimages_rendition.file",
            "wagtailredirects_redirect.redirect_link",
            "wagtailusers_userprofile.avatar",
        },
        folders_of_unreferenced={
            "avatar_images": 2,
            "documents": 2,
            "images": 6,
            "original_images": 3,
        },
        comments=("wagtailcore_comment", "text"),
    ),
    "wordpress": Expected(
        files=53,
        columns={
            "wp_commentmeta.meta_value",
            "wp_comments.comment_content",
            "wp_links.link_image",
            "wp_options.option_value",
            "wp_postmeta.meta_value",
            "wp_posts.guid",
            "wp_posts.post_content",
            "wp_posts.post_excerpt",
            "wp_term_taxonomy.description",
            "wp_termmeta.meta_value",
            "wp_usermeta.meta_value",
        },
        folders_of_unreferenced={"wp-content": 8},
        comments=("wp_comments", "comment_content"),
    ),
}


@pytest.fixture(params=EXPECTED)
def application(request: pytest.FixtureRequest) -> Application:
    """Each in turn. Not async: only outside of the loop can another async fixture be asked for."""
    filled: Application = request.getfixturevalue(request.param)
    return filled


async def test_the_database_spells_exactly_what_was_told(application: Application) -> None:
    spelled = await spelled_columns(application.database_url, application.files)
    assert {column: said.keys for column, said in spelled.items()} == application.holds
    assert application.holds.keys() == EXPECTED[application.name].columns
    assert differences(application, spelled) == []


async def test_no_row_has_an_unreferenced_key_or_its_name(application: Application) -> None:
    assert await spelled_columns(application.database_url, application.unreferenced) == {}
    folders = Counter(key.split("/", 1)[0] for key in application.unreferenced)
    assert folders == EXPECTED[application.name].folders_of_unreferenced


def test_there_are_files_enough_and_each_has_bytes(application: Application) -> None:
    assert len(application.files) == EXPECTED[application.name].files
    assert all(application.files.values())
    told = frozenset[str]().union(*application.holds.values(), application.unreferenced)
    assert told == application.files.keys()


def test_an_older_revision_alone_holds_what_was_replaced(wagtail: Application) -> None:
    holds = dict(wagtail.holds)
    only = holds.pop("wagtailcore_revision.content") - frozenset[str]().union(*holds.values())
    assert {key.rsplit("/", 1)[1] for key in only} == {"Übersicht_é.pdf", "AB_100.pdf"}


async def test_sizes_of_a_picture_are_spelled_by_base_name_alone(wordpress: Application) -> None:
    holds = dict(wordpress.holds)
    sizes = holds.pop("wp_postmeta.meta_value") - frozenset[str]().union(*holds.values())
    spelled = await spelled_columns(wordpress.database_url, sizes)
    assert spelled.keys() == {"wp_postmeta.meta_value"}
    assert spelled["wp_postmeta.meta_value"].base == sizes
    assert spelled["wp_postmeta.meta_value"].whole == set()
    # An edited picture's sizes, a large one's scaled copy, and plain thumbnails are among them.
    for part in ("-e1", "-scaled.", "-150x150."):
        assert any(part in key for key in sizes), part


async def test_a_key_that_comes_back_in_any_column_is_seen(application: Application) -> None:
    lost = min(application.unreferenced)
    table, column = EXPECTED[application.name].comments
    database = AppDatabase(application.database_url)
    [(before,)] = await database.execute(
        f"SELECT {column} FROM {table} WHERE {column} LIKE '%.jpg%'"
    )
    change = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"
    try:
        await database.execute(change, f"see /media/{lost}!", before)
        spelled = await spelled_columns(application.database_url, application.files)
        await database.execute(change, before, f"see /media/{lost}!")
    finally:
        await database.close()
    [held] = application.holds[f"{table}.{column}"]
    assert differences(application, spelled) == [
        f"{table}.{column} does not spell ['{held}']",
        f"{table}.{column} spells ['{lost}'], which nobody told of",
        f"{table}.{column} still has the key of ['{lost}']",
    ]


def test_a_truth_about_files_that_are_not_there_is_refused(application: Application) -> None:
    with pytest.raises(ValueError, match=r"not there: .*'no/such\.jpg'"):
        replace(application, holds={**application.holds, "a.b": frozenset({"no/such.jpg"})})


def test_a_file_that_is_neither_held_nor_abandoned_is_refused(application: Application) -> None:
    with pytest.raises(ValueError, match=r"not as abandoned: .*'stray\.jpg'"):
        replace(application, files={**application.files, "stray.jpg": b"x"})
    with pytest.raises(ValueError, match="not as abandoned"):
        replace(
            application, unreferenced=application.unreferenced - {min(application.unreferenced)}
        )
