"""The raw contract as Python sees it; declared once, as a var in `dbt_project.yml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from warehouse.project import PROJECT_DIR

DBT_PROJECT_FILE = PROJECT_DIR / "dbt_project.yml"


@dataclass(frozen=True)
class RawColumn:
    """A column that the contract lists; `kind` is id, text, instant, day, seconds, whole, pct, bool or list."""

    name: str
    kind: str
    is_required: bool


@dataclass(frozen=True)
class RawTable:
    """A table of the raw contract.

    `delivery` is snapshot or growing; `presence` is required, optional, or either (one of the tables so
    marked must have been delivered).
    """

    name: str
    delivery: str
    presence: str
    columns: tuple[RawColumn, ...]

    @property
    def is_growing(self) -> bool:
        """Whether deliveries add to the table; else each replaces the last."""
        return self.delivery == "growing"

    @property
    def column_names(self) -> tuple[str, ...]:
        """The listed columns, in the contract's order."""
        return tuple(column.name for column in self.columns)

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The columns that every file must have."""
        return tuple(column.name for column in self.columns if column.is_required)


@cache
def project_vars() -> dict[str, Any]:
    """Return the vars of the dbt project: the rules' defaults, and the raw contract. Read once a process."""
    # The loader in C takes a tenth of the time.
    project = yaml.load(DBT_PROJECT_FILE.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    found: dict[str, Any] = project.get("vars", {})
    return found


@cache
def raw_tables() -> dict[str, RawTable]:
    """Return the tables of the raw contract by name, in the contract's order."""
    contract = project_vars()["raw_contract"]
    return {
        name: RawTable(
            name,
            table["delivery"],
            table["presence"],
            tuple(
                RawColumn(column, definition["kind"], definition.get("is_required", False))
                for column, definition in table["columns"].items()
            ),
        )
        for name, table in contract.items()
    }
