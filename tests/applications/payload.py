"""Payload 3.90 (MIT), a headless content management system on Node, from npm, on SQLite.

Every file has its name in one column and a URL of the application's own in another, and each of its
sizes two columns more; rich text names uploads by id and links by URL in JSON; every
version of a post is kept in tables of their own.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.applications.application import Application, Recipe, read_application
from tests.applications.installing import npm_folder, run
from tests.applications.pictures import NAMES, draw_pictures, write_papers

PINS = (
    "payload@3.90.2",
    "@payloadcms/db-sqlite@3.90.2",
    "@payloadcms/richtext-lexical@3.90.2",
    "graphql@16.11.0",
    "react@19.2.0",
    "react-dom@19.2.0",
    "sharp@0.34.4",
)
BEFORE = "2026-11-20"
_PAPERS = ("Annual report.pdf", "Übersicht é.pdf", "plan b.pdf", "minutes.pdf", "draft 1.pdf")
_SCRIPT = Path(__file__).parent / "inside" / "payload_fill.mjs"


async def fill(database_url: str, folder: Path, cache: Path) -> Application:
    """Install Payload in `cache` if it is not there, and fill the empty database.

    Raises CommandFailedError with the output of what failed.
    """
    modules = await npm_folder(cache, "payload", PINS, BEFORE)
    media, truth = folder / "media", folder / "truth.json"
    pictures = await asyncio.to_thread(draw_pictures, folder / "pictures", (*NAMES, "quay.png"))
    papers = await asyncio.to_thread(write_papers, folder / "papers", _PAPERS)
    settings = {
        "modules": str(modules),
        "database": f"file:{DatabaseUrl.parse(database_url).database}",
        "media": str(media),
        "pictures": [str(path) for path in pictures],
        "papers": [str(path) for path in papers],
        "truth": str(truth),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    quiet = {"NODE_ENV": "development", "PAYLOAD_DISABLE_TELEMETRY": "1"}
    # Without this condition Lexical's packages choose their files by awaiting while they load, and
    # Node 20 sometimes ends in the middle of that (exit code 13).
    await run(
        "node", "--conditions=production", _SCRIPT, folder / "settings.json", cwd=folder, env=quiet
    )
    return await asyncio.to_thread(read_application, "payload", database_url, media, "", truth)


PAYLOAD = Recipe("payload", (Engine.SQLITE,), fill)
