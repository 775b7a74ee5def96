"""The records that `--batch` emits and the dashboard saves: the same words for the same things."""

from __future__ import annotations

from s3gc_core.actions.dangling import Dangling
from s3gc_core.jobs import JobEvent
from s3gc_core.judgement import Judged, PlanItem
from s3gc_core.references import Covered
from s3gc_core.vault import Restored, Result
from s3gc_tui.lines import Record, builtins


def candidate(judged: Judged) -> Record:
    """One candidate with the verdict of each layer."""
    entry = judged.object
    reason = f"  {judged.reason}" if judged.reason else ""
    return {
        "type": "candidate",
        "key": entry.key,
        "size": entry.size,
        "etag": entry.etag,
        "last_modified": entry.last_modified,
        "verdict": judged.verdict,
        "layers": judged.layers,
        "doubts": judged.doubts,
        "text": f"{judged.verdict:<6} {entry.size:>12}  {entry.key}{reason}",
    }


def planned(item: PlanItem) -> Record:
    """One object of a plan with its evidence."""
    return {
        "type": "planned",
        "key": item.key,
        "size": item.size,
        "etag": item.etag,
        "last_modified": item.last_modified,
        "layers": item.layers,
        "text": f"{item.size:>12}  {item.key}",
    }


def ended(result: Result | Restored) -> Record:
    """How one object of an operation ended."""
    fields = builtins(result)
    if not isinstance(fields, dict):
        raise TypeError("a record of the audit log is a struct")
    return {"type": "object", **fields}


def told(event: JobEvent) -> Record:
    """One event of a job."""
    return {"type": "event", **{name: getattr(event, name) for name in event.__struct_fields__}}


def covered(column: Covered) -> Record:
    """One column of the coverage ledger."""
    finding, clearance = column.finding, column.clearance
    seen = ""
    if finding and column.is_open:
        seen = f"  {finding.resolved} of {finding.values} values are keys"
    said = f"  by {clearance.actor}: {clearance.reason}" if clearance else ""
    return {
        "type": "column",
        "column": str(column.id),
        "column_type": column.type,
        "standing": column.standing,
        "open": column.is_open,
        "resolved": finding.resolved if finding else None,
        "values": finding.values if finding else None,
        "problem": finding.problem if finding else "",
        "examined_at": finding.examined_at if finding else None,
        "cleared_by": clearance.actor if clearance else None,
        "cleared_at": clearance.at if clearance else None,
        "reason": clearance.reason if clearance else None,
        "text": f"{column.standing:<8} {column.id}{seen}{said}",
    }


def dangling(reference: Dangling) -> Record:
    """One row whose object is missing."""
    back = "  (in the vault)" if reference.in_vault else ""
    return {
        "type": "dangling",
        "source": reference.source,
        "row": reference.row,
        "keys": list(reference.keys),
        "in_vault": list(reference.in_vault),
        "text": f"{reference.source} row {reference.row}: {reference.keys[0]}{back}",
    }
