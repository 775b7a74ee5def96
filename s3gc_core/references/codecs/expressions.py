"""Codec `regex`: what the operator's pattern finds.

Closes incident group b (a kind of reference that nobody told the collector about: a way of writing
keys that no other codec knows).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regex import Pattern

# A value on which a pattern takes longer is not read: a pattern of nested repetitions may take
# years, and what it would have found is not known.
SECONDS = 5.0


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> Pattern[str]:
    # Here and not above: few configurations have a pattern, and the import takes a while.
    import regex

    return regex.compile(pattern)


def matches(text: str, pattern: str) -> Iterator[str]:
    """What each match holds in its group `key`, else in each of its groups, else as a whole.

    The whole value is searched, however long it is. Raises `TimeoutError` where that takes longer
    than `SECONDS`.
    """
    compiled = _compiled(pattern)
    named = "key" in compiled.groupindex
    # Concurrent: other threads go on meanwhile.
    for match in compiled.finditer(text, concurrent=True, timeout=SECONDS):
        groups = [match["key"]] if named else match.groups()
        for found in [group for group in groups if group is not None] or [match[0]]:
            if found:
                yield found
