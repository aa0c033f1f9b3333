"""A custom field may bear any name that the export's own SQL makes: the names are taken from the SQL as it runs."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pyarrow.parquet as pq
import pytest

from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from tests.wide_learners import learners_follow_the_fact
from warehouse.published import open_published

FORMATS = ("csv", "xlsx", "parquet")


class Recorder:
    """A connection that keeps the text of every statement."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.said: list[str] = []

    def execute(self, query: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        self.said.append(query)
        return self.connection.execute(query, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)


def export(warehouse: Path, folder: Path, format_: str) -> Path:
    options = ExportOptions(format=format_, dialect="rfc4180")  # type: ignore[arg-type]
    return write_export(warehouse, folder / f"export.{format_}", ExportFilters(), options).path


@pytest.fixture
def titles(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every name in the SQL of an export in each format, but those of the fixed columns."""
    recorders: list[Recorder] = []

    def recorded(path: Path) -> Recorder:
        recorders.append(Recorder(open_published(path)))
        return recorders[-1]

    with monkeypatch.context() as patched:
        patched.setattr("reports.export.write.open_published", recorded)
        for format_ in FORMATS:
            export(published, tmp_path, format_)
    said = "\n".join(query for recorder in recorders for query in recorder.said)
    names = re.findall(r"[A-Za-z_]\w*|\"[^\"\n]+\"", re.sub(r"'[^']*'", " ", said))
    # What stands in quotes may begin with a blank; a title does not. Of numbered names the first two will do.
    words = {word.strip('"').strip() for word in names if not re.search(r"_([2-9]|\d\d+)$", word)}
    assert {"row_id", "connected_at_local", "disconnected_at_local", "learner_rank", "part_0", "fact"} <= words
    with duckdb.connect(str(published), read_only=True) as connection:
        fixed = {column for (column, *_) in connection.execute("describe fct_opco_connections").fetchall()}
    taken = {name.lower() for name in fixed} | {"rowid"}
    return sorted({word.lower(): word for word in words if word.lower() not in taken}.values())


def test_every_name_of_ours_may_be_a_title(
    published_sql: str, tmp_path: Path, titles: list[str], every_cell: Callable[[Path], list[list[str]]]
) -> None:
    warehouse = tmp_path / "titled.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        connection.execute("delete from dim_custom_fields")
        connection.executemany(
            "insert into dim_custom_fields values (?, ?, 'string', ?, ?)",
            [(f"H{place}", title, title, place) for place, title in enumerate(titles)],
        )
        columns = ", ".join(f"user_id || ' {place}' as \"{title}\"" for place, title in enumerate(titles))
        connection.execute(
            f"create or replace table fct_opco_connections as select *, {columns} from fct_opco_connections"
        )
        learners_follow_the_fact(connection)
        learners = connection.execute("select user_id from fct_opco_connections order by 1").fetchall()
    expected = sorted([f"{user_id} {place}" for place in range(len(titles))] for (user_id,) in learners)
    for format_ in FORMATS:
        lines = every_cell(export(warehouse, tmp_path, format_))
        assert sorted(line[3 : 3 + len(titles)] for line in lines) == expected, format_


@pytest.fixture
def every_cell() -> Callable[[Path], list[list[str]]]:
    """Return the texts of a file's lines, without the header."""

    def read(path: Path) -> list[list[str]]:
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                return list(csv.reader(file, strict=True))[1:]
        if path.suffix == ".xlsx":
            rows = openpyxl.load_workbook(path).worksheets[0].iter_rows(2)
            return [[str(cell.value) for cell in row] for row in rows]
        columns = [column.to_pylist() for column in pq.read_table(path).columns]
        return [list(map(str, row)) for row in zip(*columns, strict=True)]

    return read
