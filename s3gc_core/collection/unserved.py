"""One object that the store cannot serve, though it serves others, must not stop all collection."""

from __future__ import annotations

from s3gc_core.bucket import Bucket, StoreFailed
from s3gc_core.errors import BucketUnreachable, S3gcError

# What a store says where it is down, and also of one object of which it lost a part.
OF_ONE_OR_OF_ALL = (BucketUnreachable, StoreFailed)
# Where so many fail one after the other it is not they: each has been tried for long.
IN_A_ROW = 20


class Unserved:
    """Counts the objects in a row that could not be read though the bucket is there."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._in_a_row = 0

    def served(self) -> None:
        """An object was served."""
        self._in_a_row = 0

    async def excuse(self, error: S3gcError) -> str:
        """Why one object failed, where `error` is about it alone; otherwise raises `error`.

        Raises `BucketUnreachable` where the bucket itself does not answer.
        """
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            raise error
        await self._bucket.check()
        return f"{error.what}; the bucket answers"
