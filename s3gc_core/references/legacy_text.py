"""Text that went through Latin-1: UTF-8 that was read as such, and what was written in it. Pure.

An application whose connection says Latin-1 stores UTF-8 there and gets it back as it was; who asks
the database in UTF-8 reads two to four characters for each that is not ASCII (`\u00c3\u00bc`).
MySQL means Windows-1252 by it, with the codes that this does not have as they are; PostgreSQL does
not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FIRST = 0x80


def _character(code: int) -> str:
    try:
        return bytes([code]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(code)


_OF_CODE = {code: _character(code) for code in range(_FIRST, 0x100)}
_CODE = {ord(char): code for code, char in _OF_CODE.items()} | {c: c for c in _OF_CODE}
_NEXT = "[" + "".join(sorted(chr(c) for c, code in _CODE.items() if code < 0xC0)) + "]"
# A character in UTF-8, of which each byte was read as one.
_MISREAD = re.compile(
    f"[\u00c2-\u00df]{_NEXT}|[\u00e0-\u00ef]{_NEXT}{{2}}|[\u00f0-\u00f4]{_NEXT}{{3}}"
)
# Bytes that are no UTF-8, as Python's `surrogateescape` keeps them.
_KEPT_BYTES = re.compile("[\udc80-\udcff]")
_OF_KEPT_BYTE = {0xDC00 + code: char for code, char in _OF_CODE.items()}


def read_again(text: str) -> str:
    """The text as it was meant: bytes that are no UTF-8 are of Windows-1252, and characters that
    are bytes of UTF-8 are those of which they are the bytes.
    """
    if text.isascii():
        return text
    if _KEPT_BYTES.search(text):
        return text.translate(_OF_KEPT_BYTE)
    return _MISREAD.sub(_as_utf_8, text)


def misread(text: str) -> Iterator[str]:
    """What is read instead of a text that has more than ASCII: as Latin-1, and as Windows-1252."""
    as_latin = text.encode("utf-8", "surrogatepass").decode("latin-1")
    yield as_latin
    yield as_latin.translate(_OF_CODE)


def legacy_bytes(text: str) -> bytes | None:
    """The text in Windows-1252; None where it has other characters."""
    codes = [code if code < _FIRST else _CODE.get(code) for code in map(ord, text)]
    return bytes(code for code in codes if code is not None) if None not in codes else None


def _as_utf_8(found: re.Match[str]) -> str:
    try:
        return bytes(_CODE[ord(char)] for char in found[0]).decode()
    except UnicodeDecodeError:
        return found[0]
