"""Which row holds which key: codecs and spellings, the registry of edges, reading the sources."""

from s3gc_core.references.codecs import BucketNames, keys_of_value
from s3gc_core.references.reading import Found, find_references, refresh, table_read
from s3gc_core.references.registry import Edge, Registry, SourceStats
from s3gc_core.references.spellings import fold, key_hash, near_forms, spellings

__all__ = [
    "BucketNames",
    "Edge",
    "Found",
    "Registry",
    "SourceStats",
    "find_references",
    "fold",
    "key_hash",
    "keys_of_value",
    "near_forms",
    "refresh",
    "spellings",
    "table_read",
]
