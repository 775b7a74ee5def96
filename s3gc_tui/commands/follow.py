"""`s3gc follow`: keep the registry true to the databases, until it is ended."""

from __future__ import annotations

from s3gc_core.actions.following import FollowEvent
from s3gc_core.actions.unit_file import unit_file
from s3gc_core.config_file import find_config
from s3gc_core.errors import ConfigurationError, ExitCode, Problem
from s3gc_tui.context import Context

_WORDS = {
    "loading": "is read as a whole",
    "following": "is followed",
    "unreachable": "does not answer; it is tried again",
    "kept": "costs room",
    "lost": "cannot be followed any more",
    "returned": "refers to what was deleted",
}


async def run(context: Context) -> ExitCode:
    """Follow in the foreground; or end the process that does, or print a unit for systemd."""
    args = context.args
    _check(context)
    if args.print_unit:
        context.config()  # a unit that could not start would be no help
        for line in unit_file(_options(context)).splitlines():
            context.output.line(line)
        return ExitCode.DONE
    async with context.collector() as collector:
        if args.stop:
            ended = await collector.stop_following(drop_slot=args.drop_slot)
            return context.summary(dropped=ended)

        def told(event: FollowEvent) -> None:
            context.emit(
                {
                    "type": "stream",
                    "database": event.database,
                    "event": event.event,
                    "detail": event.detail,
                    "text": ": ".join(
                        filter(None, (f"{event.database} {_WORDS[event.event]}", event.detail))
                    ),
                }
            )

        await collector.follow(told, reload=args.reload)
    return context.summary()


def _check(context: Context) -> None:
    args = context.args
    if args.drop_slot and not args.stop:
        problem = Problem("--drop-slot", "it alone", "--stop --drop-slot")
        raise ConfigurationError([problem], origin="follow")
    if args.stop + args.reload + args.print_unit > 1:
        allowed = "one of --stop, --reload, --print-unit"
        raise ConfigurationError([Problem("follow", "several at once", allowed)], origin="follow")


def _options(context: Context) -> list[str]:
    args = context.args
    if args.config is None and args.profile is not None:
        return ["--profile", args.profile]
    return ["--config", str(find_config(args.config, args.profile).absolute())]
