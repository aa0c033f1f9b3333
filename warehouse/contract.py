"""The raw contract as Python sees it; it stands once, in `models/staging/_raw__sources.yml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import yaml

from warehouse.project import PROJECT_DIR

SOURCES_FILE = PROJECT_DIR / "models" / "staging" / "_raw__sources.yml"


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
        return self.delivery == "growing"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def required_columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.is_required)


@cache
def raw_tables() -> dict[str, RawTable]:
    """Return the tables of the raw contract by name, in the contract's order."""
    source = yaml.safe_load(SOURCES_FILE.read_text(encoding="utf-8"))["sources"][0]
    tables = {}
    for table in source["tables"]:
        meta = table.get("config", {}).get("meta", {})
        if "delivery" not in meta:  # what the loader adds beside the delivered tables
            continue
        columns = tuple(
            RawColumn(column["name"], column["config"]["meta"]["kind"], column["config"]["meta"].get("is_required", False))
            for column in table["columns"]
            if "config" in column
        )
        tables[table["name"]] = RawTable(
            table["name"], meta["delivery"], meta["presence"], meta.get("keeps_gone", False), columns
        )
    return tables
