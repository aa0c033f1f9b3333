"""docs/export.md against the code."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

from reports.export import ExportFilters, ExportOptions, write_export
from reports.export.columns import COLUMNS_AFTER_FIELDS, COLUMNS_BEFORE_FIELDS, Kind

Export = Callable[..., str]

DOCUMENT = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
KIND_WORDS = {
    Kind.TEXT: "text",
    Kind.TEXTS: "text",
    Kind.DATE: "date",
    Kind.INSTANT: "local time",
    Kind.DURATION_MINUTES: "duration",
}


def table(section: str) -> list[list[str]]:
    """Return the cells of the first table under the heading `section`, its two head lines left out."""
    lines = DOCUMENT.split(f"## {section}\n")[1].split("\n## ")[0].splitlines()
    rows = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_columns_are_those_of_the_code() -> None:
    documented = [(en, fr, name.strip("`"), value) for en, fr, name, value, _ in table("Columns")]
    fixed = [
        (column.header_en, column.header_fr, column.name, KIND_WORDS[column.kind])
        for column in COLUMNS_BEFORE_FIELDS + COLUMNS_AFTER_FIELDS
    ]

    assert documented[:3] == fixed[:3]
    assert documented[4:] == fixed[3:]
    assert documented[3][0] == "*one column per custom field*"


def test_the_examples_are_one_line_of_a_file(export: Export) -> None:
    text = export(ExportOptions(dialect="rfc4180"), users=["U99"], custom_fields=["Entrée"])

    examples = [row[4] for row in table("Columns")]
    assert examples in list(csv.reader(io.StringIO(text, newline="")))


def test_the_filters_are_those_of_the_code() -> None:
    documented = [name.strip("` ") for row in table("Filters") for name in row[0].split(",")]

    assert documented == list(ExportFilters.model_fields)


def test_the_keys_of_the_json_are_those_of_the_code(published: Path, tmp_path: Path) -> None:
    summary = write_export(published, tmp_path / "export.csv", ExportFilters(), ExportOptions())

    documented = [name.strip("` ") for row in table("The JSON beside the file") for name in row[0].split(",")]
    assert documented == list(json.loads(summary.json_path.read_text(encoding="utf-8")))
