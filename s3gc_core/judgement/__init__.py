"""Which objects may go: candidates, layers, guards, plans. Judges; never backs up or deletes."""

from s3gc_core.judgement.catalogue import Catalogue
from s3gc_core.judgement.guards import ACCEPTABLE, Identity, Tripped, identity
from s3gc_core.judgement.judge import Judge, holders_of, row_in_words, rules_of
from s3gc_core.judgement.layers import Judged, Layers, LayerVerdict, ObjectVerdict, Verdict
from s3gc_core.judgement.memory import (
    before_this_scan,
    executions_of,
    identity_bound,
    plan_history,
)
from s3gc_core.judgement.plans import (
    Plan,
    PlanHistory,
    PlanItem,
    PlanState,
    check_decidable,
    check_executable,
)
from s3gc_core.judgement.scan import Before, Progress, Scan, ScanSummary

__all__ = [
    "ACCEPTABLE",
    "Before",
    "Catalogue",
    "Identity",
    "Judge",
    "Judged",
    "LayerVerdict",
    "Layers",
    "ObjectVerdict",
    "Plan",
    "PlanHistory",
    "PlanItem",
    "PlanState",
    "Progress",
    "Scan",
    "ScanSummary",
    "Tripped",
    "Verdict",
    "before_this_scan",
    "check_decidable",
    "check_executable",
    "executions_of",
    "holders_of",
    "identity",
    "identity_bound",
    "plan_history",
    "row_in_words",
    "rules_of",
]
