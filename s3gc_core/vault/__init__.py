"""What must never be lost: backups and the audit log."""

from s3gc_core.vault.anchors import Anchor
from s3gc_core.vault.audit import AuditLog
from s3gc_core.vault.audit_totals import HEALING_ARGUMENT, End, Held, Totals
from s3gc_core.vault.backup_states import GONE, BackupState, DeletedObject
from s3gc_core.vault.compact import require_compact
from s3gc_core.vault.compact_rules import is_called_picture, may_be_lossy
from s3gc_core.vault.encoding import Encoder, choose_codec, decode
from s3gc_core.vault.failures import BackupDamaged, BackupNotDurable
from s3gc_core.vault.files import BackupFiles
from s3gc_core.vault.jpegxl import require as require_jpegxl
from s3gc_core.vault.keyring import Keyring, generate
from s3gc_core.vault.levels import Spent, level_of, next_level
from s3gc_core.vault.names import backup_name
from s3gc_core.vault.operations import LastRecord, Operation
from s3gc_core.vault.packs import HeldBackup
from s3gc_core.vault.records import (
    COMPACT,
    AnyRecord,
    Bound,
    ColumnDecided,
    CopyDamaged,
    DrillDiffered,
    Drilled,
    Entry,
    Fidelity,
    Granted,
    GrantRevoked,
    Intent,
    KeyProven,
    OperationFinished,
    OperationStarted,
    Outcome,
    PlanDecided,
    PlanRecorded,
    Purged,
    Repaired,
    Restored,
    RestoreIntent,
    RestoreOutcome,
    Result,
    ScanRecorded,
    StoredBackup,
    StoreProbed,
    Verified,
)
from s3gc_core.vault.sealing import mark_of
from s3gc_core.vault.signing import Signing, generate_anchor_key
from s3gc_core.vault.stored_bytes import decoded
from s3gc_core.vault.writer import BackupWriter

__all__ = [
    "COMPACT",
    "GONE",
    "HEALING_ARGUMENT",
    "Anchor",
    "AnyRecord",
    "AuditLog",
    "BackupDamaged",
    "BackupFiles",
    "BackupNotDurable",
    "BackupState",
    "BackupWriter",
    "Bound",
    "ColumnDecided",
    "CopyDamaged",
    "DeletedObject",
    "DrillDiffered",
    "Drilled",
    "Encoder",
    "End",
    "Entry",
    "Fidelity",
    "GrantRevoked",
    "Granted",
    "Held",
    "HeldBackup",
    "Intent",
    "KeyProven",
    "Keyring",
    "LastRecord",
    "Operation",
    "OperationFinished",
    "OperationStarted",
    "Outcome",
    "PlanDecided",
    "PlanRecorded",
    "Purged",
    "Repaired",
    "RestoreIntent",
    "RestoreOutcome",
    "Restored",
    "Result",
    "ScanRecorded",
    "Signing",
    "Spent",
    "StoreProbed",
    "StoredBackup",
    "Totals",
    "Verified",
    "backup_name",
    "choose_codec",
    "decode",
    "decoded",
    "generate",
    "generate_anchor_key",
    "is_called_picture",
    "level_of",
    "mark_of",
    "may_be_lossy",
    "next_level",
    "require_compact",
    "require_jpegxl",
]
