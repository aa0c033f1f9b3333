"""A small published warehouse, whose every printed cell is worked out by hand in the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export

Export = Callable[..., str]


@pytest.fixture(scope="session")
def published_sql() -> str:
    return (Path(__file__).parent / "published.sql").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def published(published_sql: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "opco.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(published_sql)
    return path


@pytest.fixture
def export(published: Path, tmp_path: Path) -> Export:
    """Write an export of the small warehouse and return the file's text, line ends as they are."""

    def write(options: ExportOptions | None = None, **filters: object) -> str:
        output = tmp_path / "export.csv"
        write_export(published, output, ExportFilters.model_validate(filters), options or ExportOptions())
        return output.read_bytes().decode()

    return write
