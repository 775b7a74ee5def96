"""Which protected prefixes and patterns protect anything at all: a typo in one protects nothing."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from s3gc_core.judgement.layers import Rules


class UnmatchedExclusions:
    """Prefixes and patterns that have matched none of the keys seen so far."""

    def __init__(self, rules: Rules) -> None:
        self._prefixes = list(dict.fromkeys(rules.exclude_prefixes))
        self._patterns = list(dict.fromkeys(rules.exclude_patterns))

    def see(self, keys: Iterable[str]) -> None:
        """Look at more keys. Costs nothing once all have matched."""
        for key in keys:
            if not self._prefixes and not self._patterns:
                return
            if any(map(key.startswith, self._prefixes)):
                self._prefixes = [p for p in self._prefixes if not key.startswith(p)]
            if any(fnmatchcase(key, pattern) for pattern in self._patterns):
                self._patterns = [p for p in self._patterns if not fnmatchcase(key, p)]

    def names(self) -> list[str]:
        """What is left: `exclude_prefixes: PREFIX` and `exclude_patterns: PATTERN`, as written."""
        return [
            *(f"exclude_prefixes: {prefix}" for prefix in self._prefixes),
            *(f"exclude_patterns: {pattern}" for pattern in self._patterns),
        ]
