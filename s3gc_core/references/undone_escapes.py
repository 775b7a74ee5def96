"""Copies of a text with its escapes undone, and steps of paths taken, in which keys stand as they
are. Pure.

What applications write is escaped in more ways than can be listed: by one after the other (JSON in
JSON, a URL in a query), in part, or by rules of their own. Here the escapes are undone instead,
whoever wrote them: a form that nobody thought of is found too.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from s3gc_core.references.path_steps import without_dots_in

# Escapes inside of escapes: JSON in JSON, a URL in the query of a URL in HTML.
_ROUNDS = 3
_ESCAPE = re.compile(
    rb"%[0-9A-Fa-f]{2}"
    rb"|\\(?:u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}"
    rb"|x[0-9A-Fa-f]{2}|[\"'\\/bfnrt])"
    rb"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});?"
)
_CONTROLS = {b"b": b"\b", b"f": b"\f", b"n": b"\r", b"r": b"\r", b"t": b"\t"}
# Slashes of any kind and number, but those behind a URL's scheme and those that escape a quote.
_SCHEME = re.compile(rb":[\\/]{2,}")
_SLASHES = re.compile(rb"(?<!:)(?<!:/)[\\/]{2,}(?![\"'\\/])|\\(?![\"'\\/])")
# A step of a path behind its slash.
_STEP = rb"\.\.?(?:/|%2[Ff])"
# What is more than a slash in the path of a URL, which is looked for without a copy. Of each the
# byte without which it is nowhere: that is looked for ten times as fast.
_BACKSLASH = (b"\\", re.compile(rb"\\"))
_MARKS = (
    (b"%", re.compile(rb"%%(?!2[Ff](?!%b)[^/%%])" % _STEP)),
    (b"%", re.compile(rb"/%2[Ff]")),
    (b"&", re.compile(rb"&[#A-Za-z]")),
    (b"/", re.compile(rb"/(?:/(?<!://)|%b)" % _STEP)),
)
_SPACE = (b"+", re.compile(rb"\+"))


def escaped_places(text: bytes, *, spaces: bool, backslashes: bool = True) -> Iterator[int]:
    """Where a text has what `copies` undo; with `spaces` plus signs too, which may be some.

    Without `backslashes` those are left out: a caller has looked for them.
    """
    marks = (*_MARKS, *((_SPACE,) if spaces else ()), *((_BACKSLASH,) if backslashes else ()))
    for mark, pattern in marks:
        if mark in text:
            for place in pattern.finditer(text):
                yield place.start()


def copies(text: bytes, *, spaces: bool) -> Iterator[bytes]:
    """Each different from the others; none has another number of NULs or line breaks."""
    seen = {text}
    for once in (text, text.replace(b"+", b" ")) if spaces else (text,):
        copy = once
        for _ in range(_ROUNDS + 1):
            single = _with_single_slashes(copy)
            for one in (copy, single, without_dots_in(copy), without_dots_in(single)):
                if one not in seen:
                    seen.add(one)
                    yield one
            undone = _ESCAPE.sub(_undo, copy)
            if undone == copy:
                break
            copy = undone


def _with_single_slashes(text: bytes) -> bytes:
    return _SLASHES.sub(b"/", _SCHEME.sub(b"://", text))


class _Undone(dict[bytes, bytes]):
    """What escapes stand for: texts have few different ones."""

    def __missing__(self, escape: bytes) -> bytes:
        undone = _character(escape).replace(b"\0", b"\r").replace(b"\n", b"\r")
        if len(self) < _MOST_KEPT:
            self[escape] = undone
        return undone


_MOST_KEPT = 10_000
_UNDONE = _Undone()


def _undo(escape: re.Match[bytes]) -> bytes:
    return _UNDONE[escape[0]]


def _character(escape: bytes) -> bytes:
    if escape[:1] == b"%":
        return bytes.fromhex(escape[1:].decode())
    if escape[:1] == b"&":
        return html.unescape(escape.decode()).encode("utf-8", "surrogatepass")
    if escape[1:2] == b"x":
        return chr(int(escape[2:], 16)).encode()
    if escape[1:2] == b"u":
        units = b"".join(bytes.fromhex(unit.decode()) for unit in escape.split(b"\\u")[1:])
        return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")
    return _CONTROLS.get(escape[1:], escape[1:])
