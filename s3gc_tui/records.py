"""The records that `--batch` emits and the dashboard saves: the same words for the same things."""

from __future__ import annotations

from s3gc_core.jobs import JobEvent
from s3gc_core.judgement import Judged, PlanItem
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
