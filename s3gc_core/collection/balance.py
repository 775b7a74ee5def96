"""The books of an execution: every object of the plan ended one way, and nothing else did."""

from __future__ import annotations

from collections.abc import Iterable

# How many keys a difference names.
_SHOWN = 3


def imbalance(planned: Iterable[str], ended: Iterable[str]) -> str:
    """What is wrong where the keys that ended are not the planned ones, each once; else empty."""
    left = set(planned)
    surplus = []
    for key in ended:
        if key in left:
            left.remove(key)
        else:
            surplus.append(key)
    found = {"without a result": sorted(left), "with a result too many": sorted(surplus)}
    return "; ".join(_in_words(keys, what) for what, keys in found.items() if keys)


def _in_words(keys: list[str], what: str) -> str:
    more = ", ..." if len(keys) > _SHOWN else ""
    return f"{len(keys)} {what} ({', '.join(keys[:_SHOWN])}{more})"
