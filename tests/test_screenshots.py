"""The pictures in screenshots/: all there, of the right screens, and of nobody's machine."""

from __future__ import annotations

import html
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.screenshots.neutral import BEGIN, HOST, USER, Neutral
from tests.screenshots.pictures import FOLDER, FONT, FONT_FOLDER, png, with_local_font

ROOT = FOLDER.parent
# What each picture must say.
PICTURES = {
    "main-160x48": (
        "1 Candidates",
        "2 Verdict",
        "3 Plans and jobs",
        "4 Vault",
        "5 History",
        "marked 5",
        "[WRITE]",
    ),
    "main-read-only-160x48": (
        "1 Candidates",
        "2 Verdict",
        "5 History",
        "[READ-ONLY]",
        "deleted 30",
    ),
    "main-80x24": ("1 Candidates", "marked 2", "? help  q quit"),
    "jobs-80x24": ("3 Plans and jobs", "executed", "ENDED"),
    "tree-160x48": ("FOLDER / KEY", "v documents/", "settings.json"),
    "detail": ("LAYERS", "REFERENCES", "BACKUPS", "=> ORPHAN"),
    "preview": ("posts/12/image-1.png", "PNG, 96 x 96 pixels"),
    "approve": ("APPROVE", "deletes nothing yet", "posts that were taken down"),
    "plan": ("approved", "--confirm", "ctrl+x execute"),
    "execute": ("EXECUTE", "type photos 30 and then Enter", "not yet matching"),
    "job-running": ("RUNNING", "20 / 30", "q back  (the job goes on)"),
    "job-ended": ("DONE", "deleted 30", "undo: restore, or"),
    "operation": ("objects 1-30 of 30", "deleted", "u restore"),
    "restore": ("restore operation", "Enter: restore, overwriting nothing"),
    "references": ("[1 Coverage]", "every scan reads it", "v view"),
    "help": ("Works in the list of candidates", "Works in all panes"),
}


def text_of(svg: str) -> str:
    """The words of a picture, row by row."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for x, y, words in re.findall(
        r'<text[^>]*? x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', svg
    ):
        rows.setdefault(float(y), []).append((float(x), html.unescape(words).replace("\xa0", " ")))
    return "\n".join("".join(words for _, words in sorted(rows[y])) for y in sorted(rows))


def read(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text(encoding="utf-8")


def test_both_files_of_every_main_screen_are_there() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{name}.{kind}" for name in PICTURES for kind in ("svg", "png")
    }
    for name in PICTURES:
        data = (FOLDER / f"{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(data) > 10_000


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_its_screen_and_nothing_of_a_machine(name: str) -> None:
    svg = read(name)
    shown = text_of(svg)
    for words in PICTURES[name]:
        assert words in shown, shown
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "").replace(
        "https://textual", ""
    )
    assert "@font-face" not in svg
    assert f"font-family: {FONT}, monospace" in svg
    for ours in (tempfile.gettempdir(), "/root/", "/home/", str(ROOT), str(Path.home())):
        assert ours not in svg
    assert set(re.findall(r"(\w\S*@[\w-]+)", shown)) <= {f"{USER}@{HOST}"}
    assert set(re.findall(r"process \d+ on (\S+)", shown)) <= {HOST}


def test_the_readme_shows_pictures_that_are_there() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((\S+?)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(shown) >= 2
    for path in shown:
        assert (ROOT / path).is_file()


def test_ids_moments_and_folders_are_replaced_by_others_as_wide() -> None:
    began = datetime(2031, 5, 6, 23, 50, tzinfo=UTC)
    folder = "/srv/s3gc-demo-abcdefgh"
    neutral = Neutral(Path(folder), began)
    ulid = "01M7Z8KME12TVG6JVXCWZ5BCZQ"
    before = (
        f"plan {ulid} Z5BCZQ 2031-05-06&#160;23:55 UTC 00:05:07 "
        f"{folder}/vault 23:51Z process&#160;123 512.0 1:2"
    )
    after = neutral.clean(before)
    assert len(after) == len(before)
    assert ulid not in after
    assert "Z5BCZQ" not in after
    assert f"{BEGIN:%Y-%m-%d}&#160;08:35 UTC 08:45:07 /var/lib/s3gc/photo-app/vault 08:31Z" in after
    assert after.endswith("process&#160;421 512.0 1:2")
    assert neutral.clean(before) == after


def test_a_picture_becomes_pixels_without_the_web() -> None:
    if not FONT_FOLDER.is_dir():
        pytest.fail("the font is missing: apt-get install fonts-dejavu-core")
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="20"><style>'
        '@font-face { font-family: "Fira Code"; src: url("https://example.org/f.woff2"); }'
        ".a { font-family: Fira Code, monospace; font-size: 20px; }</style>"
        '<text class="a" y="16">words</text></svg>'
    )
    local = with_local_font(svg)
    assert "example.org" not in local
    assert png(local).startswith(b"\x89PNG")
    assert len(png(local)) > len(png(local.replace("words", "")))
