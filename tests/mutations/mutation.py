"""One guard taken out of the source, as text."""

from __future__ import annotations

import ast
from dataclasses import dataclass


class DoesNotApply(Exception):
    """The source is not what the mutation was written for."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """How to take one guard out of `file`, and the tests that have to notice, each of them.

    Either `before` becomes `after`, or the body of `function` becomes the statement `after`.
    """

    name: str
    file: str
    after: str
    tests: tuple[str, ...]
    before: str = ""
    function: str = ""

    def apply(self, source: str) -> str:
        """The mutated source. Raises `DoesNotApply` where the place is not found exactly once."""
        mutated = self._emptied(source) if self.function else self._replaced(source)
        ast.parse(mutated)
        return mutated

    def _replaced(self, source: str) -> str:
        found = source.count(self.before)
        if found != 1:
            raise DoesNotApply(f"{self.name}: found {found} times in {self.file}: {self.before!r}")
        return source.replace(self.before, self.after)

    def _emptied(self, source: str) -> str:
        """With `after` before the first statement, so that the rest is never reached."""
        found = [
            node
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name == self.function
        ]
        if len(found) != 1:
            raise DoesNotApply(f"{self.name}: {self.file} has {len(found)} of {self.function}")
        [node] = found
        first = node.body[1] if ast.get_docstring(node) is not None else node.body[0]
        lines = source.splitlines(keepends=True)
        lines.insert(first.lineno - 1, f"{' ' * first.col_offset}{self.after}\n")
        return "".join(lines)
