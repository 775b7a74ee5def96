"""Wagtail 8.0 (BSD-3-Clause), a content management system on Django, on PostgreSQL or SQLite.

The quickest of the applications: the gate installs and fills it. Its files are named whole in file
columns (`images/harbour.2e16d0ba.fill-120x80.jpg`), by URL in rich text and in the JSON of
its bodies, and once more, JSON in JSON, in the revisions of its pages.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.applications.application import Application, Recipe, read_application
from tests.applications.installing import python_environment, run
from tests.applications.pictures import draw_pictures, write_papers

PINS = (
    "Django==5.2.19",
    "Willow==1.12.0",
    "annotated-types==0.8.0",
    "anyascii==0.3.3",
    "asgiref==3.13.0",
    "beautifulsoup4==4.15.0",
    "certifi==2026.10.18",
    "charset-normalizer==3.5.2",
    "defusedxml==0.7.1",
    "django-filter==26.2",
    "django-modelcluster==6.5",
    "django-ninja==1.7.1",
    "django-permissionedforms==0.1",
    "django-stubs-ext==6.1.2",
    "django-taggit==6.1.0",
    "django-tasks==0.12.0",
    "django-treebeard==5.3.1",
    "djangorestframework==3.18.3",
    "draftjs-exporter==7.3.1",
    "et-xmlfile==2.0.0",
    "filetype==1.2.0",
    "idna==3.20",
    "laces==0.1.2",
    "modelsearch==1.3.2",
    "openpyxl==3.1.5",
    "pillow==13.0.0",
    "pillow-heif==1.8.1",
    "psycopg-binary==3.3.9",
    "psycopg==3.3.9",
    "pydantic==2.14.3",
    "pydantic-core==2.50.4",
    "requests==2.34.2",
    "soupsieve==4.1.2",
    "sqlparse==0.6.1",
    "swapper==1.5.0",
    "telepath==0.3.1",
    "typing-extensions==4.16.0",
    "typing-inspection==0.4.5",
    "urllib3==2.8.0",
    "wagtail==8.0.1",
)
PAPERS = (
    "Annual report.pdf",
    "Übersicht é.pdf",
    "menu+prices.pdf",
    "A&B 100%.pdf",
    "rules.pdf",
    "draft 1.pdf",
    "draft 2.pdf",
)
_SCRIPT = Path(__file__).parent / "inside" / "wagtail_fill.py"


async def fill(database_url: str, folder: Path, cache: Path) -> Application:
    """Install Wagtail in `cache` if it is not there, and fill the empty database.

    Raises CommandFailedError with the output of what failed.
    """
    python = await python_environment(cache, "wagtail", PINS)
    media, truth = folder / "media", folder / "truth.json"
    pictures = await asyncio.to_thread(draw_pictures, folder / "pictures")
    papers = await asyncio.to_thread(write_papers, folder / "papers", PAPERS)
    (folder / "migrations").mkdir()
    media.mkdir()
    settings = {
        "database": _django_database(DatabaseUrl.parse(database_url)),
        "media": str(media),
        "migrations": str(folder / "migrations"),
        "papers": [str(path) for path in papers],
        "pictures": [str(path) for path in pictures],
        "truth": str(truth),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    await run(python, _SCRIPT, folder / "settings.json")
    return await asyncio.to_thread(read_application, "wagtail", database_url, media, "", truth)


def _django_database(url: DatabaseUrl) -> dict[str, object]:
    if url.engine is Engine.SQLITE:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.database}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.database,
        "HOST": url.host,
        "PORT": url.port,
        "USER": url.user,
        "PASSWORD": url.password,
    }


WAGTAIL = Recipe("wagtail", (Engine.POSTGRESQL, Engine.SQLITE), fill)
