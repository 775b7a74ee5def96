"""What can go wrong at the object store, in our words. No botocore error leaves this room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from s3gc_core.errors import BucketUnreachable, NotFound, Refused, S3gcError


class ObjectChanged(Refused):
    """Another object lives at the key now (412, or 409 while somebody else is writing)."""

    why = "what is deleted or overwritten must be exactly what was seen before"
    next_step = "scan again; the object now at the key is judged on its own"


class ObjectGone(NotFound):
    """No object lives at the key any more (404)."""

    why = "somebody else removed it"
    next_step = "nothing to do, unless it should be there: `s3gc restore --key K`"


class ObjectUnreadable(S3gcError):
    """The object exists, but its bytes cannot be had: archived, denied, or a key we do not have."""

    why = "what cannot be read cannot be backed up, and what is not backed up is not deleted"
    next_step = "make the object readable for these credentials, or exclude its prefix"


class ObjectRefused(S3gcError):
    """The store takes other objects, but not this one: its key's KMS, a header, a lock."""

    why = "an object is written back exactly as it was, or not at all"
    next_step = "mend what the store names, then restore again; or restore it with `--to DIR`"


class WriteDenied(BucketUnreachable):
    """Writing was denied, and the store does not say whether here only or everywhere."""

    why = "what may not be written cannot be restored"
    next_step = "grant these credentials s3:PutObject and s3:PutObjectTagging on the bucket"


class StoreFailed(S3gcError):
    """The store refused a request, or gave an answer that makes no sense."""

    why = "doubt keeps: an answer that is not understood deletes nothing"
    next_step = "run `s3gc doctor`; it names what is wrong and how to mend it"


class BodyLengthWrong(S3gcError):
    """The bytes handed in to be written are fewer or more than was said. Nothing was written."""

    why = "a truncated object would replace the whole one"
    next_step = "verify the backup: `s3gc vault verify`"


# Codes that say "these credentials are no good", whatever object was asked for (S3 error codes).
_BAD_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
    | {"RequestTimeTooSkewed", "TokenRefreshRequired", "AccountProblem", "NotSignedUp"}
)
_WRONG_REGION = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
# Refusals of a write that the next object would meet as well, however they are numbered: a bucket
# that is full (Ceph, MinIO) or not ours to use, a store that is too busy (S3 error codes).
_OF_ALL_WRITES = frozenset(
    {"QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "InvalidBucketName", "InvalidBucketState"}
    | {"AllAccessDisabled", "RequestTimeout", "ThrottlingException", "Throttling", "SlowDown"}
)
# How stores word a denial that is about the encryption key or the lock of one object.
_OF_ITS_KEY_OR_LOCK = ("kms:", "object lock", "worm")
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
    boto.MetadataRetrievalError,
    boto.ProfileNotFound,
    boto.SSOError,
)
_NO_ANSWER = (boto.HTTPClientError, boto.ConnectionError, aiohttp.ClientError, TimeoutError)


def status_of(error: boto.ClientError) -> int:
    """The HTTP status of a refusal."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: boto.ClientError) -> str:
    """The store's code; for HEAD, which has no body, only the status as text."""
    return str(error.response.get("Error", {}).get("Code", "")) or str(status_of(error))


def _said(error: boto.ClientError) -> str:
    message = str(error.response.get("Error", {}).get("Message", ""))
    return f"{status_of(error)} {code_of(error)}" + (f": {message}" if message else "")


# What botocore asks other services for when credentials are to be had anew.
_CREDENTIAL_OPERATIONS = frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "CreateOAuth2Token",
        "CreateToken",
        "GetCredentialsForIdentity",
        "GetRoleCredentials",
        "GetSessionToken",
    }
)


@contextmanager
def store_errors(
    doing: str, *, key: str | None = None, reading: bool = False, writing: bool = False
) -> Iterator[None]:
    """Turn the client's errors into ours around one request.

    `doing` says what was tried. With `key`, refusals that concern this object become
    `ObjectChanged`, `ObjectGone` and, when `reading`, `ObjectUnreadable`, when `writing`,
    `ObjectRefused`; all others become `BucketUnreachable` (`WriteDenied`) or `StoreFailed`.
    """
    try:
        yield
    except boto.ClientError as error:
        if error.operation_name in _CREDENTIAL_OPERATIONS:
            # Of nobody's object: asked for on the way, where credentials had to be made anew.
            raise BucketUnreachable(
                f"{doing}: no usable credentials ({error})",
                next_step="mend the role, token or single sign-on that gives the credentials",
            ) from error
        raise _refusal(error, doing, key, reading=reading, writing=writing) from error
    except _NO_CREDENTIALS as error:
        raise BucketUnreachable(
            f"{doing}: no usable credentials ({error})",
            next_step="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role",
        ) from error
    except _NO_ANSWER as error:
        cause = getattr(error, "kwargs", {}).get("error") or error
        if isinstance(cause, UnicodeDecodeError) and key is not None:
            raise ObjectUnreadable(f"{doing}: a header of {key!r} is not UTF-8") from error
        raise BucketUnreachable(
            f"{doing}: no answer from the store ({type(error).__name__}: {cause})",
            next_step="check endpoint_url and region, and that the store runs and can be reached",
        ) from error
    except (boto.BotoCoreError, ResponseParserError) as error:
        raise StoreFailed(f"{doing}: {error}") from error
    except ValueError as error:
        # A length, a date or a flag that is none (botocore lets it through as it comes).
        what = f"{doing}: the answer cannot be understood ({error})"
        if key is not None and reading:
            raise ObjectUnreadable(what) from error
        raise StoreFailed(what) from error


def told(answer: Mapping[str, Any], name: str, doing: str) -> str:
    """What the answer to a write says under `name`. Raises `StoreFailed` where it says nothing."""
    if not answer.get(name):
        raise StoreFailed(f"{doing}: the answer has no {name}")
    return str(answer[name])


def _refusal(
    error: boto.ClientError, doing: str, key: str | None, *, reading: bool, writing: bool
) -> S3gcError:
    status, code = status_of(error), code_of(error)
    said = _said(error)
    if code in _BAD_CREDENTIALS:
        return BucketUnreachable(
            f"{doing}: the store refuses the credentials ({said})",
            next_step="check the AWS credentials (environment, profile or role) and the clock",
        )
    if code == "NoSuchBucket":
        return BucketUnreachable(
            f"{doing}: no such bucket ({said})",
            next_step="check bucket, region and endpoint_url in the configuration",
        )
    if status == 301 or code in _WRONG_REGION:
        return BucketUnreachable(
            f"{doing}: wrong region ({said})",
            next_step="set region to the one the bucket is in",
        )
    if (status >= 500 and status != 501) or status == 429:
        return BucketUnreachable(f"{doing}: the store kept failing ({said})")
    if key is not None and code != "NoSuchUpload":
        if status == 412 or code == "ConditionalRequestConflict":
            return ObjectChanged(f"{doing}: another object lives at {key!r} now ({said})")
        if status == 404:
            return ObjectGone(f"{doing}: no object at {key!r} ({said})")
        if reading and code == "InvalidObjectState":
            return ObjectUnreadable(f"{doing}: {key!r} is archived ({said})")
        # 400 is what S3 answers where the object needs its customer's encryption key (SSE-C).
        if reading and status in (400, 403):
            return ObjectUnreadable(f"{doing}: {key!r} cannot be read ({said})")
        if writing and _concerns_this_write(status, code, said):
            return ObjectRefused(f"{doing}: the store refuses this object ({said})")
        if writing and code == "AccessDenied":
            return WriteDenied(f"{doing}: access denied ({said})")
    if key is None and status == 404:
        return BucketUnreachable(
            f"{doing}: no such bucket ({said})",
            next_step="check bucket, region and endpoint_url in the configuration",
        )
    if status in (401, 403):
        return BucketUnreachable(
            f"{doing}: access denied ({said})",
            next_step="grant these credentials s3:ListBucket and s3:GetObject on the bucket",
        )
    return StoreFailed(f"{doing}: the store refused it ({said})")


def _concerns_this_write(status: int, code: str, said: str) -> bool:
    """Whether another object might be written all the same. A bare denial says neither."""
    if code in _OF_ALL_WRITES:
        return False
    if code.startswith("KMS."):
        return True
    if status == 403:
        return any(words in said.lower() for words in _OF_ITS_KEY_OR_LOCK)
    # 413: too large for this store. 501: it does not know one of the headers.
    return status in (400, 409, 413, 501)
