"""The raw contract as Python sees it; it stands once, as a var in `dbt_project.yml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import yaml

from warehouse.project import PROJECT_DIR

DBT_PROJECT_FILE = PROJECT_DIR / "dbt_project.yml"


@dataclass(frozen=True)
class RawColumn:
    """A column that the contract lists; `kind` is id, text, instant, seconds, whole, pct, bool or list."""

    name: str
    kind: str
    is_required: bool


@dataclass(frozen=True)
class RawTable:
    """A table of the raw contract.

    `delivery` is snapshot or growing; `presence` is required, optional, or either (one of the tables so
    marked must have been delivered); `keeps_gone` says whether rows no longer delivered stay, marked gone.
    """

    name: str
    delivery: str
    presence: str
    keeps_gone: bool
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
def raw_tables() -> dict[str, RawTable]:
    """Return the tables of the raw contract by name, in the contract's order."""
    contract = yaml.safe_load(DBT_PROJECT_FILE.read_text(encoding="utf-8"))["vars"]["raw_contract"]
    return {
        name: RawTable(
            name,
            table["delivery"],
            table["presence"],
            table.get("keeps_gone", False),
            tuple(
                RawColumn(column, definition["kind"], definition.get("is_required", False))
                for column, definition in table["columns"].items()
            ),
        )
        for name, table in contract.items()
    }
