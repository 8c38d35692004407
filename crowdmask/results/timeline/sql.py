"""What is said to DuckDB, and what it says: literals, and its errors in one line."""

from __future__ import annotations

from pathlib import Path

from crowdmask.results.columns import FORMULA


def sql_path(path: Path) -> str:
    """The path as a literal that means only itself; DuckDB takes every path for a pattern."""
    return sql_text("".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path.absolute())))


def sql_text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def sql_unguarded(column: str) -> str:
    """SQL of a text as it was before `columns.no_formula` guarded it in a CSV."""
    guarded = sql_text(f"^'({FORMULA})")
    return f"regexp_replace({column}, {guarded}, '\\1')"
