"""How every written table is declared: columns with name, type, meaning and where the value comes from.

CSV, Parquet (by DuckDB), what reads them back, and the tables in docs/ follow from the declaration. A column is only
ever added at the end of its table, so none ever moves. A table of many sources may have columns that the table of one
has not; both are one declaration, and keep its order.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar

from crowdmask.results.csv_part import decimals

Row = TypeVar("Row")


class Kind(Enum):
    """A column's type, as DuckDB names it."""

    TEXT = "VARCHAR"
    COUNT = "BIGINT"
    NUMBER = "DOUBLE"
    SINGLE = "FLOAT"
    FLAG = "BOOLEAN"
    INSTANT = "TIMESTAMPTZ"


@dataclass(frozen=True)
class Column(Generic[Row]):
    name: str
    kind: Kind
    meaning: str
    value: Callable[[Row], Any]  # None is nothing: an empty field, a null
    places: int = 0  # decimals of a number in CSV
    of_run: bool = False  # only where the table has many sources

    def text(self, row: Row) -> str:
        """The value as CSV has it."""
        value = self.value(row)
        if value is None:
            return ""
        if self.kind in (Kind.NUMBER, Kind.SINGLE):
            return decimals(value, self.places)
        if self.kind is Kind.FLAG:
            return "true" if value else "false"
        return no_formula(in_full(value)) if self.kind is Kind.TEXT else in_full(value)

    def exact(self, row: Row) -> str:
        """The value with every digit, on the way to Parquet."""
        value = self.value(row)
        if value is None:
            return ""
        if self.kind in (Kind.NUMBER, Kind.SINGLE):
            return repr(float(value))
        return in_full(value) if self.kind is Kind.TEXT else self.text(row)


FORMULA = r"'*[=+\-@\t\r]"  # how a text begins that a spreadsheet may compute, or that may be taken for a guarded one


def no_formula(text: str) -> str:
    """Text that no spreadsheet computes: a name that begins like a formula has an apostrophe before it."""
    return f"'{text}" if re.match(FORMULA, text) else text


def unguarded(text: str) -> str:
    """The text that `no_formula` was given."""
    return text[1:] if re.match(f"'{FORMULA}", text) else text


@dataclass(frozen=True)
class Table(Generic[Row]):
    """The columns of one kind of file; `version` rises when a column changes its meaning, its form or goes."""

    name: str
    version: int
    columns: tuple[Column[Row], ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.columns):
            raise ValueError(f"the table {self.name} has a column twice")

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def meanings(self) -> dict[str, str]:
        return {column.name: column.meaning for column in self.columns}

    @property
    def sql_kinds(self) -> dict[str, str]:
        return {column.name: column.kind.value for column in self.columns}

    @property
    def of_one(self) -> Table[Row]:
        """The same table where there is one source only."""
        return replace(self, columns=tuple(column for column in self.columns if not column.of_run))

    def __getitem__(self, name: str) -> Column[Row]:
        return self.columns[self.names.index(name)]

    def cells(self, row: Row) -> list[str]:
        return [column.text(row) for column in self.columns]

    def exact_cells(self, row: Row) -> list[str]:
        return [column.exact(row) for column in self.columns]

    def values(self, row: Row) -> dict[str, Any]:
        return {column.name: column.value(row) for column in self.columns}

    def metadata(self, version: str) -> Mapping[str, str]:
        """What a Parquet file says of itself; `version` is the program's."""
        return {
            "crowdmask": version,
            "crowdmask.schema": self.name,
            "crowdmask.schema_version": str(self.version),
            **{f"crowdmask.column.{name}": meaning for name, meaning in self.meanings.items()},
        }


def in_full(value: Any) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)
