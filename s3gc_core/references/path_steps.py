"""Steps of a path that go nowhere (`./`) or up (`../`), taken as browsers take them. Pure."""

from __future__ import annotations

import re

# What no step up leads out of: a URL's scheme and host, or the root. A letter is a drive.
_ROOT = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.\-]+:/+[^/]*/|/*)")
# Steps of one text that lead up from one another: deeper is no path that anybody wrote.
_DEEPEST = 16
# A folder and the step up from it, or a step that goes nowhere; neither in another value or line.
_UP_OR_NOWHERE = re.compile(rb"(?:(?<=[/\0\n])|\A)(?!\.\.?/)[^/\0\n\\]++/\.\./|(?<=/)(?:\./)+")


def without_dots(path: str) -> str:
    """A path with these steps taken; those that lead above its root stay there (RFC 3986, 5.2.4).

    A relative path that begins with them is about whatever ends in the rest.
    """
    if "./" not in path:
        return path
    root = _ROOT.match(path)
    start = root.end() if root else 0
    steps: list[str] = []
    # The last is a name, or else no object's.
    *before, name = path[start:].split("/")
    for step in before:
        if step == "..":
            del steps[-1:]
        elif step != ".":
            steps.append(step)
    return path[:start] + "/".join([*steps, name])


def without_dots_in(text: bytes) -> bytes:
    """A text with these steps taken in every path that stands in it, as far as paths go deep."""
    for _ in range(_DEEPEST):
        if b"/." not in text:
            break
        before, text = text, _UP_OR_NOWHERE.sub(b"", text)
        if text == before:
            break
    return text
