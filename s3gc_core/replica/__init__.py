"""The vault's second place: shipping it to another bucket, checking that, bringing it back."""

from s3gc_core.replica.checking import ReplicaLag, replica_lag, verify_replica
from s3gc_core.replica.fetching import ReplicaBackups, Standby, standby
from s3gc_core.replica.note import read_note, write_note
from s3gc_core.replica.rebuilding import LostBackup, RebuiltVault, rebuild
from s3gc_core.replica.repairing import repair_file
from s3gc_core.replica.shipping import Shipped, Shipper, check_extends, open_shipper
from s3gc_core.replica.store import ReplicaStore, open_replica, replica_id, replica_of

__all__ = [
    "LostBackup",
    "RebuiltVault",
    "ReplicaBackups",
    "ReplicaLag",
    "ReplicaStore",
    "Shipped",
    "Shipper",
    "Standby",
    "check_extends",
    "open_replica",
    "open_shipper",
    "read_note",
    "rebuild",
    "repair_file",
    "replica_id",
    "replica_lag",
    "replica_of",
    "standby",
    "verify_replica",
    "write_note",
]
