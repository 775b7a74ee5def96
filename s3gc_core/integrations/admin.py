"""The admin API of one configuration as an application of its own, to be mounted in another."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.responses import Response

from s3gc_core.clock import Clock
from s3gc_core.config import Config
from s3gc_core.errors import NoSuchPath, RequestUnusable, S3gcError
from s3gc_core.integrations.changing import writing
from s3gc_core.integrations.door import Door
from s3gc_core.integrations.gate import Gate
from s3gc_core.integrations.granting import granting
from s3gc_core.integrations.looking import anybody, reading
from s3gc_core.integrations.problems import (
    MEDIA_TYPE,
    AsciiJson,
    ProblemAnswer,
    Wrong,
    problem,
)
from s3gc_core.integrations.restoring import restoring
from s3gc_core.integrations.scrubbing import keep_secret
from s3gc_core.integrations.telling import telling
from s3gc_core.integrations.tokens import read_tokens
from s3gc_core.service import PROGRAM
from s3gc_core.session import READ_ONLY, READ_ONLY_VARIABLE, UNRESTRICTED

_TITLE = "s3gc admin API"
# Statuses that any request may be answered with: see `problems`.
_ANYWHERE = ("401", "403", "404", "405", "409", "410", "422", "429", "500", "503")
_BEARER = HTTPBearer(auto_error=False, description="a token of [api.tokens]")


def make_admin_app(
    config: Config,
    *,
    environ: Mapping[str, str] | None = None,
    program: Sequence[str] = PROGRAM,
    clock: Clock | None = None,
) -> FastAPI:
    """The application; `program` starts s3gc as a process. Its `state.door` has to be closed.

    Raises `ConfigurationError` where there is no token, or one of no use.
    """
    environ = os.environ if environ is None else environ
    keep_secret(config, environ)
    tokens = read_tokens(config.api, environ)
    session = READ_ONLY if environ.get(READ_ONLY_VARIABLE) else UNRESTRICTED
    app = FastAPI(
        title=_TITLE,
        version="1",
        docs_url=None,
        redoc_url=None,
        default_response_class=AsciiJson,
        separate_input_output_schemas=False,
        redirect_slashes=False,
    )
    app.state.door = Door(config, program, session, clock)
    strict = [Depends(refuse_unknown)]
    app.include_router(anybody, dependencies=strict)
    for router in (reading, writing, restoring, granting, telling):
        app.include_router(router, dependencies=[Security(_BEARER), *strict])
    app.add_exception_handler(S3gcError, _of_ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, of_http)
    app.add_middleware(Gate, tokens=tokens)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


async def refuse_unknown(request: Request) -> None:
    """A parameter that nobody reads, or one given twice, is no parameter of ours."""
    path = request.scope["route"].path
    described = request.app.openapi()["paths"].get(path, {}).get(request.method.lower(), {})
    known = {p["name"] for p in described.get("parameters", ()) if p["in"] == "query"}
    given = [name for name, _ in request.query_params.multi_items()]
    wrong = [Wrong(where="query", why="an unknown parameter") for n in given if n not in known]
    if len(set(given)) < len(given):
        wrong.append(Wrong(where="query", why="a parameter twice"))
    if wrong:
        raise _UnusableError(wrong)


class _UnusableError(RequestUnusable):
    def __init__(self, wrong: Sequence[Wrong]) -> None:
        said = "; ".join(f"{one.where}: {one.why}" for one in wrong)
        super().__init__(said)
        self.wrong = wrong

    @property
    def name(self) -> str:
        """It is no other error."""
        return "request-unusable"


async def _of_ours(_: Request, error: Exception) -> Response:
    if not isinstance(error, S3gcError):
        raise error
    return problem(error, wrong=error.wrong if isinstance(error, _UnusableError) else ())


async def _invalid(_: Request, error: Exception) -> Response:
    """What is wrong where; never the value, which may be anything."""
    if not isinstance(error, RequestValidationError):
        raise error
    wrong = [
        Wrong(where=".".join(str(part) for part in one["loc"]), why=str(one["msg"]))
        for one in error.errors()
    ]
    return problem(_UnusableError(wrong), wrong=wrong)


async def of_http(request: Request, error: Exception) -> Response:
    """No such path or method; or a body that is no text."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code in (404, 405):
        told = NoSuchPath(f"there is no {request.method} of this path")
        return problem(told, status=HTTPStatus(error.status_code), headers=error.headers)
    return problem(RequestUnusable(str(error.detail)))


def _described(app: FastAPI) -> dict[str, Any]:
    """The description, with every error as what it is: application/problem+json."""
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = described["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        template = "#/components/schemas/{model}"
        answer = ProblemAnswer.model_json_schema(ref_template=template)
        schemas |= answer.pop("$defs")
        schemas["ProblemAnswer"] = answer
        content = {MEDIA_TYPE: {"schema": {"$ref": template.format(model="ProblemAnswer")}}}
        for path in described["paths"].values():
            for operation in path.values():
                for status in _ANYWHERE:
                    if status == "422" or status not in operation["responses"]:
                        told = {"description": "an error", "content": content}
                        operation["responses"][status] = told
        app.openapi_schema = described
    return app.openapi_schema
