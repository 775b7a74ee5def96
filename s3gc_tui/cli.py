"""The command line's grammar. Each sub-command is one file in `commands/`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias, cast

from s3gc_core.redaction import shown
from s3gc_tui.log_lines import FORMAT_VARIABLE, FORMATS, LEVEL_VARIABLE, LEVELS
from s3gc_tui.safe_text import safe_text

if TYPE_CHECKING:
    from s3gc_tui.context import Command

Add: TypeAlias = Callable[..., argparse.ArgumentParser]

_SCHEDULED = "what `serve` says: the schedule's time that this is for, which is done only once"
VERDICTS = ("orphan", "keep", "held")


class Parser(argparse.ArgumentParser):
    """A parser whose complaints never repeat what may be a secret, nor what a terminal acts on."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with the exit code of wrong usage."""
        if message.startswith("unrecognized arguments"):
            message = "unknown arguments (not repeated here: they may hold a secret)"
        elif "invalid choice: " in message:
            before, _, after = message.partition("invalid choice: ")
            message = f"{before}invalid choice {after.partition(' (')[1]}{after.partition(' (')[2]}"
        super().error(safe_text(message))


class Version(argparse.Action):
    """Reads the version only where it is asked for: that takes longer than all the rest here."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Tell it and end."""
        from importlib.metadata import version

        sys.stdout.write(f"s3gc {version('s3gc')}\n")
        parser.exit()


def parse_time(text: str) -> datetime:
    """An ISO 8601 time; without a zone it is UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{shown(text)} is no time; write 2026-11-21 or 2026-11-21T14:30:00+00:00"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def positive(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{shown(text)} is not a whole number")
    return int(text)


def day_budget(text: str) -> str:
    """The guard that an execution may be told to pass: that of the bucket, or of one prefix."""
    guard, colon, prefix = text.partition(":")
    if guard != "budget-per-day" or bool(colon) != bool(prefix):
        raise argparse.ArgumentTypeError(
            f"{shown(text)} cannot be accepted; only budget-per-day and budget-per-day:PREFIX can"
        )
    return text


def build_parser() -> argparse.ArgumentParser:
    """The parser of `s3gc` with all sub-commands."""
    parser = Parser(
        prog="s3gc",
        description="Finds S3 objects no database row refers to, proves it, backs each one up,"
        " deletes it, and can bring any of them back. Without a sub-command: the dashboard.",
        epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 blocked or refused,"
        " 4 partial, 5 vault busy, 6 not reachable, 7 not found, 129/130/143 ended by a signal.",
    )
    parser.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument("--profile", metavar="NAME", help="NAME.toml in the configuration folder")
    parser.add_argument(
        "--batch", action="store_true", help="JSON lines on standard output, no prompt, no colour"
    )
    parser.add_argument(
        "--csv",
        dest="batch",
        action="store_const",
        const="csv",
        help="as --batch, with the lines of a list as CSV, and its summary on standard error",
    )
    parser.add_argument(
        "--log-format",
        choices=FORMATS,
        help=f"of the log on standard error (json; {FORMAT_VARIABLE})",
    )
    parser.add_argument(
        "--log-level",
        choices=LEVELS,
        help=f"debug tells of each object (by hand warning, else info; {LEVEL_VARIABLE})",
    )
    parser.add_argument(
        "--write",
        nargs="?",
        type=positive,
        const=60,
        metavar="MINUTES",
        help="dashboard: allow approving, executing and restoring for so long (60 unless given)",
    )
    parser.add_argument(
        "--plain",
        nargs="*",
        metavar=("VIEW", "ARGUMENT"),
        help="instead of the dashboard: its views once as linear text, for screen readers, pipes"
        " and dumb terminals. VIEW: all (unless given), candidates [FILTER], verdict KEY, jobs,"
        " plans, streams, vault, history, references",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for group in (_scanning, _deciding, _restoring, _looking):
        group(commands.add_parser)
    return parser


def _scanning(add: Add) -> None:
    init = add("init", help="write a commented configuration file")
    init.add_argument("path", nargs="?", type=Path, default=Path("s3gc.toml"))
    doctor = add("doctor", help="check everything, with a fix for each failure")
    doctor.add_argument(
        "--write-probe",
        action="store_true",
        help="put and delete a probe object to test the store's conditional deletes",
    )
    doctor.add_argument(
        "--print-policy",
        action="store_true",
        help="print the least rights that are needed: a policy for the bucket, grants for SQL",
    )
    follow = add("follow", help="keep the registry true to databases with cdc = true")
    follow.add_argument("--reload", action="store_true", help="begin anew, and read all of them")
    follow.add_argument("--stop", action="store_true", help="end the process that follows")
    follow.add_argument(
        "--drop-slot",
        action="store_true",
        help="with --stop: take away what the servers keep for it, such as slots",
    )
    follow.add_argument("--print-unit", action="store_true", help="print a unit for systemd")
    serve = add("serve", help="schedule, follower, drills and replica, in the foreground")
    serve.add_argument("--also", action="append", default=[], metavar="NAME", help="this profile")
    serve.add_argument("--all-profiles", action="store_true", help="all of the folder of profiles")
    serve.add_argument("--check", action="store_true", help="whether it lives: exit 0, or 1")
    for what, told in (
        ("unit", "a unit for systemd"),
        ("containerfile", "a Containerfile for a checkout of s3gc"),
        ("compose", "a compose file that goes with it"),
    ):
        serve.add_argument(
            f"--print-{what}", dest="prints", action="store_const", const=what, help=f"print {told}"
        )
    scan = add("scan", help="list, read the references, judge, make a plan")
    scan.add_argument(
        "--accept",
        action="append",
        default=[],
        metavar="GUARD:SUBJECT",
        help="take responsibility for a tripped guard in this scan (with --reason)",
    )
    scan.add_argument("--reason", default="", help="why the guard may be accepted")
    scan.add_argument(
        "--since", metavar="PLAN", help="also show the orphans that this plan's scan did not find"
    )
    candidates = add("candidates", help="objects no row refers to, with verdicts")
    candidates.add_argument("--plan", metavar="ID")
    candidates.add_argument("--verdict", choices=VERDICTS)
    candidates.add_argument("--prefix", default="")
    candidates.add_argument(
        "--since", metavar="PLAN", help="only orphans that this plan's scan did not find"
    )
    discover = add("discover", help="which columns hold keys of the bucket, without being told")
    discover.add_argument(
        "--rows", type=positive, default=2000, metavar="N", help="rows of each table to look at"
    )
    discover.add_argument(
        "--fresh", action="store_true", help="list the bucket and look at every table anew"
    )
    discover.add_argument(
        "--write", action="store_true", help="add what was found to the configuration file"
    )
    why = add("why", help="every layer and every reference of one key, asked now")
    why.add_argument("key")


def _deciding(add: Add) -> None:
    plan = add("plan", help="list, show, approve or reject plans")
    actions = plan.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="all plans, newest first")
    actions.add_parser("show", help="a plan and its objects").add_argument("id")
    approve = actions.add_parser("approve", help="approve a plan or a part of it")
    approve.add_argument("id")
    approve.add_argument("--prefix", action="append", default=[])
    approve.add_argument("--key", action="append", default=[])
    approve.add_argument("--reason", required=True)
    reject = actions.add_parser("reject", help="reject a plan for good")
    reject.add_argument("id")
    reject.add_argument("--reason", required=True)
    execute = add("execute", help="back up and delete what a plan holds")
    execute.add_argument("--plan", required=True, metavar="ID")
    execute.add_argument("--confirm", metavar='"BUCKET COUNT"')
    execute.add_argument(
        "--accept",
        action="append",
        default=[],
        type=day_budget,
        metavar="budget-per-day[:PREFIX]",
        help="take responsibility for more than a day's budget (with --reason)",
    )
    execute.add_argument("--reason", default="", help="why the guard may be accepted")
    grant = add("grant", help="let unattended runs delete: so much, there, until then")
    actions = grant.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser(
        "create", help="what `run` may delete without a person looking at its plan"
    )
    create.add_argument("--prefix", action="append", default=[], metavar="P")
    create.add_argument("--everything", action="store_true", help="the whole bucket")
    create.add_argument("--max-objects", type=positive, required=True, metavar="N")
    create.add_argument("--max-bytes", type=positive, required=True, metavar="B")
    create.add_argument("--days", type=positive, required=True, metavar="D", help="90 at most")
    create.add_argument("--reason", required=True)
    actions.add_parser("list", help="every grant, what was deleted under it, how it stands")
    revoke = actions.add_parser("revoke", help="take a grant back")
    revoke.add_argument("id")
    revoke.add_argument("--reason", required=True)
    run = add("run", help="one whole cycle in the configured mode")
    run.add_argument("--scheduled", type=parse_time, metavar="TIME", help=_SCHEDULED)


def _restoring(add: Add) -> None:
    restore = add("restore", help="bring deleted objects back")
    what = restore.add_mutually_exclusive_group(required=True)
    what.add_argument("--operation", metavar="ID")
    what.add_argument("--key", action="append", default=[])
    what.add_argument("--prefix")
    restore.add_argument(
        "--as-of",
        type=parse_time,
        metavar="TIME",
        help="what was live at that time; what came later is left alone and told",
    )
    where = restore.add_mutually_exclusive_group()
    where.add_argument("--to", type=Path, metavar="DIR", help="write to a folder instead")
    where.add_argument("--to-bucket", metavar="NAME", help="write to another bucket instead")
    restore.add_argument("--to-endpoint", metavar="URL", help="with --to-bucket: its store")
    restore.add_argument(
        "--to-prefix", default="", metavar="P", help="with --to-bucket: put before each key"
    )
    restore.add_argument("--dry-run", action="store_true", help="only say what would be restored")
    restore.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a newer object, which is not backed up first",
    )
    restore.add_argument(
        "--accept-lossy",
        action="store_true",
        help="also bring back pictures that were stored LOSSY, which are not as they were",
    )
    drill = add("drill", help="restore some backups beside the live objects, and compare all")
    drill.add_argument(
        "--sample", type=positive, default=20, metavar="N", help="how many, chosen by chance (20)"
    )
    drill.add_argument(
        "--to",
        metavar="PREFIX|DIR",
        help="the bucket, below the configured drill_prefix (say that), or a folder; the system's"
        " temporary one unless given",
    )
    drill.add_argument(
        "--seed", type=positive, metavar="S", help="draw as the drill that told this seed did"
    )
    drill.add_argument("--scheduled", type=parse_time, metavar="TIME", help=_SCHEDULED)
    vault = add("vault", help="backups and the audit log")
    actions = vault.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("stats", help="backups, bytes before and after, free space")
    verify = actions.add_parser("verify", help="read backups and compare their hashes")
    verify.add_argument("--sample", type=positive, metavar="N", help="only N, chosen by chance")
    verify.add_argument(
        "--seed", type=positive, metavar="S", help="with --sample: draw as that which told this did"
    )
    which = verify.add_mutually_exclusive_group()
    which.add_argument("--replica", action="store_true", help="those in the replica")
    which.add_argument(
        "--repair",
        action="store_true",
        help="put what is damaged or gone back from the replica; never the other way",
    )
    find = actions.add_parser("find", help="backups of a key, or of keys with a prefix")
    find.add_argument("key")
    find.add_argument("--prefix", action="store_true", help="KEY is a prefix")
    export = actions.add_parser(
        "export", help="backups as plain files with a manifest, into a new folder or .tar file"
    )
    export.add_argument("path", type=Path, metavar="DIR|FILE.tar")
    which = export.add_mutually_exclusive_group()
    which.add_argument("--operation", metavar="ID")
    which.add_argument("--prefix", default="", metavar="P")
    purge = actions.add_parser("purge", help="remove backups past their horizon that nothing needs")
    purge.add_argument("--older-than-days", type=positive, metavar="N")
    purge.add_argument("--dry-run", action="store_true")
    keygen = actions.add_parser("keygen", help="a new age identity for encrypted backups")
    keygen.add_argument("--output", type=Path, required=True, metavar="FILE")
    keygen.add_argument(
        "--anchor", action="store_true", help="a key that signs anchors of the audit log instead"
    )
    test = actions.add_parser("key-test", help="prove that an identity opens encrypted backups")
    test.add_argument("--identity", type=Path, metavar="FILE", help="not the configured one")
    actions.add_parser("replicate", help="ship what is recorded to the replica")
    rebuild = actions.add_parser("rebuild", help="a lost vault from its replica, where none is")
    rebuild.add_argument("--from-replica", action="store_true", required=True)
    audit = actions.add_parser("audit", help="the audit log").add_subparsers(
        dest="audit_action", metavar="ACTION", required=True
    )
    audit.add_parser("verify", help="check the whole hash chain, and the indexes")
    audit.add_parser("reindex", help="make damaged indexes anew from the records")
    audit.add_parser(
        "sign", help="check it, and sign its head: when signing was only now turned on"
    )


def _looking(add: Add) -> None:
    history = add("history", help="what became of objects")
    history.add_argument("--operation", metavar="ID")
    history.add_argument("--key")
    operations = add("operations", help="every recorded run")
    operations.add_argument("--limit", type=positive, default=50)
    registry = add("registry", help="the store of references")
    actions = registry.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("stats", help="rows and keys per source")
    actions.add_parser("verify", help="compare it with the databases; exit 4 where they differ")
    rebuild = actions.add_parser("rebuild", help="read all sources anew")
    rebuild.add_argument("--dry-run", action="store_true", help="only say what would change")
    references = add("references", help="what is covered, and rows without their object")
    actions = references.add_subparsers(dest="action", metavar="ACTION", required=True)
    coverage = actions.add_parser("coverage", help="every column: tracked, cleared or unknown")
    coverage.add_argument(
        "--open", action="store_true", help="only unknown columns that hold keys of the bucket"
    )
    for name, told in (
        ("clear", "say that a column, or a table as it is now, holds no keys that count"),
        ("reopen", "take that back"),
    ):
        decide = actions.add_parser(name, help=told)
        decide.add_argument("name", metavar="[DATABASE:]TABLE[.COLUMN]")
        decide.add_argument("--reason", required=True)
    actions.add_parser("dangling", help="rows whose object is not in the bucket")
    report = add("report", help="what the orphans cost, where they came from, how fast they come")
    report.add_argument(
        "--versions", action="store_true", help="count what a versioned bucket keeps besides, too"
    )
    report.add_argument(
        "--uploads", action="store_true", help="count uploads in parts that nobody finished, too"
    )
    status = add("status", help="who holds the vault, last scan, plans, open steps")
    status.add_argument(
        "--all", action="store_true", help="a line for each profile in the folder of profiles"
    )
    metrics = add("metrics", help="sums and states as Prometheus reads them")
    which = metrics.add_mutually_exclusive_group()
    which.add_argument(
        "--textfile", type=Path, metavar="PATH", help="replace this file of node_exporter's"
    )
    which.add_argument("--print-alerts", action="store_true", help="print sample alert rules")
    demo = add("demo", help="a small real world to try s3gc on")
    # Accepted after the sub-command as well: `s3gc demo --batch` is what one types.
    demo.add_argument("--batch", action="store_true", dest="batch", default=argparse.SUPPRESS)


def load_command(name: str) -> Command:
    """The module of a sub-command; only the one that runs is imported."""
    return cast("Command", import_module(f"s3gc_tui.commands.{name}"))
