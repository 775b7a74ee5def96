"""`s3gc init`: write a commented configuration file."""

from __future__ import annotations

import os

from s3gc_core.config_template import CONFIG_TEMPLATE
from s3gc_core.errors import ConfigurationError, ExitCode, Problem
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Write the template; an existing file stays as it is."""
    path = context.args.path
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        problem = Problem("path", f"{path} (it exists)", "a file that does not exist yet")
        raise ConfigurationError([problem], origin="init") from None
    except OSError as error:
        problem = Problem("path", f"{path} ({error.strerror})", "a file in a folder you may write")
        raise ConfigurationError([problem], origin="init") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(CONFIG_TEMPLATE)
    context.emit({"type": "file", "path": str(path), "text": f"wrote {path}"})
    return context.summary(next_step="fill in bucket, [database] and [tables]; then s3gc doctor")
