"""Workbooks opened by LibreOffice and converted back: what a person sees there is what the CSV says."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from reports.export import write as write_module
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from reports.export.writers.xlsx import XlsxWriter
from tests.reports.export.hostile import hostile_warehouse

# LibreOffice's filter options: comma, quote, UTF-8, from the first line, texts unquoted, cells as shown, every sheet.
AS_SHOWN = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,true,false,false,-1"
PUBLISHED = (Path(__file__).parents[1] / "reports" / "export" / "published.sql").read_text(encoding="utf-8")

Table = list[list[str]]
Convert = Callable[[Path], dict[str, Table]]


@pytest.fixture(scope="module")
def convert(tmp_path_factory: pytest.TempPathFactory) -> Convert:
    """Open a workbook in LibreOffice and return what each of its sheets shows."""
    soffice = shutil.which("soffice")
    if soffice is None:
        pytest.fail("There is no LibreOffice here: run make acceptance, which installs it.")
    profile = tmp_path_factory.mktemp("profile")

    def as_shown(workbook: Path) -> dict[str, Table]:
        folder = tmp_path_factory.mktemp("converted")
        subprocess.run(
            [soffice, "--headless", f"-env:UserInstallation={profile.as_uri()}", "--convert-to", AS_SHOWN,
             "--outdir", str(folder), str(workbook)],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip
        sheets = {}
        for path in folder.iterdir():
            with path.open(encoding="utf-8", newline="") as file:
                sheets[path.stem.removeprefix(f"{workbook.stem}-")] = list(csv.reader(file))
        return sheets

    return as_shown


def unguarded(cell: str) -> str:
    """Return a CSV cell without the apostrophe that keeps a spreadsheet from running it: XLSX needs none."""
    return cell[1:] if cell.startswith(tuple(f"'{start}" for start in "=+-@\t\r")) else cell


def as_csv(warehouse: Path, folder: Path) -> Table:
    options = ExportOptions(dialect="rfc4180", language="fr")
    write_export(warehouse, folder / "export.csv", ExportFilters(), options)
    with (folder / "export.csv").open(encoding="utf-8", newline="") as file:
        # A line break inside a cell is LF in LibreOffice.
        return [[unguarded(cell).replace("\r\n", "\n") for cell in record] for record in csv.reader(file)]


def as_workbook(warehouse: Path, folder: Path) -> Path:
    write_export(warehouse, folder / "export.xlsx", ExportFilters(), ExportOptions(format="xlsx", language="fr"))
    return folder / "export.xlsx"


def test_what_libreoffice_shows_is_what_the_csv_says(tmp_path: Path, convert: Convert) -> None:
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(PUBLISHED)

    sheet = convert(as_workbook(warehouse, tmp_path))["Connexions"]

    expected = as_csv(warehouse, tmp_path)
    # A hundred days read as hours and minutes, as near as a cell's format allows.
    assert expected[7][-1] == "100:01:01"
    expected[7][-1] = "2401:01"
    # A carriage return alone is shown as a line break.
    expected[8][9] = "seul\nretour"
    assert [[cell.replace("\r", "\n") for cell in row] for row in sheet] == expected


def test_hostile_texts_survive_and_do_not_run(tmp_path: Path, convert: Convert) -> None:
    warehouse = hostile_warehouse(tmp_path / "opco.duckdb", PUBLISHED)

    sheet = convert(as_workbook(warehouse, tmp_path))["Connexions"]

    expected = as_csv(warehouse, tmp_path)
    assert [row[3:13] for row in sheet[:2]] == [row[3:13] for row in expected[:2]]


def test_times_and_totals_add_up_in_libreoffice(tmp_path: Path, convert: Convert) -> None:
    import openpyxl
    from openpyxl.utils import get_column_letter

    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(PUBLISHED)
        minutes = connection.execute("select sum(time_spent_minutes) from fct_opco_connections").fetchall()[0][0]
    book = openpyxl.load_workbook(as_workbook(warehouse, tmp_path))
    sheet = book.worksheets[0]
    sheet["S11"] = "=SUM(S2:S10)"
    sheet["S11"].number_format = sheet["S2"].number_format
    sheet["R11"] = "=ROUND(SUM(S2:S10)*1440,6)"
    totals = {}
    for sheet in book.worksheets[1:]:
        titles = [cell.value for cell in sheet[1]]
        last = [cell.value for (cell,) in sheet["A1:A20"]].index("Total") + 1
        totals[sheet.title] = last
        place = last + 10
        for title, unit in (("Temps passé (h:mm)", 86400), ("Temps passé (heures)", 3600)):
            letters = get_column_letter(titles.index(title) + 1)
            for rows in (f"{letters}2:{letters}{last - 1}", f"{letters}{last}"):
                sheet[f"A{place}"] = f"=ROUND(SUM({rows})*{unit},3)"
                place += 1
    book.save(tmp_path / "summed.xlsx")

    shown = convert(tmp_path / "summed.xlsx")

    assert shown["Connexions"][10][17] == str(minutes)
    assert shown["Connexions"][10][18] == f"{minutes // 60}:{minutes % 60:02d}"
    # To the second: the rows of each sheet, and its total, as times and as decimal hours.
    assert totals == {"Par apprenant": 7, "Par session": 5, "Par mois": 6}
    for name, last in totals.items():
        assert [row[0] for row in shown[name][last + 9 : last + 13]] == [str(minutes * 60)] * 4, name
        assert shown[name][last - 1][-2] == f"{minutes // 60}:{minutes % 60:02d}"
        assert shown[name][last - 1][-1] == f"{minutes / 60:,.2f}"


def test_every_sheet_opens(tmp_path: Path, convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = tmp_path / "opco.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(PUBLISHED)
    monkeypatch.setattr(write_module, "XlsxWriter", lambda: XlsxWriter(lines_a_sheet=4))

    sheets = convert(as_workbook(warehouse, tmp_path))

    lines = {name: len(rows) for name, rows in sheets.items() if name.startswith("Connexions")}
    assert lines == {"Connexions": 5, "Connexions 2": 5, "Connexions 3": 2}
    assert len(sheets) == 3 + 2 + 1 + 2
