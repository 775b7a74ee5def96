"""What every command is given: its arguments, where its lines go, how its collector is opened."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from s3gc_core.collector import Collector
from s3gc_core.config import Config
from s3gc_core.config_file import find_config, load_config
from s3gc_core.errors import ExitCode
from s3gc_core.handing import HANDED, Handed, read_handed
from s3gc_core.jobs import act_for
from s3gc_core.judgement import Progress
from s3gc_core.session import READ_ONLY, READ_ONLY_VARIABLE, UNRESTRICTED, Session
from s3gc_tui.lines import Emit, Output
from s3gc_tui.log_lines import learn_secrets

# The exit code that goes with each outcome of an operation.
EXIT_OF = {
    "done": ExitCode.DONE,
    "nothing-to-do": ExitCode.DONE,
    "blocked": ExitCode.BLOCKED,
    "partial": ExitCode.PARTIAL,
}


class Ask(Protocol):
    """Asks the person at the terminal for a line; not there in batch."""

    def __call__(self, question: str) -> str:
        """Return what was typed."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one command."""

    args: argparse.Namespace
    emit: Emit
    output: Output
    progress: Progress
    ask: Ask | None

    def config(self) -> Config:
        """The configuration that the command line names, with the environment over it; or with
        `--config -` what our starter handed us, for whom we act from then on.
        """
        config: Path | None = self.args.config
        profile: str | None = self.args.profile
        if config == HANDED and profile is None:
            handed = _handed()
            act_for(handed.acting)
            learn_secrets(handed.config, os.environ)
            return handed.config
        found = load_config(find_config(config, profile), os.environ)
        learn_secrets(found, os.environ)
        return found

    def collector(self) -> AbstractAsyncContextManager[Collector]:
        """The collector of that configuration."""
        return Collector.open(self.config(), progress=self.progress, session=self.session())

    def session(self) -> Session:
        """A command may do what its name says, unless the environment forbids every change."""
        return READ_ONLY if os.environ.get(READ_ONLY_VARIABLE) else UNRESTRICTED

    def summary(
        self, outcome: str = "done", operation_id: str | None = None, /, **fields: object
    ) -> ExitCode:
        """Emit the last line; returns the exit code that goes with the outcome."""
        self.emit({"type": "summary", "outcome": outcome, "operation_id": operation_id, **fields})
        return EXIT_OF[outcome]


@cache
def _handed() -> Handed:
    """It can be read only once."""
    return read_handed(sys.stdin.buffer)


class Command(Protocol):
    """A module of `commands/`."""

    async def run(self, context: Context) -> ExitCode:
        """Do the command's job."""
        ...
