"""MediaWiki 1.39 (GPL-2.0-or-later), the wiki of Wikipedia, from Debian's package, on MariaDB.

No column spells a whole key: `image.img_name` has `Old_Town_Hall.jpg`, and the file lies at
`4/4b/Old_Town_Hall.jpg`, by the name's MD5; its thumbnails at `thumb/4/4b/Old_Town_Hall.jpg/120px-
Old_Town_Hall.jpg`. Texts are in binary columns and have spaces for the underscores.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from s3gc_core.database_url import DatabaseUrl, Engine
from tests.applications.application import Application, Recipe, read_application
from tests.applications.installing import debian_prefix
from tests.applications.php import PACKAGES, run_php
from tests.applications.pictures import NAMES, draw_pictures

MEDIAWIKI_PACKAGES = ("mediawiki=1:1.39.*", "mediawiki-classes=1:1.39.*")
_SCRIPT = Path(__file__).parent / "inside" / "mediawiki_fill.php"
# Thumbnails of WebP would need ImageMagick.
_NAMES = tuple(name for name in NAMES if not name.endswith(".webp"))
_SETTINGS = """
$wgEnableUploads = true;
$wgUploadDirectory = "%s";
$wgDeletedDirectory = "%s/deleted";
$wgFileExtensions = ["png", "gif", "jpg", "jpeg", "webp"];
$wgUseImageMagick = false;
$wgUploadPath = "https://cdn.example.org/wiki";
$wgJobRunRate = 0;
"""


async def fill(database_url: str, folder: Path, cache: Path) -> Application:
    """Install MediaWiki in `cache` if it is not there, and fill the empty database.

    Raises CommandFailedError with the output of what failed.
    """
    prefix = await debian_prefix(cache, "mediawiki", PACKAGES, MEDIAWIKI_PACKAGES)
    maintenance = prefix / "usr" / "share" / "mediawiki" / "maintenance"
    media, truth = folder / "images", folder / "truth.json"
    media.mkdir()
    await _make_tables(prefix, maintenance, DatabaseUrl.parse(database_url), folder)
    with (folder / "LocalSettings.php").open("a") as settings:
        settings.write(_SETTINGS % (media, media))
    pictures = await asyncio.to_thread(draw_pictures, folder / "pictures", _NAMES)
    revised = await asyncio.to_thread(draw_pictures, folder / "revised", _NAMES[:4], (500, 340))
    told = {
        "maintenance": str(maintenance),
        "media": str(media),
        "pictures": [str(path) for path in pictures],
        "revised": [str(path) for path in revised],
        "truth": str(truth),
    }
    (folder / "settings.json").write_text(json.dumps(told))
    # MediaWiki takes the name of its configuration from an option of every script.
    conf = ("--conf", folder / "LocalSettings.php")
    await run_php(prefix, _SCRIPT, folder / "settings.json", *conf, cwd=folder)
    await asyncio.to_thread(_drop_access_files, media)
    return await asyncio.to_thread(read_application, "mediawiki", database_url, media, "", truth)


def _drop_access_files(media: Path) -> None:
    """Take away what keeps web servers out of private folders; on S3 a policy does that."""
    for name in (".htaccess", "index.html"):
        for path in media.rglob(name):
            path.unlink()


async def _make_tables(prefix: Path, maintenance: Path, url: DatabaseUrl, folder: Path) -> None:
    """Run MediaWiki's own installer, which also writes LocalSettings.php into the folder."""
    options = {
        "dbtype": "mysql",
        "dbserver": f"{url.host}:{url.port}",
        "dbname": url.database,
        "dbuser": url.user,
        "dbpass": url.password,
        "confpath": str(folder),
        "server": "https://wiki.example.org",
        "scriptpath": "/w",
        "pass": "a password of enough length",
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    await run_php(prefix, maintenance / "install.php", *given, "Harbour Wiki", "Keeper", cwd=folder)


# Folders are the MD5 of a name, and thumbnails stand in no table.
MEDIAWIKI = Recipe("mediawiki", (Engine.MYSQL,), fill, spelled=False)
