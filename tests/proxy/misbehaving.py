"""Faults by chance: which request goes wrong, and how, all from one seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.faults.oracle import PromiseBroken
from tests.faults.store import Store, Stored
from tests.proxy.faults import TABLE, Fault
from tests.proxy.requests import Asked, Signer, asked, deletions, key_of
from tests.servers.proxy import Exchange, Proxy

PAGE = 10  # entries of a listing's page: several pages to go wrong
_PROBES = ".s3gc-probe"
# Kinds of which a round has few requests, and much depends on each.
_FEW = (Asked.DELETE_BATCH, Asked.LIST)

# Told of each delete right before the store sees it: keys with what each is bound to.
Watch = Callable[[dict[str, str | None]], None]


@dataclass(slots=True)
class Misbehaving:
    """A proxy's bad habits. `rate`: of how many requests one goes wrong; 0 is an honest store.

    `current` is what the application last wrote at each key.
    """

    proxy: Proxy
    store: Store
    signer: Signer
    chance: random.Random
    current: dict[str, Stored]
    watch: Watch
    rate: float = 0.0
    faults: Sequence[Fault] = field(default_factory=lambda: TABLE.faults)
    lied_about: set[str] = field(default_factory=set)
    overwritten: dict[str, list[Stored]] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)
    broken: list[PromiseBroken] = field(default_factory=list)
    _chosen: dict[int, Fault] = field(default_factory=dict)
    _besides: dict[int, bytes] = field(default_factory=dict)

    def begin(self) -> None:
        """From now on every request comes here."""
        self.proxy.early, self.proxy.before, self.proxy.after = (
            self._early,
            self._before,
            self._after,
        )

    def sign(self, exchange: Exchange) -> None:
        """See `Signer.sign`."""
        self.signer.sign(exchange, self.proxy.endpoint)

    async def overwrite(self, key: str) -> None:
        """The application writes another object at the key, past the proxy."""
        if key.startswith(_PROBES):
            return
        self.overwritten.setdefault(key, []).append(self.current[key])
        written = Stored(self.chance.randbytes(200), {"ContentType": "text/plain"})
        self.current[key] = written
        await asyncio.to_thread(self.store.put_all, {key: written})

    def another_body(self, size: int) -> bytes:
        """Bytes of the length of another object's."""
        return self.chance.randbytes(size)

    def say_besides(self, exchange: Exchange, entry: bytes) -> None:
        """Add an entry to the answer of this DeleteObjects, once there is one."""
        self._besides[id(exchange)] = entry

    def _early(self, method: str, path: str) -> bool:
        early = [f for f in self.faults if f.early and asked(method, path) in f.at]
        if not early or self.chance.random() >= self.rate / 8:
            return False
        self.fired[early[0].name] += 1
        return True

    async def _before(self, exchange: Exchange) -> None:
        kind = asked(exchange.method, exchange.path)
        if kind is Asked.LIST and "max-keys" not in exchange.path:
            exchange.path += f"&max-keys={PAGE}"
            self.sign(exchange)
        possible = [f for f in self.faults if kind in f.at and not f.early]
        own = [f for f in possible if len(f.at) < len(Asked)]
        rate = self.rate
        if kind in _FEW:
            rate, possible = min(4 * rate, 0.5), self.chance.choice((possible, own))
        if possible and self.chance.random() < rate:
            fault = self._chosen[id(exchange)] = self.chance.choice(possible)
            self.fired[fault.name] += 1
            await fault.before(exchange, self)
        if not exchange.status and not exchange.reset:
            self._tell(kind, exchange)

    def _tell(self, kind: Asked, exchange: Exchange) -> None:
        deleted: dict[str, str | None] = {}
        if kind is Asked.DELETE_BATCH:
            deleted = deletions(exchange.body)
        elif kind is Asked.DELETE:
            named = {name.lower(): value for name, value in exchange.headers.items()}
            deleted = {key_of(exchange.path): named.get("if-match")}
        deleted = {k: etag for k, etag in deleted.items() if not k.startswith(_PROBES)}
        if deleted:
            try:
                self.watch(deleted)
            except PromiseBroken as broken:
                # Here it would only be an answer of the proxy's; whoever looks next raises it.
                self.broken.append(broken)

    async def _after(self, exchange: Exchange) -> None:
        if entry := self._besides.pop(id(exchange), None):
            exchange.answer = exchange.answer.replace(
                b"</DeleteResult>", entry + b"</DeleteResult>"
            )
        fault = self._chosen.pop(id(exchange), None)
        if fault is not None and 200 <= exchange.status < 300:
            await fault.after(exchange, self)
