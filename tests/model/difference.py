"""What is said when s3gc and the model do not agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Difference(AssertionError):
    """s3gc and the model do not agree. `wrong_deletions` are keys that had to stay."""

    def __init__(self, what: str, told: str, wrong_deletions: Sequence[str] = ()) -> None:
        danger = f"WRONG DELETIONS {sorted(wrong_deletions)}; " if wrong_deletions else ""
        super().__init__(f"{danger}{what}: {told}")
        self.is_dangerous = bool(wrong_deletions)


class CrashedHere(RuntimeError):
    """The process dies at this point, as far as s3gc can tell."""


def unlike(must: Mapping[str, object], got: Mapping[str, object]) -> str:
    """What differs, key by key."""
    keys = sorted(key for key in must.keys() | got.keys() if must.get(key) != got.get(key))
    return ", ".join(f"{key}: {got.get(key)!r} where {must.get(key)!r} is right" for key in keys)
