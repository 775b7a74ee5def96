"""A world with four orphans and an object in use, behind an admin API that is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from s3gc_core.integrations import PREFIX
from tests.tui.command_line import TAME_BYTES

READ, WRITE, ADMIN = "r" * 20, "w" * 20, "a-key-of-the-admin"
# Objects are old enough for processes that think so many days have passed.
DAYS = 30.0
ENVIRON = {"READ_TOKEN": READ, "WRITE_TOKEN": WRITE, "S3GC_ADMIN_API_KEY": ADMIN}
TOKENS: Mapping[str, Mapping[str, Any]] = {
    "monitoring": {"env": "READ_TOKEN"},
    "deployer": {"env": "WRITE_TOKEN", "write": True},
}
SECONDS = 60.0


@dataclass(slots=True)
class Asking:
    """Asks with a token; what holds for every answer is checked here."""

    client: httpx.AsyncClient
    token: str | None = WRITE

    async def __call__(
        self, method: str, path: str, body: object = None, *, status: int = 200, **query: object
    ) -> Any:
        """The answer to a request of PATH below the prefix."""
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        more: Mapping[str, Any] = {} if body is None else {"json": body}
        answer = await self.client.request(
            method, PREFIX + path, headers=headers, params={k: str(v) for k, v in query.items()},
            **more,
        )  # fmt: skip
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        assert set(answer.content) <= TAME_BYTES, answer.content
        if status >= 400 and path != "/health":
            problem = answer.json()
            assert answer.headers["content-type"] == "application/problem+json"
            assert (problem["status"], problem["type"]) == (
                status,
                f"urn:s3gc:error:{problem['error']}",
            )
            assert problem["why"]
            assert problem["next_step"]
        if status == 202:
            return answer.json() | {"location": answer.headers["location"]}
        return answer.json() if answer.content else None

    async def ended(self, job: Mapping[str, Any]) -> Any:
        """Follow a job to its end."""
        path = job["location"].removeprefix(PREFIX)
        async with asyncio.timeout(SECONDS):
            while True:
                now = await self("GET", path)
                if not now["running"]:
                    return now
                await asyncio.sleep(0.05)


def ask(app: FastAPI, token: str | None = WRITE) -> Asking:
    """Asks an application in this process. Nobody runs its lifespan."""
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://s3gc")
    return Asking(client, token)
