"""What commands say: one record a line, as JSON for scripts or as text for people.

A record is a dict with a `type`; the last one of a command is its `summary`. `text` is the same
record for people, and not part of the JSON.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from json import dumps
from typing import Protocol, TextIO

import msgspec

from s3gc_tui.safe_text import safe_text

Record = Mapping[str, object]


class Emit(Protocol):
    """Takes one record."""

    def __call__(self, record: Record) -> None:
        """Write it out."""
        ...


def builtins(value: object) -> object:
    """A struct or dataclass of the core as plain dicts, lists and ISO times."""
    return msgspec.to_builtins(value)


def json_line(record: Record) -> str:
    """A record as one line of pure ASCII: no byte of a key can act on a terminal."""
    plain = {name: value for name, value in record.items() if name != "text"}
    return dumps(builtins(plain), ensure_ascii=True).replace("\x7f", "\\u007f")


class Output:
    """Standard output, one line at a time; a reader that went away does not stop the work."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def line(self, text: str) -> None:
        """Write and flush a line. Raises `OSError` once where the stream is broken, such as on a
        full disk; after that, and where there is no stream, lines go nowhere.
        """
        stream = self._stream
        if stream is None:
            return
        try:
            stream.write(text + "\n")
            stream.flush()
        except OSError as error:
            self._stream = None
            # What is left in the buffer must not be tried again when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if not isinstance(error, BrokenPipeError):
                raise
            # `s3gc candidates | head`: the reader has had enough; what runs must end in order.


class JsonLines:
    """Records as JSON lines (`--batch`)."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, record: Record) -> None:
        """Write one record."""
        self._output.line(json_line(record))


class PlainText:
    """Records as aligned text for people."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __call__(self, record: Record) -> None:
        """Write one record."""
        plain = builtins(record)
        if not isinstance(plain, dict):
            raise TypeError("a record is a mapping")
        kind = plain.pop("type")
        if kind == "summary":
            self._output.line("")
            for name, value in plain.items():
                if value not in (None, "", [], {}):
                    self._output.line(f"  {name.replace('_', ' '):<14} {_words(value)}")
        elif text := plain.get("text"):
            self._output.line(safe_text(str(text)))
        else:
            self._output.line("  ".join(f"{k}={_words(v)}" for k, v in plain.items()))


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{safe_text(str(k))} {_words(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(_words(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else safe_text(str(value))
