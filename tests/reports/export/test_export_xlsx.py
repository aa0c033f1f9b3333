"""The workbook (E), read back with openpyxl."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path
from zipfile import ZipFile

import duckdb
import openpyxl
import pytest
from openpyxl.utils.datetime import to_excel
from openpyxl.utils.escape import unescape
from openpyxl.workbook import Workbook

from reports.export import write as write_module
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from reports.export.writers.xlsx import XlsxWriter
from tests.reports.export.hostile import TITLES, VALUES, hostile_warehouse
from tests.wide_learners import learners_follow_the_fact

XLSX = ExportOptions(format="xlsx")


def cell_time(*parts: int) -> datetime:
    """Return a date and time as a cell holds it: without a time zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def workbook(warehouse: Path, folder: Path, options: ExportOptions = XLSX, **filters: object) -> Workbook:
    write_export(warehouse, folder / "export.xlsx", ExportFilters.model_validate(filters), options)
    return openpyxl.load_workbook(folder / "export.xlsx")


def test_cells_are_typed_and_the_header_is_frozen_and_filters(published: Path, tmp_path: Path) -> None:
    book = workbook(published, tmp_path, ExportOptions(format="xlsx", language="fr"), users=["U99"])
    sheet = book.worksheets[0]

    assert book.sheetnames == ["Connexions"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:S6"
    assert [cell.value for cell in sheet[1]][:4] == ["Nom", "Prénom", "E-mail", "=1+1"]
    assert [cell.value for cell in sheet[2]] == [
        "DUPONT", "Anaïs", "anais.dupont@exemple.fr", None, "D-1", None, cell_time(2025, 9, 1), "Lille", None, None,
        "apprenti, Équipe 2", "Bureautique, automne", "S9", "Bureautique", "T1", "Excel",
        cell_time(2026, 10, 25, 2, 30), cell_time(2026, 10, 25, 2, 30), time(1),
    ]  # fmt: skip
    assert [sheet.cell(2, column).number_format for column in (7, 17, 18, 19)] == [
        "dd/mm/yyyy",
        "dd/mm/yyyy hh:mm",
        "dd/mm/yyyy hh:mm",
        '[<1]"00":hh:mm;[<2]"01":hh:mm;[hh]:mm',
    ]
    # Open: neither an end nor a time.
    assert [cell.value for cell in sheet[3]][16:] == [cell_time(2026, 10, 25, 23, 59), None, None]
    assert sheet.column_dimensions["C"].width > len("anais.dupont@exemple.fr")


def test_a_hundred_days_add_up(published: Path, tmp_path: Path) -> None:
    sheet = workbook(published, tmp_path, users=["U7", "U8"]).worksheets[0]

    # Days, as Excel counts and adds them.
    days = [to_excel(sheet[cell].value) for cell in ("S2", "S3")]  # type: ignore[no-untyped-call]
    assert days == pytest.approx([100 + 61 / 1440, 2 / 1440])


def test_a_day_that_excel_does_not_know_is_a_text(published: Path, tmp_path: Path) -> None:
    sheet = workbook(published, tmp_path, users=["U8"]).worksheets[0]

    assert (sheet["G2"].value, sheet["G2"].data_type) == ("02/01/0987", "s")


def test_no_text_runs_or_changes(tmp_path: Path, published_sql: str) -> None:
    warehouse = hostile_warehouse(tmp_path / "opco.duckdb", published_sql)

    sheet = workbook(warehouse, tmp_path).worksheets[0]

    header = [unescape(str(cell.value)) for cell in sheet[1]][3 : 3 + len(TITLES)]
    assert header == list(TITLES)
    for row in sheet.iter_rows(min_row=2):
        assert [unescape(str(cell.value)) for cell in row[3 : 3 + len(VALUES)]] == list(VALUES)
        assert {cell.data_type for cell in row[: 3 + len(VALUES)] if cell.value is not None} == {"s"}
    with ZipFile(tmp_path / "export.xlsx") as content:
        assert b"<f>" not in content.read("xl/worksheets/sheet1.xml")


def test_lines_go_on_on_further_sheets(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_module, "XlsxWriter", lambda: XlsxWriter(lines_a_sheet=4))

    book = workbook(published, tmp_path)

    assert book.sheetnames == ["Connections", "Connections 2", "Connections 3"]
    assert [sheet.max_row for sheet in book.worksheets] == [5, 5, 2]
    assert [sheet.auto_filter.ref for sheet in book.worksheets] == ["A1:S5", "A1:S5", "A1:S2"]
    assert [sheet["A1"].value for sheet in book.worksheets] == ["Last name"] * 3
    courses = [row[15].value for sheet in book.worksheets for row in sheet.iter_rows(min_row=2)]
    assert courses == ["Excel", "Excel", "Excel", "Word", "Excel", "Excel", "Excel", "-Oral", "Excel"]


def test_a_text_too_long_for_a_cell_is_cut_and_listed(tmp_path: Path, published_sql: str) -> None:
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        for user_id, text in (("U7", "é" * 32_768), ("U8", "x" * 32_767), ("U9", "😀" * 20_000)):
            connection.execute(
                "update fct_opco_connections set additional_information = $text where user_id = $user_id",
                {"text": text, "user_id": user_id},
            )
        learners_follow_the_fact(connection)

    summary = write_export(warehouse, tmp_path / "export.xlsx", ExportFilters(), XLSX)

    sheet = openpyxl.load_workbook(tmp_path / "export.xlsx").worksheets[0]
    assert sheet["J8"].value == "é" * 32_767
    assert sheet["J9"].value == "x" * 32_767
    # Each emoji counts twice in Excel.
    assert 0 < len(str(sheet["J10"].value)) <= 16_383
    assert set(str(sheet["J10"].value)) == {"😀"}
    assert summary.cut_cells == 2
    assert '"cell": "J8",\n      "header": "Additional information",\n      "characters": 32768' in (
        summary.json_path.read_text(encoding="utf-8")
    )
    assert '"cell": "J10",\n      "header": "Additional information",\n      "characters": 40000' in (
        summary.json_path.read_text(encoding="utf-8")
    )


def test_without_a_line_the_header_stands_alone(published: Path, tmp_path: Path) -> None:
    sheet = workbook(published, tmp_path, users=["U10"]).worksheets[0]

    assert [row[0].value for row in sheet.iter_rows()] == ["Last name"]


def test_the_same_warehouse_gives_the_same_bytes(published: Path, tmp_path: Path) -> None:
    written = [
        write_export(published, tmp_path / folder / "export.xlsx", ExportFilters(), XLSX).sha256
        for folder in ("one", "two")
    ]

    assert written[0] == written[1]
    assert [path.name for path in (tmp_path / "one").iterdir()] in (
        ["export.xlsx", "export.xlsx.json"],
        ["export.xlsx.json", "export.xlsx"],
    )
