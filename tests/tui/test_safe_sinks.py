"""No text from outside has a way to the screen but through the panes, which clean it.

An S3 key that reaches Rich or Textual as text is markup, a terminal code, an action to click.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import s3gc_tui

ROOT = Path(s3gc_tui.__file__).parent
DASHBOARD = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.parent.name in ("screens", "widgets", "models") or path.name == "app.py"
]
# Widgets of Textual that show text they are given, as markup or as it is.
SHOWING = frozenset(
    [
        *("Static", "Label", "Button", "Log", "RichLog", "Markdown", "DataTable", "OptionList"),
        *("Tree", "Header", "Footer", "Digits", "Checkbox", "RadioButton", "Select", "Link"),
        *("SelectionList", "Pretty", "Collapsible", "TabbedContent", "Tooltip", "TextArea"),
    ]
)
CALLS = frozenset(
    ["notify", "from_markup", "from_ansi", "from_rich_text", "write_line", "print", "open_url"]
)
ATTRIBUTES = frozenset(
    ["border_title", "border_subtitle", "title", "sub_title", "tooltip", "placeholder", "loading"]
)
# The one place where panes make strips of cleaned text, and the two that draw what is clean.
STRIPS = {"widgets/line_pane.py", "widgets/virtual_list.py", "widgets/thumbnail.py"}


def name_of(node: ast.expr) -> str:
    """The last part of what is called or set."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_constant(node: ast.expr) -> bool:
    """A text of ours, written where it stands."""
    return isinstance(node, ast.Constant)


def offences(tree: ast.AST, where: str) -> Iterator[tuple[int, str]]:
    """Every line that shows text in another way than through a pane."""
    titles = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.For) and "_PANES" in ast.dump(node.iter)
        for target in ast.walk(node.target)
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = name_of(node.func)
            if called in SHOWING | CALLS:
                yield node.lineno, f"{called}()"
            if called == "Segment" and where not in STRIPS:
                yield node.lineno, "Segment() outside of the panes"
            if called == "Text" and not all(map(is_constant, node.args)) and where != "app.py":
                yield node.lineno, "Text() of what is no constant"
            for keyword in node.keywords:
                if keyword.arg in ("markup", "link") or (
                    keyword.arg in ATTRIBUTES and not is_constant(keyword.value)
                ):
                    yield node.lineno, f"{keyword.arg}="
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if not isinstance(target, ast.Attribute) or target.attr not in ATTRIBUTES:
                    continue
                value = node.value
                ours = value is not None and (is_constant(value) or name_of(value) in titles)
                if not ours:
                    yield node.lineno, f".{target.attr} ="
        if isinstance(node, ast.ImportFrom) and node.module == "textual.widgets":
            for one in node.names:
                if one.name != "Input":
                    yield node.lineno, f"import of {one.name}"
        if isinstance(node, ast.FunctionDef) and node.name == "render":
            yield node.lineno, "render(): Textual reads what it returns as markup"


@pytest.mark.parametrize("path", DASHBOARD, ids=lambda p: str(p.relative_to(ROOT)))
def test_text_is_shown_by_panes_only(path: Path) -> None:
    where = str(path.relative_to(ROOT))
    assert list(offences(ast.parse(path.read_text()), where)) == []


def test_all_of_the_dashboard_is_looked_at() -> None:
    assert {"app.py", "main.py", "panes.py", "execute.py", "line_pane.py"} <= {
        path.name for path in DASHBOARD
    }


@pytest.mark.parametrize(
    "text",
    [
        "Static(key)",
        "yield Label('x')",
        "self.notify(f'{key}')",
        "app.notify('x')",
        "self.border_title = key",
        "pane.border_title = f'{key}'",
        "self.title = bucket",
        "self.tooltip += key",
        "Text.from_markup(key)",
        "Text(key)",
        "LinePane(markup=True)",
        "Style(link=url)",
        "Input(placeholder=key)",
        "print(key)",
        "Segment(key)",
        "from textual.widgets import Static",
        "class A:\n    def render(self): return key",
    ],
)
def test_the_rule_sees(text: str) -> None:
    assert list(offences(ast.parse(text), "screens/some.py")) != []


@pytest.mark.parametrize(
    "text",
    [
        "self.border_title = '1 Candidates'",
        "for name, (title, _) in _PANES.items(): pane.border_title = title",
        "Input(id='command', select_on_focus=False)",
        "from textual.widgets import Input",
        "pane.show([line(safe_text(key))])",
    ],
)
def test_the_rule_lets_by(text: str) -> None:
    assert list(offences(ast.parse(text), "screens/some.py")) == []
