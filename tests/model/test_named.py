"""What the machine found, each as a small story of its own."""

from __future__ import annotations

from random import Random

from tests.model.driver import Driver
from tests.model.world_model import Row


class Never(Random):
    """A chance that never comes: nothing happens by itself, and plans are approved as a whole."""

    def random(self) -> float:
        return 0.99


async def test_the_same_bytes_uploaded_again_after_approval_are_young(driver: Driver) -> None:
    """An application that stores by content uploads first and writes its row a moment later.

    The ETag is that of the plan, the age is not: the object is kept, as any upload in flight.
    """
    await driver.app.put("upload", "img/001.jpg", b"by content")
    await driver.app.set_row(
        "insert", ("files", 1), Row(frozenset({"img/000.jpg"}), value="img/000.jpg")
    )
    await driver.pass_time(24 * 30)
    plan_id = await driver.scan()
    assert plan_id is not None
    await driver.decide(Never(), plan_id)
    stored = driver.model.objects["img/001.jpg"]
    await driver.app.put("upload the same again", "img/001.jpg", stored.body, like=stored)
    assert driver.model.objects["img/001.jpg"].etag == stored.etag
    await driver.execute(Never(), plan_id)
    assert "img/001.jpg" in driver.model.objects
    assert driver.app.counts["kept at the last moment: young"] == 1
