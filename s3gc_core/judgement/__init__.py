"""Which objects may go: candidates, layers, guards, plans. Judges; never backs up or deletes."""

from s3gc_core.jobs import Progress
from s3gc_core.judgement.browsing import CandidateBrowser
from s3gc_core.judgement.candidate_views import (
    CandidateFilter,
    CandidateRow,
    Children,
    Column,
    FolderRow,
    IdVector,
    Newer,
    Snapshot,
    Sort,
    Totals,
    View,
)
from s3gc_core.judgement.catalogue import Catalogue
from s3gc_core.judgement.conditions import (
    Conditions,
    check_not_drifted,
    conditions_of,
    drifted,
)
from s3gc_core.judgement.finding_tables import Listing
from s3gc_core.judgement.grant_memory import all_grants, grant_refusal, used_under
from s3gc_core.judgement.grants import (
    EVERYTHING,
    LONGEST_DAYS,
    Coverage,
    Grant,
    GrantState,
    Used,
    covered_by,
    grant_state,
)
from s3gc_core.judgement.guards import ACCEPTABLE, Identity, Tripped, identity
from s3gc_core.judgement.judge import Judge, holders_of, row_in_words, rules_of
from s3gc_core.judgement.layers import Judged, Layers, LayerVerdict, ObjectVerdict, Verdict
from s3gc_core.judgement.memory import (
    before_this_scan,
    clearances,
    executions_of,
    identity_bound,
    plan_histories,
    plan_history,
    recorded_plans,
)
from s3gc_core.judgement.plans import (
    Plan,
    PlanHistory,
    PlanItem,
    PlanState,
    check_decidable,
    check_executable,
    check_not_expired,
    check_second_person,
)
from s3gc_core.judgement.report import LEAK_WINDOW, Report
from s3gc_core.judgement.scan import Before, Scan, ScanSummary

__all__ = [
    "ACCEPTABLE",
    "EVERYTHING",
    "LEAK_WINDOW",
    "LONGEST_DAYS",
    "Before",
    "CandidateBrowser",
    "CandidateFilter",
    "CandidateRow",
    "Catalogue",
    "Children",
    "Column",
    "Conditions",
    "Coverage",
    "FolderRow",
    "Grant",
    "GrantState",
    "IdVector",
    "Identity",
    "Judge",
    "Judged",
    "LayerVerdict",
    "Layers",
    "Listing",
    "Newer",
    "ObjectVerdict",
    "Plan",
    "PlanHistory",
    "PlanItem",
    "PlanState",
    "Progress",
    "Report",
    "Scan",
    "ScanSummary",
    "Snapshot",
    "Sort",
    "Totals",
    "Tripped",
    "Used",
    "Verdict",
    "View",
    "all_grants",
    "before_this_scan",
    "check_decidable",
    "check_executable",
    "check_not_drifted",
    "check_not_expired",
    "check_second_person",
    "clearances",
    "conditions_of",
    "covered_by",
    "drifted",
    "executions_of",
    "grant_refusal",
    "grant_state",
    "holders_of",
    "identity",
    "identity_bound",
    "plan_histories",
    "plan_history",
    "recorded_plans",
    "row_in_words",
    "rules_of",
    "used_under",
]
