"""Every action of the dashboard as data: its id, keys, words, where it works, what it needs.

Keys can be remapped by id; those of dangerous actions only to chords, never to a plain letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto


class Where(Flag):
    """Where an action works."""

    LIST = auto()  # pane 1
    JOBS = auto()  # pane 3
    VAULT = auto()  # pane 4
    HISTORY = auto()  # pane 5
    PLAN = auto()  # the plan's own screen
    ANYWHERE = auto()


@dataclass(frozen=True, slots=True)
class Action:
    """One action. `hint` is its word in the line of keys ("" leaves it to the help)."""

    id: str
    keys: str
    method: str
    hint: str
    help: str
    where: Where = Where.ANYWHERE
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
    Action("reject", "N", "reject", "", "reject the plan for good", Where.PLAN, needs_write=True),
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
        needs_write=True,
    ),
    Action("scan", "s", "scan", "scan", "start a scan; it changes nothing in the bucket"),
    Action("pause", "p", "pause", "pause", "pause or go on", Where.JOBS, needs_write=True),
    Action("cancel", "x", "cancel", "cancel", "end after this batch", Where.JOBS, needs_write=True),
    Action("copy", "y", "copy", "", "copy the key, quoted for a shell", Where.LIST),
    Action(
        "save",
        "w",
        "save",
        "",
        "write the list to a new file of JSON lines",
        Where.LIST | Where.PLAN,
    ),
    Action("command", "colon", "command", "command", "type a command"),
    Action("repaint", "ctrl+l", "repaint", "", "paint the screen anew"),
    Action("help", "question_mark", "help", "help", "what works here"),
    Action("quit", "q", "leave", "quit", "leave the view, or the dashboard; jobs go on"),
)
