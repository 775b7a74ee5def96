"""The admin API: inside of a FastAPI application, or by itself (extra `api`).

It is a door like the dashboard and batch: everything goes through the collector, and what takes
long is a process of its own.
"""

from s3gc_core.integrations.listening import serve_api
from s3gc_core.integrations.plugin import (
    PREFIX,
    get_s3gc_config,
    s3gc_lifespan,
    setup_s3gc_from_env,
    setup_s3gc_plugin,
)
from s3gc_core.integrations.tokens import has_token

__all__ = [
    "PREFIX",
    "get_s3gc_config",
    "has_token",
    "s3gc_lifespan",
    "serve_api",
    "setup_s3gc_from_env",
    "setup_s3gc_plugin",
]
