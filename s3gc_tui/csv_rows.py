"""Records as CSV (`--csv`): what a list holds, for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

from s3gc_tui.lines import Output, Record, builtins
from s3gc_tui.safe_text import safe_text

# A spreadsheet takes what begins so for a formula, and would run it.
_FORMULA = ("=", "+", "-", "@")


class CsvRows:
    """Rows with a line of names before them, and before each kind of record that differs.

    The summary is told to `told`, as it is no row of the list. Texts are written as they are shown
    everywhere (`safe_text`), lists and tables in them as JSON.
    """

    def __init__(self, output: Output, told: Callable[[Record], None]) -> None:
        self._output = output
        self._told = told
        self._names: list[str] = []

    def __call__(self, record: Record) -> None:
        """Write one record."""
        if record["type"] == "summary":
            self._told(record)
            return
        plain = builtins({name: value for name, value in record.items() if name != "text"})
        if not isinstance(plain, dict):
            raise TypeError("a record is a mapping")
        if list(plain) != self._names:
            self._names = list(plain)
            self._output.line(_row(self._names))
        self._output.line(_row([_cell(value) for value in plain.values()]))


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            shown = safe_text(value)
        case _:
            shown = safe_text(json.dumps(value, ensure_ascii=False))
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _row(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()
