"""What screens tell the application: what they want opened next, or that nothing can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from s3gc_core.collection import Selection


class RestoreWanted(Message):
    """The operator wants deleted objects back; the app opens the restore wizard.

    It begins with `selection`, or asks what to restore where that is None.
    """

    def __init__(self, selection: Selection | None) -> None:
        super().__init__()
        self.selection = selection


class KeyWanted(Message):
    """The operator wants to know everything about a key; the app opens its detail screen."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
