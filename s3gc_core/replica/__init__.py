"""The vault's second place: shipping it to another bucket, checking that, bringing it back."""

from s3gc_core.replica.checking import ReplicaLag, replica_lag, verify_replica
from s3gc_core.replica.note import read_note, write_note
from s3gc_core.replica.rebuilding import RebuiltVault, rebuild
from s3gc_core.replica.shipping import Shipped, Shipper, check_extends, open_shipper
from s3gc_core.replica.store import ReplicaStore, open_replica, replica_id, replica_of

__all__ = [
    "RebuiltVault",
    "ReplicaLag",
    "ReplicaStore",
    "Shipped",
    "Shipper",
    "check_extends",
    "open_replica",
    "open_shipper",
    "read_note",
    "rebuild",
    "replica_id",
    "replica_lag",
    "replica_of",
    "verify_replica",
    "write_note",
]
