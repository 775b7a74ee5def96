"""PHP 8.2 out of the packages of Debian 12, unpacked beside an application and run from there."""

from __future__ import annotations

import os
from pathlib import Path

from tests.applications.installing import run

# The interpreter and the extensions that WordPress and MediaWiki need; with what they lack here.
PACKAGES = tuple(
    f"php8.2-{part}=8.2.*" for part in ("cli", "common", "mysql", "gd", "mbstring", "xml", "intl")
)
_EXTENSIONS = (
    *("mysqlnd", "mysqli", "ctype", "iconv", "fileinfo", "tokenizer", "exif", "posix"),
    *("dom", "xml", "simplexml", "xmlreader", "xmlwriter", "mbstring", "gd", "intl"),
)
_SETTINGS = (
    *("date.timezone=UTC", "memory_limit=512M", "display_errors=stderr"),
    "error_reporting=E_ALL & ~E_DEPRECATED & ~E_NOTICE",
)


async def run_php(prefix: Path, *arguments: str | Path, cwd: Path) -> str:
    """Run the prefix's PHP on a script; returns what it printed.

    Raises CommandFailedError when it fails.
    """
    extensions = next((prefix / "usr" / "lib" / "php").glob("20*"))
    libraries = next((prefix / "usr" / "lib").glob("*-linux-gnu"), prefix)
    options = [
        f"extension_dir={extensions}",
        *(f"extension={name}" for name in _EXTENSIONS),
        *_SETTINGS,
    ]
    return await run(
        prefix / "usr" / "bin" / "php8.2",
        "-n",
        *(part for option in options for part in ("-d", option)),
        *arguments,
        cwd=cwd,
        # Libraries that the machine lacks were unpacked into the prefix as well.
        env={"LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}".rstrip(":")},
    )
