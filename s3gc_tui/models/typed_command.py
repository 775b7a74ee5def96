"""What is typed after `:`, as values; nothing in it changes anything by itself."""

from __future__ import annotations

from dataclasses import dataclass

# Name, what follows it, what it does: also the help.
COMMANDS = (
    ("restore", "KEY, prefix:P or op:ID", "open the restore wizard"),
    ("why", "KEY", "every layer and every reference of a key, asked now"),
    ("plan", "ID", "open a plan; the end of its id is enough"),
    ("op", "ID", "open an operation; the end of its id is enough"),
    ("filter", "TERMS", "filter the candidates; without terms show all"),
    ("scan", "", "start a scan"),
    ("ctx", "PROFILE", "open another profile's dashboard"),
    ("help", "", "what works here"),
    ("quit", "", "leave the dashboard; jobs go on"),
)


class UnknownCommand(ValueError):
    """What was typed is no command; its text says which there are."""


@dataclass(frozen=True, slots=True)
class TypedCommand:
    """A command and the rest of the line, without the spaces around it."""

    name: str
    rest: str


def parse_command(text: str) -> TypedCommand:
    """The command that `text` begins with; a beginning that fits one only is enough.

    Raises `UnknownCommand`.
    """
    name, _, rest = text.strip().partition(" ")
    fitting = [known for known, _, _ in COMMANDS if known.startswith(name)] if name else []
    exact = [known for known in fitting if known == name]
    if len(exact or fitting) != 1:
        raise UnknownCommand("commands: " + ", ".join(known for known, _, _ in COMMANDS))
    (found,) = exact or fitting
    takes = next(argument for known, argument, _ in COMMANDS if known == found)
    rest = rest.strip()
    if takes and not rest and found not in ("filter", "restore"):
        raise UnknownCommand(f"{found} needs {takes}")
    if rest and not takes:
        raise UnknownCommand(f"{found} takes nothing after it")
    return TypedCommand(found, rest)
