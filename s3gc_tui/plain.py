"""`s3gc --plain`: what the dashboard shows, once, as linear text for screen readers and pipes.

No cursor movement, no colour, no box, no bar; changes nothing. Imports no Textual.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from s3gc_core.collector import Collector, silent
from s3gc_core.errors import ConfigurationError, ExitCode, Problem
from s3gc_core.judgement import CandidateBrowser, Judged, View
from s3gc_core.redaction import shown
from s3gc_core.session import READ_ONLY
from s3gc_tui.context import Context
from s3gc_tui.gateway import Gateway, Launch
from s3gc_tui.lines import Output, PlainText
from s3gc_tui.log_lines import log_to_standard_error
from s3gc_tui.models import plain_lines, plain_references
from s3gc_tui.models.candidate_filter import FilterError, parse_filter
from s3gc_tui.models.detail_lines import detail_lines
from s3gc_tui.models.lines import Line, line
from s3gc_tui.models.picture import Picture
from s3gc_tui.models.stream_lines import stream_text
from s3gc_tui.running import run_command
from s3gc_tui.safe_text import printable

VIEWS = (
    "all",
    "candidates",
    "verdict",
    "jobs",
    "plans",
    "streams",
    "vault",
    "history",
    "references",
)
_TITLES = {
    "jobs": "Jobs",
    "plans": "Plans",
    "streams": "Streams",
    "vault": "Vault",
    "history": "History",
    "candidates": "Candidates",
}
# Nothing is cut off or wrapped: who reads lines aloud wants each one whole.
_WIDTH = 1_000_000
_PAGE = 512
# How many candidates the view of everything names.
_FIRST = 20


@dataclass(frozen=True, slots=True)
class PlainView:
    """One view, as a command that can be run. `argument` is a filter or a key."""

    view: str
    argument: str | None

    async def run(self, context: Context) -> ExitCode:
        """Print it."""
        return await run_plain(context, self.view, self.argument)


def run_plain_command(args: argparse.Namespace) -> ExitCode:
    """Print the view that the command line names; returns the exit code."""
    log_to_standard_error(logging.WARNING, args, os.environ)
    output = Output(sys.stdout)
    context = Context(args, PlainText(output), output, silent, ask=None)
    view, *rest = args.plain or ["all"]
    return run_command(PlainView(view, " ".join(rest) or None), context)


async def run_plain(context: Context, view: str, argument: str | None = None) -> ExitCode:
    """Print one view of how things stand now. Raises what the reads raise."""
    check_view(view, argument)
    async with context.collector() as collector:
        gateway = Gateway(collector, Launch((), ("s3gc",)), READ_ONLY)
        if view == "verdict" and argument is not None:
            found = await gateway.why(argument)
            _print(context, detail_lines(found, gateway.now(), _WIDTH))
            return ExitCode.DONE
        if view == "references":
            # Not a part of everything: it asks the databases.
            _print(context, plain_references.coverage_text(await gateway.coverage()))
            _print(context, plain_references.match_text(await gateway.match_history()))
            return ExitCode.DONE
        picture = await gateway.picture()
        if view in ("all", "streams") and picture.about.cdc:
            picture = replace(picture, streams=await gateway.streams.ask())
        if view in ("all", "candidates"):
            _print(context, plain_lines.about_lines(picture))
        for one in _TITLES if view == "all" else (view,):
            _title(context, one, alone=view != "all")
            if one == "candidates":
                await _print_candidates(context, collector, gateway, picture, view, argument or "")
            else:
                _print(context, _lines_of(one, picture))
    unknown = picture.problems or (picture.streams and picture.streams.problem)
    return ExitCode.UNREACHABLE if unknown else ExitCode.DONE


def check_view(view: str, argument: str | None) -> None:
    """Raise `ConfigurationError` for a view that does not exist, or one without what it needs."""
    if view not in VIEWS:
        raise _wrong(shown(view), f"one of {', '.join(VIEWS)}")
    if view == "verdict" and argument is None:
        raise _wrong("verdict without a key", "verdict KEY")
    if argument is not None and view not in ("verdict", "candidates"):
        raise _wrong(f"{view} with something behind it", view)


def _wrong(value: str, allowed: str) -> ConfigurationError:
    return ConfigurationError([Problem("--plain", value, allowed)], origin="command line")


def _lines_of(view: str, picture: Picture) -> Iterable[Line]:
    match view:
        case "jobs":
            return plain_lines.job_lines(picture)
        case "plans":
            return plain_lines.plan_lines(picture)
        case "streams":
            return stream_text(picture)
        case "vault":
            return plain_lines.vault_lines(picture)
        case _:
            return plain_lines.history_lines(picture.operations)


def _title(context: Context, view: str, *, alone: bool) -> None:
    if not alone:
        _print(context, [line(), line(f"{_TITLES[view]}:")])


def _print(context: Context, lines: Iterable[Line]) -> None:
    for one in lines:
        context.output.line(printable(one.text.strip()))


async def _print_candidates(
    context: Context,
    collector: Collector,
    gateway: Gateway,
    picture: Picture,
    view: str,
    text: str,
) -> None:
    seen = 0
    most = _FIRST if view == "all" else None
    async with aclosing(_candidates(collector, gateway, text)) as pages:
        async for page in pages:
            for judged in page:
                seen += 1
                if most is not None and seen > most:
                    _print(context, [line("More: s3gc --plain candidates")])
                    return
                lines = plain_lines.candidate_lines([judged], picture.taken_at, picture.is_stale)
                _print(context, lines)
    if not seen:
        _print(context, [line("No candidate.")])


async def _candidates(
    collector: Collector, gateway: Gateway, text: str
) -> AsyncGenerator[list[Judged], None]:
    """The candidates of the last scan that a filter lets through, by key, in pages."""
    try:
        wanted = parse_filter(text)
    except FilterError as error:
        raise _wrong(shown(error.term), error.allowed) from None
    browser = CandidateBrowser(Path(collector.config.vault_path))
    try:
        snapshot = await browser.open()
        if snapshot is None:
            return
        ids = await browser.ids(snapshot, View(gateway.now(), wanted))
        for start in range(0, len(ids), _PAGE):
            found = [await browser.candidate(snapshot, id_) for id_ in ids[start : start + _PAGE]]
            yield [judged for judged in found if judged is not None]
    finally:
        await browser.close()
