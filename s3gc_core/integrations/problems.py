"""Errors as RFC 9457 tells them (application/problem+json), by the same names as in batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from s3gc_core.errors import ExitCode, GuardBlocked, JobRefused, S3gcError, name_of
from s3gc_core.integrations.scrubbing import SCRUBBER

MEDIA_TYPE = "application/problem+json"

# A status for each exit code, and for what a client has to tell apart by more than the name.
_STATUS = {
    ExitCode.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
    ExitCode.USAGE: HTTPStatus.INTERNAL_SERVER_ERROR,
    ExitCode.BLOCKED: HTTPStatus.CONFLICT,
    ExitCode.PARTIAL: HTTPStatus.CONFLICT,
    ExitCode.BUSY: HTTPStatus.CONFLICT,
    ExitCode.UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ExitCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
}
_STATUS_OF = {
    "request-unusable": HTTPStatus.UNPROCESSABLE_ENTITY,
    "token-refused": HTTPStatus.UNAUTHORIZED,
    "write-token-needed": HTTPStatus.FORBIDDEN,
    "read-only-session": HTTPStatus.FORBIDDEN,
    "too-many-streams": HTTPStatus.TOO_MANY_REQUESTS,
    "object-unreadable": HTTPStatus.SERVICE_UNAVAILABLE,
    "plan-gone": HTTPStatus.GONE,
    "scan-gone": HTTPStatus.GONE,
}


class Wrong(BaseModel):
    """One thing wrong with a request: where, and why."""

    where: str
    why: str


class ProblemAnswer(BaseModel):
    """What went wrong, why it matters and what to do next; `error` is the name to match on."""

    type: str = Field(description="urn:s3gc:error: and the name")
    title: str
    status: int
    detail: str
    error: str = Field(description="the same name as in the summary of s3gc --batch")
    why: str
    next_step: str
    operation_id: str | None = None
    blocked: list[str] = Field(default=[], description="guards that tripped")
    wrong: list[Wrong] = Field(default=[], description="what is wrong with the request")


class AsciiJson(JSONResponse):
    """JSON in pure ASCII: no byte of a key can act on the terminal of who asks with curl."""

    def render(self, content: Any) -> bytes:
        """As one line."""
        text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        return text.replace("\x7f", "\\u007f").encode()


class ProblemJson(AsciiJson):
    """The answer that tells of an error."""

    media_type = MEDIA_TYPE


def status_of(name: str, exit_code: ExitCode) -> HTTPStatus:
    """The status that an error is answered with."""
    return _STATUS_OF.get(name, _STATUS.get(exit_code, HTTPStatus.INTERNAL_SERVER_ERROR))


def problem(
    error: S3gcError,
    *,
    status: HTTPStatus | None = None,
    wrong: Sequence[Wrong] = (),
    headers: Mapping[str, str] | None = None,
) -> ProblemJson:
    """The answer that tells of an error of ours."""
    status = status or status_of(error.name, error.exit_code)
    answer = ProblemAnswer(
        type=f"urn:s3gc:error:{error.name}",
        title=error.name.replace("-", " "),
        status=status,
        # What a driver said may be in it.
        detail=SCRUBBER.scrubbed(error.what),
        error=error.name,
        why=error.why,
        next_step=error.next_step,
        operation_id=error.operation_id,
        blocked=list(_guards(error)),
        wrong=[
            Wrong(where=SCRUBBER.scrubbed(one.where), why=SCRUBBER.scrubbed(one.why))
            for one in wrong
        ],
    )
    return ProblemJson(answer.model_dump(), status, dict(headers or {}))


def _guards(error: S3gcError) -> Sequence[str]:
    if isinstance(error, GuardBlocked):
        return error.guards
    return error.blocked if isinstance(error, JobRefused) else ()


def error_of(summary: Mapping[str, Any]) -> JobRefused:
    """The error that ended a batch command, from its summary."""
    name = str(summary.get("error"))
    return JobRefused(
        name,
        _EXIT_CODES.get(name, ExitCode.FAILED),
        str(summary.get("what", "it failed unexpectedly")),
        why=summary.get("why"),
        next_step=summary.get("next_step"),
        blocked=[str(guard) for guard in summary.get("blocked", ())],
    )


def _kinds(kind: type[S3gcError]) -> Iterator[type[S3gcError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


_EXIT_CODES = {name_of(kind): kind.exit_code for kind in _kinds(S3gcError)}
