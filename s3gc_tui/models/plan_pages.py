"""A plan's objects page by page, forwards and backwards, however many there are."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from s3gc_core.judgement import PlanItem
from s3gc_tui.models.review import Reviewed

# Pages that are kept; going back further reads from the beginning again.
KEPT = 16


class PlanPages:
    """Pages as the plan gives them, without the evidence. `read` begins at the first one."""

    def __init__(self, read: Callable[[], AsyncIterator[list[PlanItem]]]) -> None:
        self._read = read
        self._items: AsyncIterator[list[PlanItem]] | None = None
        self._kept: OrderedDict[int, list[Reviewed]] = OrderedDict()
        # Where each page begins, as far as is known; the next one to read is the last entry.
        self._starts = [0]
        self._next = 0

    async def page(self, number: int) -> tuple[int, list[Reviewed]] | None:
        """A page (from 0) and the number of its first object; None beyond the last."""
        if number not in self._kept:
            if self._items is None or number < self._next:
                await self.close()
                self._items, self._next = self._read(), 0
            while self._next <= number:
                items = await anext(self._items, None)
                if items is None:
                    await self.close()
                    return None
                self._keep(items)
        self._kept.move_to_end(number)
        return self._starts[number], self._kept[number]

    def _keep(self, items: list[PlanItem]) -> None:
        number = self._next
        self._kept[number] = [Reviewed(i.key, i.size, i.last_modified) for i in items]
        self._kept.move_to_end(number)
        if len(self._starts) == number + 1:
            self._starts.append(self._starts[number] + len(items))
        self._next = number + 1
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    async def close(self) -> None:
        """End the reading that is under way."""
        items, self._items = self._items, None
        if isinstance(items, AsyncGenerator):
            await items.aclose()
