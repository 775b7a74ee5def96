"""Several columns of one table, and several tables: a key is in use while any one row holds it."""

from __future__ import annotations

from tests.stories.staging import picture, upload
from tests.world import World


async def test_several_columns(world: World) -> None:
    await world.app.execute(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, avatar VARCHAR(200), cover VARCHAR(200),"
        " thumb VARCHAR(200), nickname VARCHAR(200))"
    )
    await world.app.executemany(
        "INSERT INTO users VALUES (?, ?, ?, ?, ?)",
        [
            (1, "a1.jpg", "c1.jpg", "t1.jpg", "untracked.jpg"),
            (2, "a2.jpg", None, "shared.jpg", None),
            (3, "shared.jpg", "", None, None),
        ],
    )
    referenced = {"a1.jpg", "c1.jpg", "t1.jpg", "a2.jpg", "shared.jpg"}
    await upload(world, referenced | {"untracked.jpg"})
    before = await picture(world)
    world.track({"users": ["avatar", "cover", "thumb"]})
    async with world.collector() as collector:
        await collector.clear_columns("users.nickname", reason="a joke, not a reference")
    summary = await world.scan()
    assert summary.sources == {
        "main:users.avatar": 3,
        "main:users.cover": 1,
        "main:users.thumb": 2,
    }

    # One column of row 1 is emptied; `shared.jpg` leaves one column and stays in another.
    await world.app.execute("UPDATE users SET thumb = NULL WHERE id IN (1, 2)")
    await world.app.execute("UPDATE users SET thumb = ? WHERE id = 3", "a2.jpg")
    await world.app.execute("UPDATE users SET avatar = NULL WHERE id = 2")
    await world.scan()
    world.days(8)
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == {
        "t1.jpg": "deleted",
        "untracked.jpg": "deleted",
    }
    left = {"a1.jpg", "c1.jpg", "a2.jpg", "shared.jpg"}
    assert await picture(world) == {key: before[key] for key in left}

    # The last reference to `shared.jpg`, and the one that moved from column to column, go too.
    await world.app.execute("DELETE FROM users WHERE id = 3")
    await world.app.execute("UPDATE users SET thumb = ? WHERE id = 1", "c1.jpg")
    await world.scan()
    world.days(8)
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == {
        "a2.jpg": "deleted",
        "shared.jpg": "deleted",
    }
    assert await picture(world) == {key: before[key] for key in ("a1.jpg", "c1.jpg")}


async def test_several_tables(world: World) -> None:
    create = "CREATE TABLE {} (id INTEGER PRIMARY KEY, {})"
    await world.app.execute(create.format("users", "avatar VARCHAR(200)"))
    await world.app.execute(create.format("posts", "body TEXT, image VARCHAR(200), gone INTEGER"))
    await world.app.execute(create.format("files", "name VARCHAR(200), type VARCHAR(10)"))
    await world.app.execute("INSERT INTO users VALUES (1, 'p/anna.jpg'), (2, 'p/both.jpg')")
    await world.app.execute(
        "INSERT INTO posts VALUES (1, '<p>See <img src=\"p/in-text.png\">!</p>', 'p/both.jpg', 0),"
        " (2, 'nothing', 'p/soft-deleted.jpg', 1), (3, 'nothing', 'p/three.jpg', 0)"
    )
    await world.app.execute("INSERT INTO files VALUES (7, 'report', 'pdf')")
    referenced = {"p/anna.jpg", "p/both.jpg", "p/in-text.png", "p/three.jpg", "files/7/report.pdf"}
    orphans = {"p/soft-deleted.jpg", "files/7/report.txt", "p/lost.jpg"}
    await upload(world, referenced | orphans)
    before = await picture(world)
    world.track(
        {
            "users": ["avatar"],
            "posts": [
                {"column": "body", "codec": "text"},
                {"column": "image", "where": "gone = 0"},
            ],
            "files": [{"template": "files/{id}/{name}.{type}"}],
        }
    )
    world.days(8)
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == dict.fromkeys(orphans, "deleted")
    assert await picture(world) == {key: before[key] for key in referenced}

    # Gone from one of its two tables, then from the other.
    await world.app.execute("DELETE FROM users WHERE id = 2")
    await world.app.execute("DELETE FROM files WHERE id = 7")
    await world.app.execute("INSERT INTO files VALUES (8, 'other', 'pdf')")
    await world.scan()
    world.days(8)
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == {"files/7/report.pdf": "deleted"}
    await world.app.execute("UPDATE posts SET image = NULL WHERE id = 1")
    await world.scan()
    world.days(8)
    executed = await world.collect()
    assert await world.outcomes(executed.operation_id) == {"p/both.jpg": "deleted"}
    left = {"p/anna.jpg", "p/in-text.png", "p/three.jpg"}
    assert await picture(world) == {key: before[key] for key in left}
