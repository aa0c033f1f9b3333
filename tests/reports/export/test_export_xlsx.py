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

    assert book.sheetnames == ["Connexions", "Par apprenant", "Par session", "Par mois"]
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


def test_the_totals_are_those_of_the_lines(published: Path, tmp_path: Path) -> None:
    """Of the lines that the filters leave: what is capped or overlaps counts as it is printed there."""
    book = workbook(published, tmp_path, ExportOptions(format="xlsx", language="fr"), users=["U99", "U100", "U7"])

    def rows(name: str) -> list[list[object]]:
        """Return the rows up to the total; times as minutes, the decimal hours as seconds."""
        found = []
        for *cells, spent, hours in book[name].iter_rows(min_row=2):
            minutes = round(to_excel(spent.value) * 1440)  # type: ignore[no-untyped-call]
            found.append([*(cell.value for cell in cells), minutes, round(float(str(hours.value)) * 3600, 6)])
            if cells[0].value == "Total":
                return found
        raise AssertionError(found)

    # Dupont and DUPONT are one name, so that the first names decide, and then the ids; c2 of U99 is open.
    assert rows("Par apprenant") == [
        ["DUPONT", "Anaïs", "anais.dupont@exemple.fr", "U99", 2, 5, 1, 151, 9060],
        ["Dupont", "anais", "a.dupont@exemple.fr", "U100", 1, 1, 0, 0, 0],
        ["Élan", "Zoé", "zoe@exemple.fr", "U7", 1, 1, 0, 144061, 8643660],
        ["Total", None, None, None, 2, 7, 1, 144212, 8652720],
    ]
    assert rows("Par session") == [
        ["Bureautique, automne", "S9", "Bureautique", 2, 5, 1, 144211, 8652660],
        ["Bureautique, automne", "S10", "Bureautique", 2, 2, 0, 1, 60],
        ["Total", None, None, 3, 7, 1, 144212, 8652720],
    ]
    # Local months: c6 began at 22:00 UTC on 24 October, which is the 25th.
    assert rows("Par mois") == [
        [cell_time(2026, 7, 1), 1, 1, 1, 0, 144061, 8643660],
        [cell_time(2026, 10, 1), 2, 2, 3, 1, 60, 3600],
        [cell_time(2026, 11, 1), 1, 2, 3, 0, 91, 5460],
        ["Total", 3, 2, 7, 1, 144212, 8652720],
    ]
    assert [book["Par mois"][cell].number_format for cell in ("A2", "F2", "G2")] == ["mm/yyyy", "[hh]:mm", "#,##0.00"]


def test_each_sheet_prints_on_landscape_pages_that_say_its_filters(published: Path, tmp_path: Path) -> None:
    book = workbook(
        published, tmp_path, ExportOptions(format="xlsx", language="fr"),
        date_from="2026-10-01", groups=["Région Nord"], where=["=1+1==2", "Email=\tperso", "Site=Lille", "Site=@"],
    )  # fmt: skip

    for sheet in book.worksheets:
        assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
        # One page wide, which is the default of a sheet that is fitted, and any number high.
        assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (None, 0)
        assert sheet.sheet_properties.pageSetUpPr is not None
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert sheet.print_title_rows == "$1:$1"
        assert sheet.oddFooter is not None
        left, right = str(sheet.oddFooter.left.text), sheet.oddFooter.right.text
        assert " ".join(left.split()) == (
            "Filtres : Connexions à partir du 01/10/2026 ; Groupes, sous-groupes compris : Région Nord ; Valeurs de "
            "champs personnalisés : =1+1==2, Email= perso, Site=Lille, Site=@"
        )
        assert right == "Données au 10/11/2026 07:00\nPage &P / &N"


def test_a_foot_names_the_fields_that_a_page_asks_for_by_id(published: Path, tmp_path: Path) -> None:
    book = workbook(published, tmp_path, where=["CF5=Lille", "CF4=2025-09-01"], custom_fields=["CF5"], by_id=True)

    foot = book.worksheets[0].oddFooter
    assert foot is not None
    told = "Filters: Values of custom fields: Site=Lille, Entrée=2025-09-01; Custom fields shown: Site"
    assert " ".join(str(foot.left.text).split()) == told


def test_a_foot_holds_no_code_of_a_filter_and_no_more_than_excel_takes(tmp_path: Path, published_sql: str) -> None:
    name = "R&D &P \x01 _x0041_ 😀"
    names = [f"{number} {'x' * 40}" for number in range(9)]
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(published_sql)
        connection.executemany("insert into dim_groups values (?, ?, null)", [[one, one] for one in [name, *names]])

    for groups in ([name], [name, *names]):
        workbook(warehouse, tmp_path, groups=groups)
        with ZipFile(tmp_path / "export.xlsx") as content:
            sheet = content.read("xl/worksheets/sheet1.xml").decode()
        foot = sheet.partition("<oddFooter>")[2].partition("</oddFooter>")[0].replace("&amp;", "&")
        assert "R&&D &&P   _x005F_x0041_ 😀" in foot
        assert len(foot.encode("utf-16-le")) // 2 <= 255
        assert ("…" in foot) == (len(groups) > 1)
        assert foot.endswith("\nPage &P / &N")


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

    lines = book.worksheets[:3]
    assert [sheet.title for sheet in lines] == ["Connections", "Connections 2", "Connections 3"]
    assert [sheet.max_row for sheet in lines] == [5, 5, 2]
    assert [sheet.auto_filter.ref for sheet in lines] == ["A1:S5", "A1:S5", "A1:S2"]
    assert [sheet["A1"].value for sheet in lines] == ["Last name"] * 3
    courses = [row[15].value for sheet in lines for row in sheet.iter_rows(min_row=2)]
    assert courses == ["Excel", "Excel", "Excel", "Word", "Excel", "Excel", "Excel", "-Oral", "Excel"]
    # Five learners and their total: as many rows as two sheets hold, and no filter takes the total for a learner.
    assert book.sheetnames[3:] == ["By learner", "By learner 2", "By session", "By month", "By month 2"]
    assert [sheet.auto_filter.ref for sheet in book.worksheets[3:5]] == ["A1:I5", "A1:I2"]
    assert [row[0].value for row in book.worksheets[4].iter_rows(min_row=2, max_row=3)] == [None, "Total"]


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
