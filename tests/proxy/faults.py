"""The ways a store can go wrong, each by name, and what it goes wrong at."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from tests.proxy.requests import (
    Asked,
    delete_answer,
    deleting,
    deletions,
    key_of,
    said_deleted,
    said_failed,
)
from tests.servers.proxy import Exchange

_ENTRY = re.compile(b"<Contents>.*?</Contents>", re.DOTALL)
_ERROR = b"<?xml version='1.0'?><Error><Code>%b</Code><Message>not now</Message></Error>"
SLOW_SECONDS = 0.2


class Surroundings(Protocol):
    """What a fault may need of the world around the store."""

    chance: random.Random
    # Keys about which something was said that nobody can check cheaply.
    lied_about: set[str]

    def sign(self, exchange: Exchange) -> None: ...

    async def overwrite(self, key: str) -> None: ...

    def another_body(self, size: int) -> bytes: ...

    def say_besides(self, exchange: Exchange, entry: bytes) -> None: ...


Step = Callable[[Exchange, Surroundings], Awaitable[None]]


async def _nothing(exchange: Exchange, around: Surroundings) -> None:
    await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Fault:
    """`before` the store sees the request, `after` it answered; `early` before it is read whole."""

    name: str
    at: frozenset[Asked]
    before: Step = _nothing
    after: Step = _nothing
    early: bool = False


@dataclass(slots=True)
class Table:
    """All faults, as they are defined below."""

    faults: list[Fault] = field(default_factory=list)

    def at(self, *asked: Asked, early: bool = False) -> Callable[[Step], Step]:
        """Register a step that edits, or answers, the request."""
        return self._register(asked, "before", early=early)

    def answer_of(self, *asked: Asked) -> Callable[[Step], Step]:
        """Register a step that edits the answer of a request that went well."""
        return self._register(asked, "after")

    def _register(
        self, asked: tuple[Asked, ...], when: str, *, early: bool = False
    ) -> Callable[[Step], Step]:
        def register(step: Step) -> Step:
            name = step.__name__.replace("_", " ").strip()
            at = frozenset(asked or Asked)
            before, after = (step, _nothing) if when == "before" else (_nothing, step)
            self.faults.append(Fault(name, at, before, after, early=early))
            return step

        return register


TABLE = Table()


def _refuse(exchange: Exchange, status: int, code: bytes, **headers: str) -> None:
    exchange.status, exchange.answer = status, _ERROR % code
    exchange.answer_headers = {"Content-Type": "application/xml", **headers}


@TABLE.at()
async def _slow_down(exchange: Exchange, around: Surroundings) -> None:
    _refuse(exchange, 503, b"SlowDown")


@TABLE.at()
async def _slow_down_and_when_to_come_again(exchange: Exchange, around: Surroundings) -> None:
    _refuse(exchange, 503, b"SlowDown", **{"Retry-After": "1"})


@TABLE.at()
async def _internal_error(exchange: Exchange, around: Surroundings) -> None:
    _refuse(exchange, 500, b"InternalError")


@TABLE.answer_of()
async def _error_after_it_was_done(exchange: Exchange, around: Surroundings) -> None:
    exchange.answer_headers.pop("Content-Length", None)
    _refuse(exchange, 503, b"SlowDown")


@TABLE.answer_of()
async def _denied_after_it_was_done(exchange: Exchange, around: Surroundings) -> None:
    exchange.answer_headers.pop("Content-Length", None)
    _refuse(exchange, 403, b"AccessDenied")


@TABLE.at(early=True)
async def _reset_in_the_middle(exchange: Exchange, around: Surroundings) -> None:
    exchange.reset = True


@TABLE.at()
async def _reset_before(exchange: Exchange, around: Surroundings) -> None:
    exchange.reset = True


@TABLE.answer_of()
async def _reset_after_it_was_done(exchange: Exchange, around: Surroundings) -> None:
    exchange.reset = True


@TABLE.at()
async def _slow(exchange: Exchange, around: Surroundings) -> None:
    await asyncio.sleep(around.chance.uniform(0, SLOW_SECONDS))


@TABLE.answer_of(Asked.GET, Asked.LIST, Asked.TAGS, Asked.DELETE_BATCH)
async def _body_cut(exchange: Exchange, around: Surroundings) -> None:
    exchange.cut_after = around.chance.randrange(max(1, len(exchange.answer)))


@TABLE.answer_of(Asked.GET, Asked.LIST, Asked.TAGS, Asked.DELETE_BATCH)
async def _body_cut_and_its_length_too(exchange: Exchange, around: Surroundings) -> None:
    exchange.answer = exchange.answer[: around.chance.randrange(max(1, len(exchange.answer)))]


@TABLE.answer_of(Asked.GET)
async def _bytes_of_another_object(exchange: Exchange, around: Surroundings) -> None:
    exchange.answer = around.another_body(len(exchange.answer))


@TABLE.answer_of(Asked.GET)
async def _one_bit_flipped(exchange: Exchange, around: Surroundings) -> None:
    if exchange.answer:
        at = around.chance.randrange(len(exchange.answer))
        flipped = bytes([exchange.answer[at] ^ (1 << around.chance.randrange(8))])
        exchange.answer = exchange.answer[:at] + flipped + exchange.answer[at + 1 :]


@TABLE.answer_of(Asked.GET, Asked.HEAD)
async def _another_etag(exchange: Exchange, around: Surroundings) -> None:
    around.lied_about.add(key_of(exchange.path))
    for name in exchange.answer_headers:
        if name.lower() == "etag":
            exchange.answer_headers[name] = f'"{around.chance.getrandbits(128):032x}"'


@TABLE.at(Asked.HEAD)
async def _not_there(exchange: Exchange, around: Surroundings) -> None:
    around.lied_about.add(key_of(exchange.path))
    exchange.status = 404


@TABLE.at(Asked.GET, Asked.PUT, Asked.DELETE)
async def _conditions_stripped(exchange: Exchange, around: Surroundings) -> None:
    for name in [n for n in exchange.headers if n.lower() in ("if-match", "if-none-match")]:
        del exchange.headers[name]
    around.sign(exchange)


@TABLE.at(Asked.DELETE_BATCH)
async def _etags_stripped(exchange: Exchange, around: Surroundings) -> None:
    exchange.body = deleting(dict.fromkeys(deletions(exchange.body)))
    around.sign(exchange)


@TABLE.answer_of(Asked.LIST)
async def _an_entry_twice(exchange: Exchange, around: Surroundings) -> None:
    entries = _ENTRY.findall(exchange.answer)
    if entries:
        twice = around.chance.choice(entries)
        exchange.answer = exchange.answer.replace(twice, twice + twice, 1)


@TABLE.answer_of(Asked.LIST)
async def _a_whole_page_twice(exchange: Exchange, around: Surroundings) -> None:
    entries = b"".join(_ENTRY.findall(exchange.answer))
    exchange.answer = exchange.answer.replace(entries, entries + entries, 1)
    count = len(_ENTRY.findall(exchange.answer))
    exchange.answer = re.sub(
        b"<KeyCount>.*?</KeyCount>", b"<KeyCount>%d</KeyCount>" % count, exchange.answer
    )


@TABLE.answer_of(Asked.LIST)
async def _a_listing_that_ends_too_early(exchange: Exchange, around: Surroundings) -> None:
    exchange.answer = exchange.answer.replace(
        b"<IsTruncated>true</IsTruncated>", b"<IsTruncated>false</IsTruncated>"
    )


@TABLE.at(Asked.DELETE_BATCH)
async def _said_deleted_and_nothing_done(exchange: Exchange, around: Surroundings) -> None:
    exchange.status = 200
    exchange.answer = delete_answer([said_deleted(key) for key in deletions(exchange.body)])


@TABLE.at(Asked.DELETE_BATCH)
async def _one_said_deleted_and_left(exchange: Exchange, around: Surroundings) -> None:
    wanted = deletions(exchange.body)
    left = around.chance.choice(sorted(wanted))
    del wanted[left]
    around.lied_about.add(left)
    around.say_besides(exchange, said_deleted(left))
    if not wanted:
        exchange.status, exchange.answer = 200, delete_answer([])
        return
    exchange.body = deleting(wanted)
    around.sign(exchange)


@TABLE.answer_of(Asked.DELETE_BATCH)
async def _some_keys_left_out(exchange: Exchange, around: Surroundings) -> None:
    told = re.findall(b"<Deleted>.*?</Deleted>", exchange.answer, re.DOTALL)
    for entry in told[:: around.chance.choice((1, 2, 3))]:
        exchange.answer = exchange.answer.replace(entry, b"", 1)


@TABLE.answer_of(Asked.DELETE_BATCH)
async def _keys_that_nobody_asked_for(exchange: Exchange, around: Surroundings) -> None:
    strange = said_deleted("used/0.bin")
    exchange.answer = exchange.answer.replace(b"</DeleteResult>", strange + b"</DeleteResult>")


@TABLE.answer_of(Asked.DELETE_BATCH)
async def _done_and_said_to_have_failed(exchange: Exchange, around: Surroundings) -> None:
    code = around.chance.choice(("AccessDenied", "InternalError", "PreconditionFailed", "SlowDown"))
    wanted = deletions(exchange.body)
    wrong = around.chance.sample(sorted(wanted), around.chance.randint(1, len(wanted)))
    exchange.answer = delete_answer(
        [said_failed(k, code) if k in wrong else said_deleted(k) for k in wanted]
    )


@TABLE.at(Asked.DELETE_BATCH)
async def _overwritten_just_before(exchange: Exchange, around: Surroundings) -> None:
    await around.overwrite(around.chance.choice(sorted(deletions(exchange.body))))


@TABLE.at(Asked.DELETE)
async def _overwritten_just_before_it_goes_singly(exchange: Exchange, around: Surroundings) -> None:
    await around.overwrite(key_of(exchange.path))
