"""One writer per file format, all with the same face."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb

from reports.export.columns import Column, Language


@dataclass(frozen=True)
class Rows:
    """What a file holds: `count` rows of `columns` over `source` (a from and a where clause), ordered by `order_by`."""

    columns: tuple[Column, ...]
    source: str
    order_by: str
    parameters: dict[str, object]
    count: int


class Writer(Protocol):
    """Writes rows of the published warehouse into one file."""

    def write(self, connection: duckdb.DuckDBPyConnection, rows: Rows, language: Language, target: Path) -> None:
        """Write all of `rows` to `target`, with headers in `language`."""
