"""Which row holds which key: codecs and spellings, the registry of edges, reading the sources."""

from s3gc_core.references.catching_up import CatchingUp, CaughtUp, OpenFollowings
from s3gc_core.references.codecs import BucketNames, keys_of_row, keys_of_value
from s3gc_core.references.coverage import (
    Clearance,
    Covered,
    Standing,
    columns_named,
    ledger,
    standing,
)
from s3gc_core.references.discovery import ColumnId, Finding, ranked
from s3gc_core.references.drift import Drift, DriftKind, find_drift
from s3gc_core.references.examining import (
    Tables,
    all_tables,
    examine,
    sampled,
    tracked_columns,
)
from s3gc_core.references.file_follower import FileFollower
from s3gc_core.references.follower import Follower, OpenFollowing, Phase
from s3gc_core.references.following_sources import Followable, definition_digest, followable
from s3gc_core.references.matching import (
    ListedReference,
    MatchCount,
    listed_references,
    match_counts,
)
from s3gc_core.references.open_transactions import open_since
from s3gc_core.references.pattern_search import KeySearch, Mention
from s3gc_core.references.probing import is_probed, probed_forms
from s3gc_core.references.reading import (
    Found,
    find_in_pages,
    find_references,
    pages,
    table_read,
)
from s3gc_core.references.refreshing import refresh
from s3gc_core.references.registry import (
    Edge,
    FollowedSource,
    Load,
    Registry,
    Released,
    Returned,
    SourceStats,
    StreamState,
)
from s3gc_core.references.searching import Course, DatabaseSearch, to_search
from s3gc_core.references.spellings import (
    fold,
    key_hash,
    key_hashes,
    near_forms,
    spellings,
    storable,
)
from s3gc_core.references.token_borders import MentionKind

__all__ = [
    "BucketNames",
    "CatchingUp",
    "CaughtUp",
    "Clearance",
    "ColumnId",
    "Course",
    "Covered",
    "DatabaseSearch",
    "Drift",
    "DriftKind",
    "Edge",
    "FileFollower",
    "Finding",
    "Followable",
    "FollowedSource",
    "Follower",
    "Found",
    "KeySearch",
    "ListedReference",
    "Load",
    "MatchCount",
    "Mention",
    "MentionKind",
    "OpenFollowing",
    "OpenFollowings",
    "Phase",
    "Registry",
    "Released",
    "Returned",
    "SourceStats",
    "Standing",
    "StreamState",
    "Tables",
    "all_tables",
    "columns_named",
    "definition_digest",
    "examine",
    "find_drift",
    "find_in_pages",
    "find_references",
    "fold",
    "followable",
    "is_probed",
    "key_hash",
    "key_hashes",
    "keys_of_row",
    "keys_of_value",
    "ledger",
    "listed_references",
    "match_counts",
    "near_forms",
    "open_since",
    "pages",
    "probed_forms",
    "ranked",
    "refresh",
    "sampled",
    "spellings",
    "standing",
    "storable",
    "table_read",
    "to_search",
    "tracked_columns",
]
