"""Names and texts as SQL, whatever they hold, where a bound parameter cannot stand; and what a query gives, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


def quoted_identifier(name: str) -> str:
    """Return `name` as one SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted_literal(text: object) -> str:
    """Return the text of `text` as one SQL string."""
    return "'" + str(text).replace("'", "''") + "'"


def rows_of(
    db: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a query, each by the names of its columns."""
    cursor = db.execute(query, dict(parameters or {}))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
