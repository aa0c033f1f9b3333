"""Raw folders of a few rows, and what the readers make of one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.contract import raw_tables
from warehouse.readers import FileReading, ReadSettings, read_file

Rows = list[dict[str, Any]]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[FileReading, Rows]]:
    """Write bytes under a name, read them as a table, and return the reading and the archive's rows by line."""

    def read_bytes(
        table: str, name: str, content: bytes, settings: ReadSettings | None = None
    ) -> tuple[FileReading, Rows]:
        source, target = tmp_path / name, tmp_path / "archived.parquet"
        source.write_bytes(content)
        reading = read_file(source, raw_tables()[table], name, target, settings)
        relation = duckdb.sql(f"from read_parquet('{target}') order by line")
        return reading, [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]

    return read_bytes
