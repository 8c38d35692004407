"""Keeps words out of what people read that the house does not use: in pages, help, messages and the report."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ODD = re.compile(r"\b(tells|is told|are told|told of|befall\w*|lets? go of)\b", re.IGNORECASE)


def said_in(source: str) -> list[tuple[int, str]]:
    """The texts of a module that are no docstrings: help, messages, words of pages."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]


def help_of(source: str) -> list[tuple[int, str]]:
    """Docstrings of commands, which are their help."""
    found = []
    for node in ast.walk(ast.parse(source)):
        is_command = isinstance(node, ast.FunctionDef) and any("command" in ast.unparse(d) for d in node.decorator_list)
        if is_command and isinstance(node, ast.FunctionDef):
            found.append((node.lineno, ast.get_docstring(node) or ""))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_none_of_the_odd_words(page: Path) -> None:
    assert ODD.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["page.html", "page.js"])
def test_the_report_has_none_of_them(name: str) -> None:
    assert ODD.findall((ROOT / "crowdmask" / "results" / "report" / name).read_text(encoding="utf-8")) == []


def test_help_and_messages_have_none_of_them() -> None:
    found = []
    for path in sorted((ROOT / "crowdmask").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        texts = said_in(source) + (help_of(source) if path.parent.name == "cli" else [])
        found += [f"{path.relative_to(ROOT)}:{line}: {text[:80]}" for line, text in texts if ODD.search(text)]
    assert found == []


def test_the_rule_finds_what_it_is_for() -> None:
    assert ODD.search("what befalls a file") and ODD.search("It tells the time") and ODD.search("more are told of")
    assert said_in('"""A docstring tells."""\nx = f"it tells {1}"') == [(2, "it tells ")]
