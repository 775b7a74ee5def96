"""What whoever started s3gc wants ignored stays so: `nohup` and `&` outlive their terminal."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

import pytest

from s3gc_core.errors import ExitCode
from s3gc_tui.context import Context
from s3gc_tui.running import _EndedBySignalError, _until_signal


class Slow:
    """A command during which somebody sends a signal."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    async def run(self, context: Context) -> ExitCode:
        os.kill(os.getpid(), self.number)
        await asyncio.sleep(0.2)
        return ExitCode.DONE


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=lambda n: n.name)
@pytest.mark.parametrize("ignored", [True, False])
def test_it_stays_ignored(number: signal.Signals, ignored: bool) -> None:
    before = signal.getsignal(number)
    signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    context = argparse.Namespace()
    try:
        if ignored:
            ended = asyncio.run(_until_signal(Slow(number), context))  # type: ignore[arg-type]
            assert ended is ExitCode.DONE
            assert signal.getsignal(number) is signal.SIG_IGN
        else:
            with pytest.raises(_EndedBySignalError):
                asyncio.run(_until_signal(Slow(number), context))  # type: ignore[arg-type]
    finally:
        signal.signal(number, before)
