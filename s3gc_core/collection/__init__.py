"""Backup then delete, recovery, restore, clean-up: the only room that changes the bucket."""

from s3gc_core.collection.balance import imbalance
from s3gc_core.collection.comparison import differences, header_differences
from s3gc_core.collection.drill import Drill, Scratch, ScratchFolder, ScratchPrefix, draw
from s3gc_core.collection.execute import Execution
from s3gc_core.collection.export import Export
from s3gc_core.collection.folder import FolderRestore, relative_name
from s3gc_core.collection.last_check import LastCheck
from s3gc_core.collection.late import note_late_deletes
from s3gc_core.collection.purge import PurgeSummary, purge
from s3gc_core.collection.recovery import PURGE, UNSEEN, Recovered, recover, recover_restores
from s3gc_core.collection.restore import Restore, Selection, select
from s3gc_core.collection.strays import pack_ends, tidy
from s3gc_core.collection.unserved import OF_ONE_OR_OF_ALL, Unserved
from s3gc_core.collection.whose import unlike_bound
from s3gc_core.collection.write_back import (
    LOSSY_REFUSED,
    REPLACES,
    Elsewhere,
    foresee,
    left_alone,
    placed,
)

__all__ = [
    "LOSSY_REFUSED",
    "OF_ONE_OR_OF_ALL",
    "PURGE",
    "REPLACES",
    "UNSEEN",
    "Drill",
    "Elsewhere",
    "Execution",
    "Export",
    "FolderRestore",
    "LastCheck",
    "PurgeSummary",
    "Recovered",
    "Restore",
    "Scratch",
    "ScratchFolder",
    "ScratchPrefix",
    "Selection",
    "Unserved",
    "differences",
    "draw",
    "foresee",
    "header_differences",
    "imbalance",
    "left_alone",
    "note_late_deletes",
    "pack_ends",
    "placed",
    "purge",
    "recover",
    "recover_restores",
    "relative_name",
    "select",
    "tidy",
    "unlike_bound",
]
