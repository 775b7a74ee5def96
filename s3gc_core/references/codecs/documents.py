"""Codec `json`: every string inside, names included, or those that a JSONPath (RFC 9535) selects.

Closes incident group b (a kind of reference that nobody told the collector about: a key in a new
member of a document is found without being named) and c (JSON's escapes). JSON inside of a string,
as written by who encodes twice, is followed; what does not parse is read as free text by who asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonpath import JSONPath

# How often a document may be the text of a string of another one.
_DEEPEST = 4


def strings(text: str, path: str | None = None) -> list[str] | None:
    """All strings of a JSON text, member names included, or those inside of what `path` selects.

    None where `text` is no JSON, or cannot be read with this path: then nobody knows what is in it.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if path is None:
        return list(_strings(document))
    found = _selected(document, path)
    return None if found is None else [string for item in found for string in _strings(item)]


def _strings(document: object) -> Iterator[str]:
    """Strings inside; base names are given with the folder of the file they belong to, too."""
    waiting: list[tuple[object, str]] = [(document, "")]
    while waiting:
        item, folder = waiting.pop()
        if isinstance(item, str):
            yield item
            if folder and "." in item and "/" not in item:
                yield f"{folder}/{item}"
        elif isinstance(item, list):
            waiting.extend((inner, folder) for inner in item)
        elif isinstance(item, dict):
            folder = _folder(item) or folder
            waiting.extend((name, "") for name in item)
            waiting.extend((inner, folder) for inner in item.values())


def _folder(item: dict[str, object]) -> str:
    """The folder of an attachment's main file, whose sizes are named without it (WordPress)."""
    file = item.get("file")
    return file.rpartition("/")[0] if isinstance(file, str) and "sizes" in item else ""


@lru_cache(maxsize=64)
def _compiled(path: str) -> JSONPath:
    # Here and not above: few configurations have a path, and the import takes a while.
    from jsonpath import JSONPath, JSONPathEnvironment

    compiled = JSONPathEnvironment(strict=True).compile(path)
    if not isinstance(compiled, JSONPath):
        raise TypeError(f"{path} is no plain JSONPath")
    return compiled


def _selected(document: object, path: str) -> list[object] | None:
    """What the path selects, in the document and where its strings are documents themselves."""
    from jsonpath import JSONPathError

    try:
        found = list(_found(document, path))
        whole = _expanded(document, 0)
        return found if whole is document else [*found, *_found(whole, path)]
    except (JSONPathError, RecursionError):
        return None


def _found(document: object, path: str) -> Iterator[object]:
    if isinstance(document, (list, dict)):
        yield from _compiled(path).findall(document)
    elif path == "$":
        yield document


def _expanded(item: object, depth: int) -> object:
    """The document with every string that is a document in place of its text.

    The same object where there is none.
    """
    if isinstance(item, str) and item.lstrip()[:1] in ("[", "{", '"') and depth < _DEEPEST:
        try:
            inner = json.loads(item)
        except ValueError:
            return item
        return _expanded(inner, depth + 1)
    if isinstance(item, list):
        elements = [_expanded(element, depth) for element in item]
        same = all(new is old for new, old in zip(elements, item, strict=True))
        return item if same else elements
    if isinstance(item, dict):
        members = {name: _expanded(member, depth) for name, member in item.items()}
        return item if all(members[name] is item[name] for name in item) else members
    return item
