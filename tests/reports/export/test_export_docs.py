"""docs/export.md against the code."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from reports.export.checks import DESCRIPTIONS
from reports.export.columns import COLUMNS_AFTER_FIELDS, COLUMNS_BEFORE_FIELDS, PARQUET_COLUMNS, Kind
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from reports.export.writers import Format
from reports.export.writers.csv import Dialect
from warehouse.contract import raw_tables

Export = Callable[..., str]

DOCUMENT = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
KIND_WORDS = {
    Kind.TEXT: ("text", "texte"),
    Kind.TEXTS: ("text", "texte"),
    Kind.INSTANT: ("local time", "heure locale"),
    Kind.DURATION_MINUTES: ("duration", "durée"),
}
FIXED = COLUMNS_BEFORE_FIELDS + COLUMNS_AFTER_FIELDS
FIELDS_ROW = len(COLUMNS_BEFORE_FIELDS)


def table(section: str) -> list[list[str]]:
    """Return the cells of the first table under the heading `section`, its two head lines left out."""
    lines = DOCUMENT.split(f"## {section}\n")[1].split("\n## ")[0].splitlines()
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_columns_are_those_of_the_code_in_both_languages() -> None:
    english = [(en, fr, name.strip("`"), value) for en, fr, name, _, _, value, _ in table("Columns")]
    french = [(en, fr, name.strip("`"), value) for fr, en, name, _, _, value, _ in table("Les colonnes")]

    for place, documented in enumerate((english, french)):
        fields = documented.pop(FIELDS_ROW)
        assert fields[2] == "dim_custom_fields.column_name"
        assert documented == [
            (column.header_en, column.header_fr, column.name, KIND_WORDS[column.kind][place]) for column in FIXED
        ]


def test_the_sources_are_columns_of_the_raw_contract() -> None:
    tables = raw_tables()
    for section in ("Columns", "Les colonnes"):
        for row in table(section):
            for source in re.findall(r"`(\w+)\.(\w+)`", row[3]):
                assert source[1] in tables[source[0]].column_names, source


def test_the_examples_are_one_line_of_a_file(export: Export) -> None:
    text = export(ExportOptions(dialect="rfc4180"), users=["U99"], custom_fields=["Entrée"])

    lines = list(csv.reader(io.StringIO(text, newline="")))
    assert [row[6] for row in table("Columns")] in lines
    assert [row[6] for row in table("Les colonnes")] in lines


def test_the_formats_and_checks_are_those_of_the_code() -> None:
    formats = [row[0] for row in table("Formats")]
    assert set(formats) == set(get_args(Format))
    assert {row[1].split("`")[1] for row in table("Formats") if row[0] == "csv"} == set(get_args(Dialect))
    assert {row[0].strip("`"): row[1] for row in table("Checks")} == DESCRIPTIONS
    extra = DOCUMENT.split("**parquet**")[1].split("```")[0]
    for column in PARQUET_COLUMNS:
        assert f"`{column.name}`" in extra


def test_the_filters_are_those_of_the_code() -> None:
    documented = [name.strip("` ") for row in table("Filters") for name in row[0].split(",")]

    assert sorted(documented) == sorted(ExportFilters.model_fields)


def test_the_keys_of_the_json_are_those_of_the_code(published: Path, tmp_path: Path) -> None:
    summary = write_export(published, tmp_path / "export.csv", ExportFilters(), ExportOptions())

    documented = [name.strip("` ") for row in table("The JSON beside the file") for name in row[0].split(",")]
    assert documented == list(json.loads(summary.json_path.read_text(encoding="utf-8")))
