"""The preview asks first, reads within its limit, and draws pictures or bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from s3gc_core.bucket import ObjectHeaders, ObjectState
from s3gc_core.errors import BucketUnreachable
from s3gc_tui.preview import MOST_BYTES, BucketObjects
from s3gc_tui.screens.preview import PreviewScreen
from s3gc_tui.widgets.thumbnail import Thumbnail
from tests.tui.models.hostile import HOSTILE
from tests.tui.models.pictures import NOW
from tests.tui.preview.images import EPS, SVG, picture, png_that_claims
from tests.tui.screens.asked import SIZES, Stage, assert_golden, staged
from tests.tui.screens.watched import assert_tame_screen
from tests.tui.small_world import SmallWorld

KEY = "a/photo.png"


@dataclass
class Noted:
    """A bucket of one object that notes what is read of it."""

    content: bytes
    key: str = KEY
    size: int | None = None
    reads: list[int] = field(default_factory=list)

    async def object_state(self, key: str) -> ObjectState | None:
        if key != self.key:
            return None
        size = len(self.content) if self.size is None else self.size
        headers = ObjectHeaders(content_type="image/png[red]\x1b[2J")
        return ObjectState(key, '"e"', size, NOW, None, 0, headers)

    async def object_bytes(self, state: ObjectState, limit: int) -> bytes:
        self.reads.append(limit)
        return self.content[:limit]


@pytest.fixture
async def stage(small: SmallWorld) -> Stage:
    async with staged(small) as made:
        return made


@pytest.mark.parametrize("size", SIZES)
async def test_it_asks_before_it_reads(stage: Stage, size: tuple[int, int]) -> None:
    noted = Noted(picture(640, 320))
    async with stage.showing(PreviewScreen(noted, KEY), size) as shown:
        assert_golden(f"preview-{size[0]}", shown.text())
        await shown.press("escape")
        assert shown.results == [None]
    assert noted.reads == []


@pytest.mark.parametrize("size", SIZES)
async def test_enter_reads_once_and_draws(
    stage: Stage, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    noted = Noted(picture(640, 320))
    async with stage.showing(PreviewScreen(noted, KEY), size) as shown:
        await shown.press("enter")
        await shown.press("enter")
        assert noted.reads == [MOST_BYTES]
        assert "PNG, 640 x 320 pixels" in shown.text()
        assert_tame_screen(shown)
        thumbnail = shown.app.screen.query_one(Thumbnail)
        drawn = [strip.text for strip in map(thumbnail.render_line, range(size[1]))]
        assert any("▀" in text for text in drawn)
        assert all(len(text) == thumbnail.size.width for text in drawn)


async def test_without_colours_it_draws_in_grey(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    noted = Noted(picture(640, 320, colour=(255, 255, 255)))
    async with stage.showing(PreviewScreen(noted, KEY)) as shown:
        await shown.press("enter")
        assert not shown.app.screen.query(Thumbnail)
        text = shown.text()
        assert " " + "@" * 70 not in text.splitlines()[0]
        assert text.count("@" * 70) >= 10 or text.count("@" * 30) >= 10
        assert "▀" not in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SVG, "no picture of a kind that is decoded here"),
        (EPS, "no picture of a kind that is decoded here"),
        (picture(200, 200)[:80], "it is damaged or cut off"),
        (png_that_claims(60_000, 60_000), "it is a decompression bomb"),
        (HOSTILE[0].encode() + bytes(range(256)), "no picture of a kind that is decoded here"),
    ],
)
async def test_what_is_no_picture_is_shown_as_bytes(
    stage: Stage, content: bytes, words: str
) -> None:
    noted = Noted(content)
    async with stage.showing(PreviewScreen(noted, KEY)) as shown:
        await shown.press("enter")
        text = shown.text()
        assert words in text
        assert f" 000000  {content[:16].hex(' ')}" in text
        assert_tame_screen(shown)


@pytest.mark.parametrize(
    ("noted", "words"),
    [
        (Noted(b"x", size=MOST_BYTES + 1), "Larger than 20.0 MiB: a preview does not read it."),
        (Noted(b""), "It is empty."),
        (Noted(b"x", key="another"), "no object is at this key"),
    ],
)
async def test_what_is_not_read(stage: Stage, noted: Noted, words: str) -> None:
    async with stage.showing(PreviewScreen(noted, KEY)) as shown:
        await shown.press("enter")
        assert words in shown.text()
    assert noted.reads == []


async def test_a_bucket_that_does_not_answer(stage: Stage) -> None:
    class Broken(Noted):
        async def object_state(self, key: str) -> ObjectState | None:
            raise BucketUnreachable("no answer \x1b[2J")

    async with stage.showing(PreviewScreen(Broken(b""), KEY)) as shown:
        assert "no answer \\x1b[2J" in shown.text()
        assert_tame_screen(shown)


@pytest.mark.parametrize("wild", HOSTILE)
async def test_hostile_keys_stay_text(stage: Stage, wild: str) -> None:
    async with stage.showing(PreviewScreen(Noted(b"no picture", key=wild), wild)) as shown:
        assert_tame_screen(shown)
        await shown.press("enter")
        assert_tame_screen(shown)


async def test_a_real_object_is_read_up_to_the_limit(small: SmallWorld) -> None:
    content = bytes(3 << 20)
    await small.world.put("large.bin", content)
    async with small.world.bucket() as bucket:
        objects = BucketObjects(bucket)
        assert await objects.object_state("no such key") is None
        state = await objects.object_state("large.bin")
        assert state is not None
        assert await objects.object_bytes(state, 100) == content[:100]
        assert await objects.object_bytes(state, 4 << 20) == content
