"""The help as lines: what works at a place in this session, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from s3gc_tui.actions_table import ACTIONS, Action, Where
from s3gc_tui.display import wrap
from s3gc_tui.keymap import FIXED, FIXED_OF_THE_LIST, Keymap, works
from s3gc_tui.models.lines import BLANK, Line, dim, line, strong, warn

_PLACES = {
    Where.LIST: "in the list of candidates",
    Where.VERDICT: "on a verdict",
    Where.JOBS: "in plans and jobs",
    Where.VAULT: "in the vault",
    Where.HISTORY: "in the history",
    Where.LOG: "in the log",
    Where.PLAN: "on a plan",
    Where.JOB: "on a job",
    Where.OPERATION: "on an operation",
    Where.KEY: "on a key",
    Where.REFERENCES: "on the references",
    Where.STREAMS: "on the change streams",
    Where.GRANTS: "on the grants",
    Where.REPORT: "on the report",
}
_KEYS_WIDTH = 26


def help_lines(
    where: Where,
    may_write: bool,
    keymap: Keymap,
    width: int,
    actions: Sequence[Action] = ACTIONS,
) -> list[Line]:
    """The actions of a place and those of all panes, then the keys that never change."""
    here = [a for a in actions if Where.PANES not in a.where or where not in Where.PANES]
    anywhere = [a for a in actions if Where.PANES in a.where and where in Where.PANES]
    lines: list[Line] = []
    for title, some in ((f"Works {_PLACES[where]}", here), ("Works in all panes", anywhere)):
        shown = [a for a in some if works(a, where, may_write=may_write)]
        if shown:
            lines += [line(strong(f" {title}"))]
            for action in shown:
                lines += _row(keymap.words(action.id), f"{action.help}  [{action.id}]", width)
            lines.append(BLANK)
    lines.append(line(strong(" Moving")))
    fixed = (*FIXED, *FIXED_OF_THE_LIST) if Where.LIST in where else FIXED
    for keys, told in fixed:
        lines += _row(keys, told, width)
    absent = [a for a in actions if works(a, where, may_write=True) and not may_write]
    names = ", ".join(a.id for a in absent if a.needs_write)
    if names:
        text = (
            f"This session is read-only, without: {names}. `s3gc --write` starts one that has them."
        )
        lines += [BLANK, *(line(warn(f" {part}")) for part in wrap(text, width - 2))]
    text = "Every action can have another key: [keys] in the configuration, by its id in brackets."
    return [*lines, BLANK, *(line(dim(f" {part}")) for part in wrap(text, width - 2))]


def _row(keys: str, told: str, width: int) -> list[Line]:
    indent = " " * (_KEYS_WIDTH + 2)
    first, *more = wrap(told, width - _KEYS_WIDTH - 3)
    if len(keys) > _KEYS_WIDTH:
        return [line(f" {keys}"), *(line(indent, part) for part in (first, *more))]
    return [line(f" {keys:<{_KEYS_WIDTH}} ", first), *(line(indent, part) for part in more)]
