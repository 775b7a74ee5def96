"""Requests for one object, sent with less ado than botocore makes of each.

Of the processor time of a small GET more than half is botocore's: event hooks, endpoint rules and
models walked through for a request that differs from the last one by its key (measured: notes on
S3, section 3). Here it is put together from what the client was seen to send. The signer, the
connections (TLS, proxies, timeouts), the pace, the adaptive limit and the check of checksums are
the client's own. Until what would be sent was once equal to what the client sent, and whenever
anything but plain success comes back, the client does it in its own way, with all its retries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aiobotocore.endpoint import convert_to_response_dict
from aiobotocore.httpchecksum import handle_checksum_body
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpchecksum import resolve_response_checksum_algorithms
from botocore.utils import percent_encode

from s3gc_core import log
from s3gc_core.bucket.object_headers import Answered, sent_headers

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

    from s3gc_core.bucket.pace import Pace

Operation: TypeAlias = Literal["GetObject", "HeadObject", "PutObject"]
OPERATIONS: tuple[Operation, ...] = ("GetObject", "HeadObject", "PutObject")

# Larger bodies cost more than their requests, and are worth asking for first (Expect).
MOST_BODY_BYTES = 1 << 20
# So many answers in a row that only the client could deal with, and it deals with all of them.
FAILURES_AT_MOST = 8
# Said by hooks of the client, the same in every request.
_SAID_ALWAYS = ("RequestPayer", "ExpectedBucketOwner", "ChecksumMode")
# Differ in every request, or say how often it was tried; and Expect, which asks the store to refuse
# a body before it is sent: a body that goes in one packet or a few is sent sooner than asked about.
_NOT_COMPARED = frozenset(
    {"authorization", "x-amz-date", "amz-sdk-invocation-id", "amz-sdk-request", "expect"}
)
_SIGNED_AS = re.compile(r"AWS4-HMAC-SHA256 Credential=\S+/\d{8}/([^/,]+)/s3/aws4_request,")
# About the object, which the client is asked again: not about how we ask.
_OF_THE_OBJECT = frozenset({404, 409, 412})
_PARAMS = "S3gcParams"


@dataclass(frozen=True, slots=True)
class Seen:
    """What all requests of an operation have in common. `before_key` is the URL up to the key."""

    before_key: str
    user_agent: str
    region: str
    always: Mapping[str, str]
    checksums: tuple[str, ...]


class LightRequests:
    """Sends requests in the place of one client, after it has seen that client send the same."""

    def __init__(self, client: S3Client, pace: Pace) -> None:
        """Hooks into the client, to watch what it sends."""
        # The stubs know no hook that is awaited; aiobotocore awaits what a hook returns.
        events: Any = client.meta.events
        self._client: Any = client
        self._events = events
        self._pace = pace
        self._models: dict[str, Any] = {
            name: client.meta.service_model.operation_model(name) for name in OPERATIONS
        }
        self._answered = {name: Answered.of(self._models[name]) for name in OPERATIONS}
        self._seen: dict[str, Seen] = {}
        self._failures = 0
        self._signer: Any = None
        self._endpoint: Any = None
        for name in OPERATIONS:
            events.register_last(f"before-call.s3.{name}", self._note_signer)
            events.register_last(f"needs-retry.s3.{name}", self._note_endpoint)
        # The most general events, whose hooks are called last: nothing is added after them.
        events.register_last("before-parameter-build", _note_params)
        events.register_last("request-created", self._learn)

    async def send(self, operation: Operation, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """The answer as the client would give it; None where the client has to be asked.

        Raises `ClientError` for a HEAD of nothing (404).
        """
        seen = self._seen.get(operation)
        if seen is None or self._endpoint is None or self._failures >= FAILURES_AT_MOST:
            return None
        if (request := self._request(operation, params, seen)) is None:
            return None
        await self._pace.before_signing(operation)
        try:
            answer = await self._send(operation, request, seen)
        except (BotoCoreError, ValueError) as error:
            self._failed(operation, repr(error))
            return None
        if answer is not None:
            self._failures = 0
        return answer

    async def _send(
        self, operation: Operation, request: AWSRequest, seen: Seen
    ) -> dict[str, Any] | None:
        model = self._models[operation]
        await self._sign(request, seen)
        prepared = AWSPreparedRequest(
            str(request.method),
            str(request.url),
            request.headers,
            request.data or None,
            model.has_streaming_output,
            request.context,
        )
        await self._events.emit(f"before-send.s3.{operation}", request=prepared)
        response = await self._endpoint.http_session.send(prepared)
        try:
            answer = await self._answer(operation, response, request.context)
        except BaseException:
            response.raw.close()
            raise
        if answer is None:
            response.raw.close()
            if response.status_code not in _OF_THE_OBJECT:
                self._failed(operation, str(response.status_code))
            return None
        try:
            again = await self._needs_retry(model, response, answer, request.context)
        except BaseException:
            response.raw.close()
            raise
        if again:
            response.raw.close()
            return None
        if response.status_code == 404:
            refused: Any = answer
            raise ClientError(refused, operation)
        return answer

    async def _answer(
        self, operation: Operation, response: Any, context: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The answer as botocore parses it; None of any that is not plain."""
        told = self._answered[operation]
        if operation == "HeadObject" and response.status_code == 404:
            # Nobody says more about it: a HEAD has no body.
            return {"Error": {"Code": "404", "Message": "Not Found"}} | told.about(response)
        if response.status_code != 200:
            return None
        said = await convert_to_response_dict(response, self._models[operation])
        await handle_checksum_body(response, said, context, self._models[operation])
        if operation == "GetObject":
            return told.parse(response) | {"Body": said["body"]}
        # An error can come with 200, in the body; what else there is says nothing.
        return None if b"Error" in said["body"] else told.parse(response)

    async def _needs_retry(
        self, model: Any, response: Any, answer: dict[str, Any], context: dict[str, Any]
    ) -> bool:
        """Tell the client's adaptive limit how it went, and ask its other hooks, too."""
        verdicts = await self._events.emit(
            f"needs-retry.s3.{model.name}",
            response=(response, answer),
            endpoint=self._endpoint,
            operation=model,
            attempts=1,
            caught_exception=None,
            request_dict={"context": context},
        )
        if any(verdict not in (None, False) for _, verdict in verdicts):
            return True
        await self._events.emit(
            f"after-call.s3.{model.name}",
            http_response=response,
            parsed=answer,
            model=model,
            context=context,
        )
        return False

    def _request(
        self, operation: Operation, params: Mapping[str, Any], seen: Seen
    ) -> AWSRequest | None:
        """The unsigned request; None where any of it is not plain."""
        key = params["Key"]
        body = params.get("Body")
        # Of unknown length: another room's request, of which nothing is to be learnt.
        length = params.get("ContentLength", MOST_BODY_BYTES + 1) if body else 0
        if not is_plain(key) or length > MOST_BODY_BYTES:
            return None
        model = self._models[operation]
        headers = sent_headers(model, {**seen.always, **params})
        if headers is None:
            return None
        data = b""
        if body:
            data = body.read()
            body.seek(0)
        request = AWSRequest(
            method=model.http["method"],
            url=seen.before_key + percent_encode(key, safe="/~"),
            headers={"User-Agent": seen.user_agent, **headers},
            data=data,
        )
        request.context = {"client_config": self._client.meta.config}
        if seen.checksums:
            request.context["checksum"] = {"response_algorithms": list(seen.checksums)}
        return request

    async def _sign(self, request: AWSRequest, seen: Seen) -> None:
        # Asked each time: credentials that end are renewed there.
        auth = await self._signer.get_auth_instance("s3", seen.region, "s3v4")
        auth.add_auth(request)

    def _failed(self, operation: Operation, detail: str) -> None:
        """Look anew at how the client sends it: by other credentials, to another region."""
        self._seen.pop(operation, None)
        self._failures += 1
        log.info("light_request_failed", operation=operation, detail=detail)

    def _note_signer(
        self, request_signer: Any, context: dict[str, Any], params: dict[str, Any], **_: Any
    ) -> None:
        self._signer = request_signer

    def _note_endpoint(self, endpoint: Any, **_: Any) -> None:
        self._endpoint = endpoint

    async def _learn(self, request: Any, operation_name: str, **_: Any) -> None:
        """Called with each signed request of the client: is it what we would send?"""
        params = request.context.get(_PARAMS)
        if params is None or operation_name in self._seen or not is_plain(params["Key"]):
            return
        operation: Operation = operation_name  # type: ignore[assignment]  # hooked to these only
        seen = self._common(operation, request, params)
        ours = self._request(operation, params, seen) if seen else None
        if seen is None or ours is None:
            return
        await self._sign(ours, seen)
        if _compared(ours) == _compared(request):
            self._seen[operation] = seen

    def _common(self, operation: Operation, request: Any, params: dict[str, Any]) -> Seen | None:
        key = percent_encode(params["Key"], safe="/~")
        signed = _SIGNED_AS.match(_text(request.headers.get("Authorization", "")))
        if signed is None or not request.url.endswith(f"/{key}"):
            return None
        checked: dict[str, Any] = {"context": {}}
        resolve_response_checksum_algorithms(checked, self._models[operation], params)
        algorithms = checked["context"].get("checksum", {}).get("response_algorithms", ())
        return Seen(
            request.url.removesuffix(key),
            _text(request.headers["User-Agent"]),
            signed[1],
            {name: params[name] for name in _SAID_ALWAYS if name in params},
            tuple(algorithms),
        )


def is_plain(key: str) -> bool:
    """Whether a key is spelt in one way only, wherever URLs are put together or tidied."""
    return all(part not in ("", ".", "..") for part in key.split("/"))


def _note_params(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    if model.name in OPERATIONS:
        context[_PARAMS] = dict(params)


def _compared(request: Any) -> tuple[str, str, dict[str, str]]:
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    same = {name: value for name, value in headers.items() if name not in _NOT_COMPARED}
    return request.method, request.url, same


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
