"""What screens tell the application: what they want opened next, or that nothing can be."""

from __future__ import annotations

from textual.message import Message


class RestoreWanted(Message):
    """The operator wants back what an operation deleted; the app opens the restore wizard."""

    def __init__(self, operation_id: str) -> None:
        super().__init__()
        self.operation_id = operation_id


class KeyWanted(Message):
    """The operator wants to know everything about a key; the app opens its detail screen."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key
