"""WordPress 6.1 (GPL-2.0-or-later), the publishing software, from Debian's package, on MariaDB.

Its files are named by URL in HTML, by path in one meta row and by base name alone in another, which
is PHP's serialised array; themes, widgets, users, terms, comments and links have columns of
their own that plug-ins put URLs in.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.applications.application import Application, Recipe, read_application
from tests.applications.installing import debian_prefix
from tests.applications.php import PACKAGES, run_php
from tests.applications.pictures import draw_pictures, write_papers

WORDPRESS_PACKAGES = ("wordpress=6.1.*", "php-getid3=1.9.*")
PREFIX = "wp-content/uploads/"  # as the plug-ins that upload to S3 name their objects
_PAPERS = ("Annual report.pdf", "Übersicht é.pdf", "draft 1.pdf")
_SCRIPT = Path(__file__).parent / "inside" / "wordpress_fill.php"


async def fill(database_url: str, folder: Path, cache: Path) -> Application:
    """Install WordPress in `cache` if it is not there, and fill the empty database.

    Raises CommandFailedError with the output of what failed.
    """
    prefix = await debian_prefix(cache, "wordpress", PACKAGES, WORDPRESS_PACKAGES)
    url = DatabaseUrl.parse(database_url)
    content, truth = folder / "wp-content", folder / "truth.json"
    for part in ("uploads", "themes", "plugins"):
        (content / part).mkdir(parents=True)
    drawings = folder / "pictures"
    pictures = await asyncio.to_thread(draw_pictures, drawings)
    faces = await asyncio.to_thread(draw_pictures, drawings, ("a.png", "b.png", "c.png"))
    big = await asyncio.to_thread(draw_pictures, drawings, ("panorama.jpg",), (2700, 1200))
    papers = await asyncio.to_thread(write_papers, folder / "papers", _PAPERS)
    settings = {
        "wordpress": str(prefix / "usr" / "share" / "wordpress"),
        "content": str(content),
        "host": f"{url.host}:{url.port}",
        "user": url.user,
        "password": url.password,
        "database": url.database,
        "pictures": [str(path) for path in pictures],
        "faces": [str(path) for path in faces],
        "papers": [str(path) for path in papers],
        "big": str(big[0]),
        "truth": str(truth),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    await run_php(prefix, _SCRIPT, folder / "settings.json", cwd=folder)
    return await asyncio.to_thread(
        read_application, "wordpress", database_url, content / "uploads", PREFIX, truth
    )


WORDPRESS = Recipe("wordpress", (Engine.MYSQL,), fill)
