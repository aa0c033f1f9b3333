"""The pair of files, what the JSON says, and what goes wrong."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from warehouse.errors import OpcoError, UserError
from warehouse.published import open_published


def test_the_summary_and_the_json_say_what_the_file_is(published: Path, tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "export.csv"
    told: list[tuple[int, int, str]] = []

    summary = write_export(
        published,
        output,
        ExportFilters(date_from=date(2026, 10, 25), users=("U99",), custom_fields=("Site",)),
        ExportOptions(dialect="rfc4180", language="fr"),
        progress=lambda *step: told.append(step),
    )

    content = output.read_bytes()
    assert (summary.path, summary.json_path) == (output, output.with_name("export.csv.json"))
    assert (summary.rows, summary.learners, summary.sessions) == (5, 1, 2)
    assert (summary.bytes, summary.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (summary.build_id, summary.data_as_of) == ("20261110T060000Z-1", datetime(2026, 11, 10, 6, tzinfo=UTC))
    assert told == [(0, 5, "putting the lines in order"), (5, 5, ""), (5, 5, "reading the file back")]

    document = json.loads(summary.json_path.read_text(encoding="utf-8"))
    columns = document.pop("columns")
    versions = document.pop("versions")
    remarks = document.pop("remarks")
    assert document == {
        "file": "export.csv",
        "format": "csv",
        "dialect": "rfc4180",
        "language": "fr",
        "decimal_hours": False,
        "filters": {
            "date_from": "2026-10-25",
            "date_to": None,
            "users": ["U99"],
            "groups": [],
            "sessions": [],
            "session_ids": [],
            "where": [],
            "custom_fields": ["Site"],
            "by_id": False,
        },
        "rows": 5,
        "learners": 1,
        "sessions": 2,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "data_as_of": "2026-11-10T06:00:00Z",
        "last_activity_at": "2026-11-09T17:30:00Z",
        "build_id": "20261110T060000Z-1",
        "settings": {
            "inactivity_timeout_minutes": 15,
            "max_connection_minutes": None,
            "long_connection_minutes": 480,
            "raw_timezone": "UTC",
            "display_timezone": "Europe/Paris",
        },
        "checks": {"lines": "passed", "header": "passed", "values": "passed"},
        "cut_cells": [],
    }
    assert [column["header"] for column in columns[2:6]] == ["E-mail", "Site", "Site", "Informations complémentaires"]
    assert columns[4] == {
        "header": "Site",
        "warehouse_column": "Site_CF6",
        "kind": "text",
        "custom_field_id": "CF6",
    }
    assert versions["build"] == {"opco": "0.1.0", "dbt": "1.12.6", "duckdb": "1.5.6"}
    assert versions["export"]["duckdb"] == duckdb.__version__
    assert "overlaps and caps" in remarks["en"]
    assert "chevauchements et plafonds" in remarks["fr"]
    assert "adds up as 24 seconds" in remarks["en"]
    assert "compte pour 24 secondes" in remarks["fr"]


def test_only_of_a_csv_a_spreadsheet_makes_another_sum(published: Path, tmp_path: Path) -> None:
    for kind in ("xlsx", "parquet"):
        summary = write_export(published, tmp_path / f"export.{kind}", ExportFilters(), ExportOptions(format=kind))
        remarks = json.loads(summary.json_path.read_text(encoding="utf-8"))["remarks"]
        assert "24 seconds" not in remarks["en"]
        assert "24 secondes" not in remarks["fr"]


def test_the_same_warehouse_gives_the_same_bytes(published: Path, tmp_path: Path) -> None:
    written = []
    for folder in ("one", "two"):
        summary = write_export(published, tmp_path / folder / "export.csv", ExportFilters(), ExportOptions())
        written.append((summary.path.read_bytes(), summary.json_path.read_bytes()))

    assert written[0] == written[1]


def test_the_link_is_followed(published: Path, tmp_path: Path) -> None:
    link = tmp_path / "opco.duckdb"
    link.symlink_to(published)

    assert write_export(link, tmp_path / "export.csv", ExportFilters(), ExportOptions()).rows == 9


def test_a_failure_leaves_the_earlier_pair_alone(published: Path, tmp_path: Path, published_sql: str) -> None:
    output = tmp_path / "out" / "export.csv"
    write_export(published, output, ExportFilters(), ExportOptions())
    before = {path.name: path.read_bytes() for path in output.parent.iterdir()}
    broken = tmp_path / "broken.duckdb"
    with duckdb.connect(str(broken)) as connection:
        connection.execute(published_sql)
        # Found out only when the line is written.
        connection.execute("update warehouse_build set display_timezone = 'Nowhere/At-All'")

    with pytest.raises(OpcoError, match=r"export\.csv could not be written"):
        write_export(broken, output, ExportFilters(), ExportOptions())

    assert {path.name: path.read_bytes() for path in output.parent.iterdir()} == before
    assert set(before) == {"export.csv", "export.csv.json"}


def test_no_warehouse(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="opco build --raw FOLDER") as raised:
        write_export(tmp_path / "opco.duckdb", tmp_path / "export.csv", ExportFilters(), ExportOptions())

    assert raised.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_output(published: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        write_export(published, tmp_path, ExportFilters(), ExportOptions())


def test_the_warehouse_is_no_output(published: Path, tmp_path: Path) -> None:
    link = tmp_path / "opco.duckdb"
    link.symlink_to(published)

    with pytest.raises(UserError, match="is the published warehouse itself"):
        write_export(published, link, ExportFilters(), ExportOptions())


def test_a_file_where_the_folder_should_be(published: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OpcoError, match="could not be written"):
        write_export(published, tmp_path / "file" / "export.csv", ExportFilters(), ExportOptions())


def test_opening_what_is_no_duckdb_file(tmp_path: Path) -> None:
    path = tmp_path / "opco.duckdb"
    path.write_bytes(b"hello" * 5000)

    with pytest.raises(OpcoError, match=r"cannot be read: .*not a valid DuckDB database file") as raised:
        open_published(path)

    assert raised.value.exit_code == 1


def test_opening_a_file_that_another_program_writes(tmp_path: Path) -> None:
    path = tmp_path / "opco.duckdb"
    with duckdb.connect(str(path)), pytest.raises(OpcoError, match="holds it open for writing"):
        open_published(path)


def test_opening_a_duckdb_file_that_is_not_published(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    duckdb.connect(str(path)).close()

    with pytest.raises(UserError, match="no table warehouse_build"):
        open_published(path)


def test_opening_what_an_earlier_release_published(tmp_path: Path) -> None:
    path = tmp_path / "opco.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table warehouse_build as select '1' as build_id, 2 as rules_edition")
        connection.execute("create table load_balance (table_name varchar)")

    with pytest.raises(UserError, match=r"by an earlier release.*opco rebuild"):
        open_published(path)


def test_opening_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        open_published(tmp_path)


def test_the_published_file_is_opened_in_utc_and_for_reading(published: Path) -> None:
    with open_published(published) as connection:
        assert connection.execute("select current_setting('TimeZone')").fetchall() == [("UTC",)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("delete from dim_learners")


def test_a_replaced_link_is_followed_while_the_old_file_is_still_open(tmp_path: Path, published_sql: str) -> None:
    for build in ("old", "new"):
        with duckdb.connect(str(tmp_path / f"{build}.duckdb")) as connection:
            connection.execute(published_sql)
            connection.execute("update warehouse_build set build_id = ?", [build])
    link = tmp_path / "opco.duckdb"
    link.symlink_to("old.duckdb")

    with open_published(link) as before:
        link.unlink()
        link.symlink_to("new.duckdb")
        with open_published(link) as after:
            assert before.execute("select build_id from warehouse_build").fetchall() == [("old",)]
            assert after.execute("select build_id from warehouse_build").fetchall() == [("new",)]
