"""Parquet (E), read back with PyArrow and DuckDB."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from tests.reports.export.hostile import TITLES, VALUES, hostile_warehouse

PARQUET = ExportOptions(format="parquet")


def test_columns_are_typed_named_as_in_the_warehouse_and_followed_by_keys_and_proof(
    published: Path, tmp_path: Path
) -> None:
    write_export(published, tmp_path / "export.parquet", ExportFilters(custom_fields=("Site", "Entrée")), PARQUET)

    schema = pq.read_schema(tmp_path / "export.parquet")
    text, texts, instant = pa.string(), pa.list_(pa.string()), pa.timestamp("us", tz="UTC")
    assert list(zip(schema.names, schema.types, strict=True)) == [
        ("last_name", text), ("first_name", text), ("email", text), ("Entrée", pa.date32()), ("Site", text),
        ("Site_CF6", text), ("additional_information", text), ("labels", texts), ("session_name", text),
        ("session_id", text), ("program_template_name", text), ("program_template_id", text), ("course_name", text),
        ("connected_at", instant), ("disconnected_at", instant), ("time_spent_minutes", pa.int64()),
        ("connection_id", text), ("user_id", text), ("course_id", text), ("elapsed_seconds", pa.int64()),
        ("capped_seconds", pa.int64()), ("overlap_seconds", pa.int64()), ("retained_seconds", pa.int64()),
        ("evidence_level", text), ("end_kind", text), ("flags", texts),
    ]  # fmt: skip


def test_values_are_those_of_the_warehouse_in_the_order_of_the_file(published: Path, tmp_path: Path) -> None:
    write_export(published, tmp_path / "export.parquet", ExportFilters(), PARQUET)

    lines = pq.read_table(tmp_path / "export.parquet").to_pylist()

    assert [line["connection_id"] for line in lines] == ["c20", "c2", "c5", "c10", "c4", "c6", "c7", "c8", "c9"]
    first, formula = lines[0], lines[7]
    assert first["connected_at"] == datetime(2026, 10, 25, 0, 30, 10, tzinfo=UTC)
    assert (first["labels"], first["Entrée"], first["time_spent_minutes"]) == (
        ["apprenti", "Équipe 2"],
        date(2025, 9, 1),
        60,
    )
    assert lines[1]["disconnected_at"] is None
    # No spreadsheet runs a Parquet file: texts stay as they are.
    assert (formula["first_name"], formula["=1+1"]) == ('=HYPERLINK("x")', "=2")
    assert formula["connected_at"] == datetime(2026, 3, 29, 0, 59, 59, 999999, tzinfo=UTC)


def test_the_file_says_what_it_is(published: Path, tmp_path: Path) -> None:
    summary = write_export(published, tmp_path / "export.parquet", ExportFilters(sessions=("S10",)), PARQUET)

    metadata = duckdb.sql(
        f"select decode(value) from parquet_kv_metadata('{summary.path}') where decode(key) = 'opco'"
    ).fetchall()[0][0]
    answer = json.loads(metadata)
    beside = json.loads(summary.json_path.read_text(encoding="utf-8"))
    assert answer == {key: value for key, value in beside.items() if key in answer}
    assert set(beside) - set(answer) == {"file", "bytes", "sha256", "checks", "cut_cells"}
    assert {column["warehouse_column"]: column["header"] for column in answer["columns"]}["Site_CF6"] == "Site"
    field = pq.read_schema(summary.path).field("disconnected_at")
    assert field.metadata == {b"title_en": b"Disconnected", b"title_fr": "Déconnecté le".encode()}


def test_any_title_is_a_column(tmp_path: Path, published_sql: str) -> None:
    warehouse = hostile_warehouse(tmp_path / "opco.duckdb", published_sql)

    write_export(warehouse, tmp_path / "export.parquet", ExportFilters(), PARQUET)

    line = pq.read_table(tmp_path / "export.parquet").to_pylist()[0]
    assert [line[title] for title in TITLES] == list(VALUES)


def test_without_a_line_the_columns_stand_alone(published: Path, tmp_path: Path) -> None:
    summary = write_export(published, tmp_path / "export.parquet", ExportFilters(users=("U10",)), PARQUET)

    assert pq.read_metadata(summary.path).num_rows == 0
    assert len(pq.read_schema(summary.path)) == 29


def test_a_name_with_a_pattern_in_it_and_the_same_bytes_twice(published: Path, tmp_path: Path) -> None:
    written = {
        write_export(published, tmp_path / name, ExportFilters(), PARQUET).sha256
        for name in ("a[1]*.parquet", "b.parquet")
    }

    assert len(written) == 1
