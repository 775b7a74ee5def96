"""The README names what there is: each guard, each variable, each command."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from s3gc_core.config_environment import RESERVED, VARIABLES
from s3gc_tui.cli import build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def guards() -> Iterator[str]:
    """The first argument of every `Tripped(...)` in the core."""
    for path in (ROOT / "s3gc_core").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            target.id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Tripped":
                [first, *_] = node.args
                yield str(
                    first.value if isinstance(first, ast.Constant) else named[ast.unparse(first)]
                )


def test_each_guard_is_in_the_runbook_and_nothing_else() -> None:
    table = README[README.index("| guard | what") : README.index("Refusals of an execution")]
    rows = [line.split("|")[1] for line in table.splitlines()[2:] if line.startswith("|")]
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == set(guards())


def test_each_variable_is_one_that_is_read() -> None:
    known = {*VARIABLES, *RESERVED, "S3GC_EXECUTE_MODE"}
    named = set(re.findall(r"`(S3GC_\w+)", README))
    assert named - known == set()


def test_each_command_is_one_of_ours() -> None:
    commands = re.findall(r"^    ([a-z]+)(?:  |$)", build_parser().format_help(), re.MULTILINE)
    code = [a or b for a, b in re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", README, re.DOTALL)]
    named = re.findall(r"^(?:\$ )?s3gc (?:--batch )?([a-z]+)\b", "\n".join(code), re.MULTILINE)
    assert len(set(named)) > 15
    assert set(named) <= set(commands)
