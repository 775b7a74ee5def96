"""What must become of each object of a world, from its model alone.

Exact where the promise is exact; where a looser reading of a value may find the key as well, the
object must only not be an orphan. No code is shared with s3gc.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.worlds.model import PROTECTED_PREFIX, Mention, Sight, Stored, World

_PROTECTED_ENDING = ".keepme"
# A URL, or a key that may be taken for one: what follows the host may be a key by itself.
_BELOW_A_HOST = re.compile(r"(?:\w+:/+)?[\w\-]+(?:\.[\w\-]+)+(?::\d+)?/(.+)", re.DOTALL)

# Marks that Markdown puts around a name, which may be the name's own as well.
_EMPHASIS = "_-="
# What ends a URL in a text, also where it was escaped and somebody undid it.
_ENDS_A_URL = re.compile(r"[\s\"'<>`]")


@dataclass(slots=True)
class Expected:
    """Each object's key in exactly one of these sets.

    `in_use` is no candidate at all. `spared` must not be an orphan, and may be anything else.
    `open` may be anything: a looser reading than the promise may find it, and need not.
    """

    in_use: set[str] = field(default_factory=set)
    orphans: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    spared: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)


def expected(world: World, scan: int) -> Expected:
    """What the scan of that number must find (the first is 1)."""
    now = list(world.mentions(scan))
    before = list(world.mentions(1)) if scan == 2 else []
    found = Expected()
    for stored in world.objects:
        _place(found, stored, now, before, scan)
    return found


def _place(
    found: Expected,
    stored: Stored,
    now: Iterable[Mention],
    before: Iterable[Mention],
    scan: int,
) -> None:
    key = stored.key
    mine = {mention.sight for mention in now if mention.text == key}
    released = any(m.text == key and m.sight is Sight.READ for m in before)
    others = [m for m in now if m.text != key and m.sight is not Sight.IGNORED]
    near = {_nearness(key, mention) for mention in others}
    if Sight.READ in mine:
        found.in_use.add(key)
    elif Sight.ASKED in mine or _protected(key) or released or (stored.young and scan < 3):
        # What else is written may make it referenced as well: not deleted either way.
        (found.spared if near & {"same", "open"} else found.kept).add(key)
    elif "same" in near or near >= {"held", "open"}:
        found.spared.add(key)
    elif "held" in near:
        found.held.add(key)
    elif "open" in near or any(_nearness(key, m) for m in before) or _may_be_ours(key, now):
        found.open.add(key)
    else:
        found.orphans.add(key)


def _may_be_ours(key: str, mentions: Iterable[Mention]) -> bool:
    """Whether a URL of another bucket may end before the key, which then stands by itself."""
    ignored = (mention for mention in mentions if mention.sight is Sight.IGNORED)
    return any(_ENDS_A_URL.search(m.text) and _nearness(key, m) for m in ignored)


def _protected(key: str) -> bool:
    return key.startswith(PROTECTED_PREFIX) or key.endswith(_PROTECTED_ENDING)


def _nearness(key: str, mention: Mention) -> str:
    """How near a written key comes to an object's: "same", "held", "open", or "" (not at all).

    same    another spelling of the same key, or what follows a host, a mark or a tag
    held    the same but for upper and lower case, or one is the end of the other's path
    open    one can be seen in the other by who reads loosely
    """
    text = mention.text
    if key == text.strip(_EMPHASIS):
        return "open"
    if _bare(key) == _bare(text):
        # What only comes out when the object's own key is undone as well is a matter of taste.
        return "same" if _bare(text) in (key, _decoded(key)) else "open"
    one, other = _plain(key), _plain(text)
    if one == other or _ends(one, other):
        return "held"
    if mention.sight is Sight.READ and _ends(other, one):
        return "same" if _is_around(other.removesuffix("/" + one)) else "held"
    below = _BELOW_A_HOST.fullmatch(other)
    if below and (one == below[1] or _ends(one, below[1])):
        return "open"
    return "open" if _shows(key, text) else ""


def _decoded(key: str) -> str:
    """The key, percent-decoded once, in one Unicode form, without slashes around."""
    return unicodedata.normalize("NFC", unquote(key)).strip("/")


def _plain(key: str) -> str:
    """The key without regard to case, Unicode's two forms, and slashes around."""
    return unicodedata.normalize("NFC", key).casefold().strip("/")


def _ends(path: str, end: str) -> bool:
    """Whether `path` ends in the steps of `end`, which must look like a file or a path."""
    looks = "/" in end or "." in end.strip(".")
    return looks and path.endswith("/" + end)


def _is_around(text: str) -> bool:
    """Whether a key may begin after it: all but plain folders, the first of them no host."""
    return re.fullmatch(r"[\w\-]+(/[\w\-.]+)*", text) is None


def _bare(key: str) -> str:
    """What is left of a key when every spelling is undone, however often it was spelled."""
    for _ in range(8):
        before = key
        key = html.unescape(unquote(key, errors="surrogateescape"))
        key = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), key)
        key = re.sub(r"[\\/]+", "/", key.replace("+", " ")).strip().strip("/")
        key = unicodedata.normalize("NFC", key.removeprefix("./"))
        if key == before:
            break
    return key


def _shows(key: str, text: str) -> bool:
    """Whether `key`, or the end of its path after a gap, stands in `text` with borders around.

    The marks of an escape (`&#47;`) are borders for who does not undo it.
    """
    return any(_shows_in(_loose(key), hay) for hay in {_loose(text), _folded(text)})


def _shows_in(needle: str, hay: str) -> bool:
    if needle == hay or _stands(needle, hay, before=r"(?<![\w.\-])"):
        return True
    while "/" in needle:
        needle = needle.partition("/")[2]
        if _stands(needle, hay, before=r"(?<![\w.\-/])/?"):
            return True
    return False


def _stands(needle: str, hay: str, *, before: str) -> bool:
    return bool(needle) and bool(re.search(before + re.escape(needle) + r"(?![\w.\-])", hay))


def _loose(key: str) -> str:
    return _folded(_bare(key))


def _folded(key: str) -> str:
    return unicodedata.normalize("NFKC", key.casefold())
