"""`s3gc discover`: which columns hold keys of the bucket, with the lines to configure them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from s3gc_core.config import Codec, Config, SourceConfig
from s3gc_core.config_edit import add_sources, by_table, patterns_line, table_line
from s3gc_core.config_file import find_config
from s3gc_core.config_rules import template_columns
from s3gc_core.errors import ExitCode
from s3gc_core.references import Covered, Finding, Standing
from s3gc_tui.context import Context


async def run(context: Context) -> ExitCode:
    """Emit the columns that hold keys, best first, then the configuration lines for new ones."""
    args = context.args
    async with context.collector() as collector:
        found = await collector.discover(rows=args.rows, fresh=args.fresh)
        ledger = {column.id: column for column in await collector.coverage()}
        config = collector.config
    for finding in found.ranked:
        context.emit(_record(finding, ledger.get(finding.id)))
    for finding in found.unreadable:
        context.emit(
            {
                "type": "unreadable",
                "column": str(finding.id),
                "problem": finding.problem,
                "text": f"not looked at: {finding.id}: {finding.problem}",
            }
        )
    new = [
        source
        for finding in found.ranked
        if (column := ledger.get(finding.id)) and column.standing is Standing.UNKNOWN
        for source in sources_of(finding)
    ]
    patterns = new_patterns(found.ranked, config)
    _tell_lines(context, config, new, patterns)
    write = bool(args.write and (new or patterns))
    if write:
        path = find_config(args.config, args.profile)
        first = config.databases[0].name
        await asyncio.to_thread(add_sources, path, new, first, os.environ, patterns)
    return context.summary(
        "done" if found.ranked else "nothing-to-do",
        found.operation_id,
        columns=len(found.findings),
        with_keys=len(found.ranked),
        new=len(new),
        new_patterns=len(patterns),
        objects=found.objects,
        written=write,
    )


def sources_of(finding: Finding) -> list[SourceConfig]:
    """The sources that read a column as it was found to be written."""
    if finding.templates:
        return [
            SourceConfig(
                finding.table,
                template_columns(template),
                Codec.TEMPLATE,
                template,
                database=finding.id.database,
            )
            for template in finding.templates
        ]
    codec = finding.codec or Codec.AUTO
    return [SourceConfig(finding.table, (finding.id.column,), codec, database=finding.id.database)]


def new_patterns(findings: Sequence[Finding], config: Config) -> list[str]:
    """The URL patterns with which these columns were read and that are not configured."""
    wanted = dict.fromkeys(pattern for finding in findings for pattern in finding.patterns)
    return [pattern for pattern in wanted if pattern not in config.url_patterns]


def _tell_lines(
    context: Context, config: Config, new: Sequence[SourceConfig], patterns: Sequence[str]
) -> None:
    """One line a table, with what is configured for it already; before them the URL patterns."""
    if patterns:
        line = patterns_line([*config.url_patterns, *patterns])
        context.emit({"type": "config", "table": None, "line": line, "text": line})
    first = config.databases[0].name
    tables = {(source.database, source.table) for source in new}
    both = [s for s in (*config.sources, *new) if (s.database, s.table) in tables]
    for table, entries in by_table(both, first).items():
        line = table_line(table, entries)
        context.emit({"type": "config", "table": table, "line": line, "text": line})


def _record(finding: Finding, column: Covered | None) -> dict[str, object]:
    standing = column.standing if column else Standing.UNKNOWN
    how = ", ".join(finding.templates) or str(finding.codec)
    if finding.patterns:
        how += f" ({', '.join(finding.patterns)})"
    text = (
        f"{finding.id}  {how}: {finding.share:.0%} of {finding.values} values,"
        f" {finding.explained:.0%} of the bucket ({standing})"
    )
    return {
        "type": "column",
        "database": finding.id.database,
        "table": finding.table,
        "column": finding.id.column,
        "column_type": finding.type,
        "standing": standing,
        "codec": finding.codec,
        "templates": list(finding.templates),
        "url_patterns": list(finding.patterns),
        "sampled": finding.sampled,
        "values": finding.values,
        "resolved": finding.resolved,
        "share": round(finding.share, 4),
        "objects": finding.objects,
        "explained": round(finding.explained, 4),
        "samples": list(finding.samples),
        "text": text,
    }
