"""The service: schedule, followers, drills and replica of one or several profiles, for systemd.

What works for long is a process of its own: scheduled runs outlive the service, followers are begun
again when they end. What ran is read from the audit log, so that a service may be killed anywhere.
"""

from s3gc_core.service.deploying import PRINTED
from s3gc_core.service.events import ServiceEvent, Told
from s3gc_core.service.profiles import Profile, refuse_shared, shared, shared_places
from s3gc_core.service.serving import AdminApi, serve
from s3gc_core.service.station import PROGRAM

__all__ = [
    "PRINTED",
    "PROGRAM",
    "AdminApi",
    "Profile",
    "ServiceEvent",
    "Told",
    "refuse_shared",
    "serve",
    "shared",
    "shared_places",
]
