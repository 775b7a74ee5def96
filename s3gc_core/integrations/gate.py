"""What every request passes first: a token, a bound on its size; and what no error passes."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from s3gc_core import log
from s3gc_core.collector import Collector
from s3gc_core.errors import (
    RequestFailed,
    RequestUnusable,
    S3gcError,
    TokenRefused,
    WriteTokenNeeded,
)
from s3gc_core.integrations.problems import problem
from s3gc_core.integrations.tokens import Token, whose

# What is answered to anybody.
OPEN_PATH = "/health"
# No request of ours is longer: a plan's approval may name many keys.
LIMIT_BYTES = 1 << 20
_READING = frozenset({"GET", "HEAD"})


class Gate:
    """An ASGI application before another: whatever has no route of its own is closed, too."""

    def __init__(self, app: ASGIApp, tokens: Sequence[Token]) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it through on the word of its token, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            who = self._who(scope)
            with Collector.acting(who):
                await self._app(scope, _bounded(scope, receive), sending)
        except S3gcError as error:
            if begun:
                raise
            refused = isinstance(error, TokenRefused)
            headers = {"WWW-Authenticate": "Bearer"} if refused else {}
            await problem(error, headers=headers)(scope, receive, send)
        except Exception as error:
            # The outermost frame of ours: its text may hold anything, a password too.
            log.warning("admin_api_failed", error=type(error).__name__, where=_place(error))
            if begun:
                raise
            failed = RequestFailed(f"it failed unexpectedly ({type(error).__name__})")
            await problem(failed)(scope, receive, send)

    def _who(self, scope: Scope) -> str:
        """Who acts; empty for anybody, who may ask one thing only."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        reading = scope["method"] in _READING
        if path == OPEN_PATH and reading:
            return ""
        token = whose(self._tokens, Headers(scope=scope).get("authorization"))
        if token is None:
            raise TokenRefused("no token, or one that nobody was given")
        if not reading and not token.may_write:
            raise WriteTokenNeeded(f"the token {token.name} only reads")
        return token.actor


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """Nobody makes us hold more than a request of ours takes. Raises `RequestUnusable`."""
    declared = Headers(scope=scope).get("content-length", "0")
    left = LIMIT_BYTES
    too_long = RequestUnusable(f"a request has at most {LIMIT_BYTES} bytes")
    if not declared.isascii() or not declared.isdigit() or int(declared) > left:
        raise too_long

    async def receiving() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_long
        return message

    return receiving


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}"
