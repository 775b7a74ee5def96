"""What a refusal of a write says: that of this object, of all, or nobody can tell."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from s3gc_core.bucket import ObjectChanged, ObjectGone, ObjectRefused, StoreFailed, WriteDenied
from s3gc_core.bucket.failures import store_errors
from s3gc_core.errors import BucketUnreachable, S3gcError

KMS_DENIED = "User: u is not authorized to perform: kms:GenerateDataKey on resource: k"
LOCKED = "Access Denied because object protected by object lock."


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (400, "KMS.DisabledException", "", ObjectRefused),
        (400, "KMS.NotFoundException", "", ObjectRefused),
        (403, "KMS.AccessDeniedException", "", ObjectRefused),
        (403, "AccessDenied", KMS_DENIED, ObjectRefused),
        (403, "AccessDenied", LOCKED, ObjectRefused),
        (400, "InvalidRequest", "", ObjectRefused),
        (400, "MetadataTooLarge", "", ObjectRefused),
        (400, "InvalidStorageClass", "", ObjectRefused),
        (400, "EntityTooLarge", "", ObjectRefused),
        (413, "RequestEntityTooLarge", "", ObjectRefused),
        (409, "OperationAborted", "", ObjectRefused),
        (501, "NotImplemented", "", ObjectRefused),
        (412, "PreconditionFailed", "", ObjectChanged),
        (409, "ConditionalRequestConflict", "", ObjectChanged),
        (404, "NoSuchKey", "", ObjectGone),
        (403, "AccessDenied", "Access Denied", WriteDenied),
        (404, "NoSuchBucket", "", BucketUnreachable),
        (403, "InvalidAccessKeyId", "", BucketUnreachable),
        (400, "ExpiredToken", "", BucketUnreachable),
        (301, "PermanentRedirect", "", BucketUnreachable),
        (500, "InternalError", "", BucketUnreachable),
        (503, "SlowDown", "", BucketUnreachable),
        (403, "AllAccessDisabled", "", BucketUnreachable),
        (403, "QuotaExceeded", "", BucketUnreachable),
        (400, "XMinioAdminBucketQuotaExceeded", "", StoreFailed),
        (400, "RequestTimeout", "", StoreFailed),
        (409, "InvalidBucketState", "", StoreFailed),
        (405, "MethodNotAllowed", "", StoreFailed),
    ],
)
def test_whom_a_refused_write_concerns(
    status: int, code: str, message: str, expected: type[S3gcError]
) -> None:
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    with (
        pytest.raises(S3gcError) as caught,
        store_errors("writing 'k'", key="k", writing=True),
    ):
        raise ClientError(answer, "PutObject")  # type: ignore[arg-type]
    assert type(caught.value) is expected
    assert code in caught.value.what


def test_only_a_write_is_refused_for_one_object() -> None:
    answer = {
        "Error": {"Code": "InvalidRequest"},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    with pytest.raises(StoreFailed), store_errors("deleting 'k'", key="k"):
        raise ClientError(answer, "DeleteObject")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("operation", "status", "code"),
    [
        ("AssumeRole", 403, "AccessDenied"),
        ("AssumeRoleWithWebIdentity", 400, "ExpiredTokenException"),
        ("GetRoleCredentials", 403, "ForbiddenException"),
        # Taken for the object's, it would be gone.
        ("GetRoleCredentials", 404, "ResourceNotFoundException"),
    ],
)
def test_credentials_that_cannot_be_had_are_nobodys_object(
    operation: str, status: int, code: str
) -> None:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with (
        pytest.raises(BucketUnreachable, match="no usable credentials"),
        store_errors("looking at 'k'", key="k", reading=True),
    ):
        raise ClientError(answer, operation)  # type: ignore[arg-type]
