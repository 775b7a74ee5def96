"""Every action of the dashboard as data: its id, keys, words, where it works, what it needs.

Keys can be remapped by id; those of dangerous actions only to chords, never to a plain letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto


class Where(Flag):
    """Where an action works: in a pane of the main screen, or on a screen over it."""

    LIST = auto()
    VERDICT = auto()
    JOBS = auto()
    VAULT = auto()
    HISTORY = auto()
    LOG = auto()
    PANES = LIST | VERDICT | JOBS | VAULT | HISTORY | LOG
    PLAN = auto()
    JOB = auto()
    OPERATION = auto()
    KEY = auto()  # everything about one key
    REFERENCES = auto()
    STREAMS = auto()
    GRANTS = auto()
    REPORT = auto()
    SCREENS = PLAN | JOB | OPERATION | KEY | REFERENCES | STREAMS | GRANTS | REPORT
    PAGED = PLAN | OPERATION


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `hint` is its word in the line of keys ("" leaves it to the help)."""

    id: str
    keys: str
    method: str
    hint: str
    help: str
    where: Where = Where.PANES
    needs_write: bool = False
    dangerous: bool = False


ACTIONS = (
    Action("pane.candidates", "1", "pane('candidates')", "", "orphan candidates"),
    Action("pane.verdict", "2", "pane('verdict')", "", "verdict of the selected object"),
    Action("pane.jobs", "3", "pane('jobs')", "", "plans and jobs"),
    Action("pane.vault", "4", "pane('vault')", "", "vault"),
    Action("pane.history", "5", "pane('history')", "", "history"),
    Action("pane.log", "at", "pane('log')", "log", "log: errors and what this session asked for"),
    Action("filter", "slash", "filter", "filter", "filter the candidates", Where.LIST),
    Action("sort", "o", "sort", "sort", "sort by the next column; O turns it round", Where.LIST),
    Action("sort.reverse", "O", "reverse", "", "turn the order round", Where.LIST),
    Action("tree", "t", "tree", "tree", "tree or flat list", Where.LIST),
    Action("show.new", "r,ctrl+r", "show_new", "", "show what a newer scan found", Where.LIST),
    Action("preview", "i", "preview", "", "look at the picture itself", Where.LIST),
    Action(
        "approve",
        "a",
        "approve",
        "approve",
        "review the marked orphans and approve their plan; deletes nothing",
        Where.LIST | Where.PLAN,
        needs_write=True,
    ),
    Action(
        "reject", "N", "reject", "reject", "reject the plan for good", Where.PLAN, needs_write=True
    ),
    Action(
        "execute",
        "ctrl+x",
        "execute",
        "execute",
        "open the execute dialog, which asks for bucket and count",
        Where.PLAN,
        needs_write=True,
        dangerous=True,
    ),
    Action(
        "restore",
        "u",
        "restore",
        "restore",
        "bring deleted objects back",
        Where.PANES | Where.SCREENS,
        needs_write=True,
    ),
    Action("scan", "s", "scan", "scan", "start a scan; it changes nothing in the bucket"),
    Action("references", "f", "references", "refs", "coverage, reverse match, dangling references"),
    Action("streams", "c", "streams", "streams", "change streams of the followed databases"),
    Action("grants", "U", "grants", "", "grants: what unattended runs may remove"),
    Action("report", "m", "report", "", "report: money, new orphans a day, where they come from"),
    Action(
        "pause", "p", "pause", "pause", "pause or go on", Where.JOBS | Where.JOB, needs_write=True
    ),
    Action(
        "cancel",
        "x",
        "cancel",
        "cancel",
        "end after this batch",
        Where.JOBS | Where.JOB,
        needs_write=True,
    ),
    Action("failures", "f", "failures", "failures", "failures by outcome, or events", Where.JOB),
    Action("outcome", "f", "outcome", "filter", "only objects of one outcome", Where.OPERATION),
    Action(
        "page.next", "n,full_stop,greater_than_sign", "page(1)", "next", "next page", Where.PAGED
    ),
    Action(
        "page.previous", "b,comma,less_than_sign", "page(-1)", "before", "page before", Where.PAGED
    ),
    Action(
        "view.coverage", "1", "view('coverage')", "", "columns and who vouches", Where.REFERENCES
    ),
    Action("view.matches", "2", "view('matches')", "", "reverse match by source", Where.REFERENCES),
    Action(
        "view.dangling", "3", "view('dangling')", "", "rows without an object", Where.REFERENCES
    ),
    Action("view.next", "v", "next_view(1)", "view", "next view, as tab does", Where.REFERENCES),
    Action(
        "column.clear",
        "c",
        "clear('column')",
        "clear",
        "say that this column holds no keys that count; asks for a reason",
        Where.REFERENCES,
        needs_write=True,
    ),
    Action(
        "column.clear_table",
        "T",
        "clear('table')",
        "clear table",
        "the same of all columns of its table that are unknown now",
        Where.REFERENCES,
        needs_write=True,
    ),
    Action(
        "column.reopen",
        "o",
        "reopen",
        "reopen",
        "take a clearance back: the column is unknown again; asks for a reason",
        Where.REFERENCES,
        needs_write=True,
    ),
    Action(
        "follow.start",
        "s",
        "follow",
        "follow",
        "follow the databases, as a job of its own",
        Where.STREAMS,
        needs_write=True,
    ),
    Action(
        "follow.stop",
        "x",
        "stop",
        "stop",
        "end the process that follows; its streams wait",
        Where.STREAMS,
        needs_write=True,
    ),
    Action(
        "follow.reload",
        "l",
        "reload",
        "reload",
        "begin the streams anew and read every followed source; asks first",
        Where.STREAMS,
        needs_write=True,
    ),
    Action(
        "grant.revoke",
        "x",
        "revoke",
        "revoke",
        "take the grant back; asks for a reason and the end of its id",
        Where.GRANTS,
        needs_write=True,
    ),
    Action(
        "ask",
        "r,ctrl+r",
        "ask",
        "ask again",
        "ask everything again",
        Where.KEY | Where.REFERENCES | Where.STREAMS | Where.GRANTS | Where.REPORT,
    ),
    Action("copy", "y", "copy", "", "copy the key, quoted for a shell", Where.LIST),
    Action(
        "save",
        "w",
        "save",
        "save",
        "write what is listed here to a new file of JSON lines",
        Where.LIST | Where.PLAN | Where.JOB | Where.OPERATION | Where.REFERENCES,
    ),
    Action("command", "colon", "command", "command", "type a command"),
    Action("repaint", "ctrl+l", "repaint", "", "paint the screen anew"),
    Action("help", "question_mark", "help", "help", "what works here", Where.PANES | Where.SCREENS),
    Action("back", "q", "leave", "back", "back, as esc does; jobs go on", Where.SCREENS),
    Action("quit", "q", "leave", "quit", "leave the dashboard; jobs go on"),
)
