"""Strings inside of serialised values: PHP's serialize, YAML as Ruby and others write it, pickle.

Such a value is read as text and never executed. Closes incident group b (a kind of reference that
nobody told the collector about: keys in the options and metadata of an application).
"""

from __future__ import annotations

import base64
import binascii
import pickletools
import re
from collections.abc import Iterator

from s3gc_core.references.spellings import LONGEST

_PHP_MARK = re.compile(r"s:\d{1,6}:\\?\"")
_PHP_STRING = re.compile(rb"s:(\d{1,6}):\\?\"")
_MOST_FOLDERS = 8
# A mapping's name and its colon, list marks, tags and anchors: what stands before a YAML scalar.
_YAML_MARKS = re.compile(r"(?:[-?] +|[!&]\S+ +)*")
# The expressions begin where nothing like their beginning is before them: else a long run of spaces
# or of quotes would be searched again from each of its characters.
_YAML_QUOTED = re.compile(r"(?<![^\s\[{,])(?:\"(?:[^\"\\]|\\.)*+\"|'(?:[^']|'')*+')", re.DOTALL)
_YAML_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_YAML_NAMED = {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "_": "\xa0", "N": "\x85", "0": "\0"}
_YAML_BINARY = re.compile(
    r"!binary\s+(?:\|[+-]?[ \t]*\n|\")((?:[ \t]*+[A-Za-z0-9+/=]++[ \t]*+\n?)++)"
)
_YAML_FOLD = re.compile(r"(?<![ \t])[ \t]*+\n[ \t]*+")
_YAML_CONTINUED = re.compile(r"(?<![ \t])[ \t]*+\n[ \t]++(?![-?] )(?![^\s:]++:(?:\s|$))")
# Runs of characters that may be text, in a binary value.
_RUN = re.compile("[^\\x00-\\x1f\\x7f\udc80-\udcff]{3,}")
_URL = re.compile(r"(?:https?|s3[an]?)://", re.IGNORECASE)


def strings(text: str) -> Iterator[str]:
    """Every string that a serialised value holds, where `text` looks like one."""
    if _PHP_MARK.search(text):
        yield from _with_folders(_php(text))
    if ": " in text or "- " in text or ":\n" in text:
        yield from _yaml(text)
    if text.endswith((".", ".\n")) and "\n" in text:
        # Protocol 0 is text, in which a character is one byte.
        yield from _pickled(text.encode("latin-1", "replace"))


def binary_strings(value: bytes) -> Iterator[str]:
    """Strings in a binary value: of a pickle, and every run of characters.

    The byte before a string may tell its length and look like a letter: runs count without their
    first character, too, unless that begins a URL.
    """
    if value.endswith(b"."):
        yield from _pickled(value)
    for run in _RUN.findall(value.decode("utf-8", "surrogateescape")):
        yield run
        if not _URL.match(run):
            yield run[1:]


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _php(text: str) -> Iterator[str]:
    """Strings of PHP's serialize, by their length in bytes: they may hold quotes."""
    raw = _bytes(text)
    for match in _PHP_STRING.finditer(raw):
        length = int(match[1])
        end = match.end() + length
        if not 0 < length <= LONGEST or raw[end : end + 2].lstrip(b"\\")[:1] != b'"':
            continue
        yield raw[match.end() : end].decode("utf-8", "surrogateescape")


def _with_folders(strings: Iterator[str]) -> Iterator[str]:
    """The strings; a base name also in the folders of the paths before it.

    WordPress names the main file of an attachment with its folder, its sizes without.
    """
    folders: dict[str, None] = {}
    for string in strings:
        yield string
        folder, slash, base = string.rpartition("/")
        if slash and "." in base:
            if folder not in folders and len(folders) < _MOST_FOLDERS:
                folders[folder] = None
        elif "." in base:
            for known in folders:
                yield f"{known}/{base}"


def _pickled(value: bytes) -> Iterator[str]:
    """Strings of a pickle, protocols 0 to 5: its operations are listed, and none is carried out."""
    try:
        for operation, argument, _ in pickletools.genops(value):
            if isinstance(argument, str):
                yield argument
                if "STRING" in operation.name and not argument.isascii():
                    # A text of Python 2: its bytes, each taken for a character.
                    yield argument.encode("latin-1").decode("utf-8", "surrogateescape")
            elif isinstance(argument, bytes):
                yield argument.decode("utf-8", "surrogateescape")
    except (ValueError, IndexError, KeyError, OverflowError, UnicodeError):
        return  # no pickle, or cut: what was found before counts


def _yaml(text: str) -> Iterator[str]:
    for layout in dict.fromkeys((text, _YAML_CONTINUED.sub(" ", text))):
        for line in layout.splitlines():
            if len(line) <= 2 * LONGEST:
                yield from _yaml_scalars(line)
    for match in _YAML_QUOTED.finditer(text):
        if "\n" in match[0]:
            yield _yaml_scalar(match[0])
    for match in _YAML_BINARY.finditer(text):
        try:
            yield base64.b64decode("".join(match[1].split())).decode("utf-8", "surrogateescape")
        except binascii.Error:
            continue


def _yaml_scalars(line: str) -> Iterator[str]:
    """What may be the value in a line: all of it, and what follows each name."""
    rest = line.strip()
    for _ in range(4):
        rest = rest[_match_end(rest) :]
        if "." in rest or "/" in rest:
            yield _yaml_scalar(rest)
        _, colon, rest = rest.partition(": ")
        if not colon:
            return
        rest = rest.strip()


def _match_end(text: str) -> int:
    match = _YAML_MARKS.match(text)
    return match.end() if match else 0


def _yaml_scalar(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return _YAML_FOLD.sub(" ", text[1:-1].replace("''", "'"))
    if len(text) > 1 and text[0] == text[-1] == '"':
        inside = re.sub(r"\\\n[ \t]*", "", text[1:-1])
        return _YAML_ESCAPE.sub(_yaml_character, _YAML_FOLD.sub(" ", inside))
    return text


def _yaml_character(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) == 1:
        return _YAML_NAMED.get(escape, escape)
    number = int(escape[1:], 16)
    return chr(number) if number < 0x110000 else match[0]
