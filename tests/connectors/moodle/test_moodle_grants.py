"""The statements that docs/moodle.md gives to type grant what a pull reads, and nothing else."""

from __future__ import annotations

import re

import pytest

from connectors.moodle.schema import TABLES
from warehouse.project import PROJECT_DIR

TEXT = (PROJECT_DIR / "docs" / "moodle.md").read_text(encoding="utf-8")


def granted(engine: str) -> dict[str, set[str] | None]:
    """Return the tables that an engine's statements grant, without prefix; their columns where these are said."""
    start = TEXT.index("PostgreSQL, connected to" if engine == "postgresql" else "MariaDB and MySQL (`moodle`")
    statements = re.findall(
        r"GRANT SELECT(?: \(([^)]*)\))? ON (.+?) TO ", TEXT[start:].partition("```sql")[2].partition("```")[0]
    )
    return {
        table.removeprefix("moodle.").removeprefix("mdl_"): set(columns.split(", ")) if columns else None
        for columns, tables in statements
        for table in tables.split(", ")
    }


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_the_statements_to_type_are_those_that_a_pull_needs(engine: str) -> None:
    found = granted(engine)
    assert found.keys() == TABLES.keys()
    assert {table: columns for table, columns in found.items() if columns} == {"user": set(TABLES["user"].columns)}
    assert not {"password", "secret"} & set(TABLES["user"].columns)
