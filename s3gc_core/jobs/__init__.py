"""Operations as processes of their own: the lease, a journal to watch, wishes to pause or cancel.

Everything lies below `jobs/` in the vault folder: a folder for each operation, and the output of
each process that `start_job` started. None of it is vault data; all of it may be deleted while no
operation runs. The functions that are not `async` read or write a few small files: call them in a
thread where an event loop must not wait for a disk.
"""

from s3gc_core.jobs.acting import (
    JOB_ARGUMENT,
    Acting,
    act_for,
    acting_for,
    acting_now,
    job_argument,
)
from s3gc_core.jobs.control import (
    Control,
    Wish,
    read_control,
    request_cancel,
    request_pause,
    request_resume,
)
from s3gc_core.jobs.files import KEPT_JOURNALS
from s3gc_core.jobs.journal import KEPT_EVENTS_PER_OUTCOME, JobJournal
from s3gc_core.jobs.lease import (
    FOLLOWER_FILE,
    HEALING_FILE,
    LEASE_FILE,
    SCHEDULED_FILE,
    SERVICE_FILE,
    LeaseHolder,
    actor,
    is_at_work,
    lease_holder,
    person,
    vault_lease,
)
from s3gc_core.jobs.listing import (
    Job,
    JobEvents,
    Standing,
    find_job,
    job_events,
    list_jobs,
    operation_of,
)
from s3gc_core.jobs.records import (
    ControlState,
    EventKind,
    JobEvent,
    JobPhase,
    JobState,
    Progress,
    job_folder,
    jobs_folder,
)
from s3gc_core.jobs.service_state import (
    FollowerState,
    ServiceState,
    TimedState,
    read_service,
    write_service,
)
from s3gc_core.jobs.start import (
    KEPT_OUTPUTS,
    JobOutcome,
    StartedJob,
    find_outcome,
    job_outcome,
    start_job,
)

__all__ = [
    "FOLLOWER_FILE",
    "HEALING_FILE",
    "JOB_ARGUMENT",
    "KEPT_EVENTS_PER_OUTCOME",
    "KEPT_JOURNALS",
    "KEPT_OUTPUTS",
    "LEASE_FILE",
    "SCHEDULED_FILE",
    "SERVICE_FILE",
    "Acting",
    "Control",
    "ControlState",
    "EventKind",
    "FollowerState",
    "Job",
    "JobEvent",
    "JobEvents",
    "JobJournal",
    "JobOutcome",
    "JobPhase",
    "JobState",
    "LeaseHolder",
    "Progress",
    "ServiceState",
    "Standing",
    "StartedJob",
    "TimedState",
    "Wish",
    "act_for",
    "acting_for",
    "acting_now",
    "actor",
    "find_job",
    "find_outcome",
    "is_at_work",
    "job_argument",
    "job_events",
    "job_folder",
    "job_outcome",
    "jobs_folder",
    "lease_holder",
    "list_jobs",
    "operation_of",
    "person",
    "read_control",
    "read_service",
    "request_cancel",
    "request_pause",
    "request_resume",
    "start_job",
    "vault_lease",
    "write_service",
]
