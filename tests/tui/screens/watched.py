"""Waiting for what a screen shows, and checking every cell of it."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from typing import Any, TypeVar

import pytest
from textual.message import Message
from textual.screen import Screen

from s3gc_tui.widgets.line_pane import LinePane
from tests.tui.screens.asked import SECONDS, Shown

M = TypeVar("M", bound=Message)
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# What is another in every run, besides what `assert_golden` knows.
_VARYING = re.compile(r"(?<=took )\d+ s|(?<=by )( +)\S+|(?<=modified )\d+ d( \d+ h)?|\d+d(?= ago)")


async def until_text(shown: Shown, *words: str) -> str:
    """Poll until all words are on the screen, with a deadline; returns its text."""
    async with asyncio.timeout(SECONDS):
        while True:
            await shown.pilot.pause()
            text = shown.text()
            if all(word in text for word in words):
                return text
            await asyncio.sleep(0.05)


def steady(text: str) -> str:
    """The text without what is another in every run; each line keeps its length."""
    return _VARYING.sub(lambda found: "~" * len(found.group()), text)


def assert_tame_screen(shown: Shown) -> None:
    """No byte on the screen is for the terminal, and nothing came from markup."""
    for strip in shown.app.screen._compositor.render_strips():
        for segment in strip:
            assert segment.control is None
            assert not {c for c in segment.text if unicodedata.category(c) in _HIDDEN}
            assert not (segment.style and segment.style.meta and "@click" in segment.style.meta)
            assert not (segment.style and segment.style.link)


def noted(screen: Screen[Any], kind: type[M], monkeypatch: pytest.MonkeyPatch) -> list[M]:
    """The messages of a kind that the screen posts from now on; they go on to the app as well."""
    found: list[M] = []
    post = screen.post_message

    def post_message(message: Message) -> bool:
        if isinstance(message, kind):
            found.append(message)
        return post(message)

    monkeypatch.setattr(screen, "post_message", post_message)
    return found


def pane(shown: Shown, name: str) -> LinePane:
    """A pane of the screen."""
    return shown.app.screen.query_one(name, LinePane)
