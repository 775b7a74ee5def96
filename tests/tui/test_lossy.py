"""LOSSY is said by every command, and on every screen that asks, before and after."""

from __future__ import annotations

from s3gc_core.collection import Selection
from s3gc_core.config import IMAGES_SENTENCE, Images
from s3gc_tui.models.intents import RestoreIntent
from s3gc_tui.screens.approve import ApproveScreen
from s3gc_tui.screens.execute import ExecuteScreen
from s3gc_tui.screens.plan import PlanScreen
from s3gc_tui.screens.restore import RestoreScreen
from tests.core.vault.photos import jpeg
from tests.tui.screens.asked import ended, staged
from tests.tui.small_world import LATER, SmallWorld

PHOTO = jpeg(size=(480, 360), quality=97)
KEY = "gone/photo.jpg"
AT_MOST = "LOSSY: at most 1 object, by their size; 1 of them are called pictures."


async def test_before_it_is_stored(small: SmallWorld) -> None:
    small.write_config(images=Images.COMPACT, images_acknowledged=IMAGES_SENTENCE)
    await small.world.put(KEY, PHOTO)
    plan_id = await small.approved()
    shown = (await small.cli.batch("plan", "show", plan_id, days=LATER)).summary
    said = {name: value for name, value in shown.items() if name.startswith(("images", "lossy_"))}
    note = said.pop("lossy_note")
    assert said == {"images": "compact", "lossy_at_most": 1, "lossy_called_pictures": 1}
    assert "LOSSY" in str(note)
    async with staged(small) as stage:
        plan, history = await stage.gateway.plan(plan_id)
        for screen in (
            PlanScreen(stage.gateway, plan_id),
            ApproveScreen(stage.gateway, plan_id, clock=stage.clock),
            ExecuteScreen(stage.gateway, plan, history, clock=stage.clock),
        ):
            async with stage.showing(screen, (160, 60)) as there:
                await there.settled()
                assert "Pictures may be stored LOSSY" in there.text(), screen
                assert AT_MOST in there.text(), screen


async def test_after_it_was_stored(small: SmallWorld) -> None:
    small.write_config(images=Images.COMPACT, images_acknowledged=IMAGES_SENTENCE)
    await small.world.put(KEY, PHOTO)
    operation_id = await small.collected()
    stats = await small.cli.batch("vault", "stats")
    codecs = {line["codec"]: line["fidelity"] for line in stats.records if line["type"] == "codec"}
    assert codecs.pop("compact") == "lossy"
    assert set(codecs.values()) == {"exact"}
    assert stats.summary["lossy"] == 1

    part = await small.cli.batch("restore", "--operation", operation_id)
    assert (part.code, part.summary["restored"], part.summary["lossy-refused"]) == (4, 3, 1)
    (line,) = [line for line in part.records if line["type"] == "object"]
    assert (line["key"], line["outcome"]) == (KEY, "lossy-refused")
    assert "--accept-lossy" in str(line["reason"])

    # In the dashboard by a phrase of its own.
    async with staged(small) as stage:
        screen = RestoreScreen(stage.gateway, None, KEY, clock=stage.clock)
        async with stage.showing(screen, (120, 40)) as shown:
            assert "stored LOSSY and stay out" in shown.text()
            await shown.ready()
            await shown.press("ctrl+l")
            await shown.ready()
            await shown.type("accept lossy 2")
            await shown.press("enter")
            assert stage.intents == []
            await shown.press("backspace")
            await shown.type("1")
            await shown.press("enter")
        assert stage.intents == [RestoreIntent(Selection(keys=(KEY,)), accept_lossy=True)]
        done = await ended(stage, shown.results[0])
    assert done.exit_code == 0, done.tail
    assert done.summary is not None
    assert (done.summary["restored"], done.summary["lossy"]) == (1, 1)
    assert len((await small.world.contents(KEY))[0]) <= len(PHOTO) * 0.7

    # And over what has come to its key since: one phrase for both, however one comes to it.
    await small.world.put(KEY, b"newer")
    async with staged(small) as stage:
        for first, second in (("ctrl+o", "ctrl+l"), ("ctrl+l", "ctrl+o")):
            screen = RestoreScreen(stage.gateway, None, KEY, clock=stage.clock)
            async with stage.showing(screen, (120, 40)) as shown:
                await shown.ready()
                await shown.press(first)
                await shown.ready()
                assert f"{second}: " in shown.text()
                assert "one phrase for both" in shown.text()
                await shown.press(second)
                await shown.ready()
                assert "OVERWRITE, LOSSY key" in shown.text()
                assert "What is overwritten is not backed up first" in shown.text()
                # Neither of the two alone is enough.
                for phrase in ("overwrite 1", "accept lossy 1"):
                    await shown.press("ctrl+u")
                    await shown.type(phrase)
                    await shown.press("enter")
                    assert stage.intents == []
                if first == "ctrl+o":
                    await shown.press("escape")
                    await shown.settled()
                    assert "stored LOSSY and stay out" in shown.text()
                    continue
                await shown.press("ctrl+u")
                await shown.type("overwrite 1 accept lossy 1")
                await shown.press("enter")
        both = RestoreIntent(Selection(keys=(KEY,)), overwrite=True, accept_lossy=True)
        assert stage.intents == [both]
        done = await ended(stage, shown.results[0])
    assert done.exit_code == 0, done.tail
    assert done.summary is not None
    assert (done.summary["restored"], done.summary["lossy"]) == (1, 1)
    assert (await small.world.contents(KEY))[0] != b"newer"
