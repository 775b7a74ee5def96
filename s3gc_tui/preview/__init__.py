"""Looking at a picture in the bucket: read with a limit, decoded by a process that may die."""

from s3gc_tui.preview.decoding import Decoded, NotDecoded, decode
from s3gc_tui.preview.reading import MOST_BYTES, BucketObjects, Objects

__all__ = ["MOST_BYTES", "BucketObjects", "Decoded", "NotDecoded", "Objects", "decode"]
