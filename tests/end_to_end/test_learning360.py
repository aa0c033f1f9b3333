"""An export of connections alone makes a home, which exports the same lines again."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Opco, result_of
from tests.connectors.opca_exports import ENGLISH, KARIM, stay, write_export

pytestmark = pytest.mark.xdist_group("demo")


def lines_of(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head, *lines = csv.reader(file, delimiter=";")
    return head, sorted(lines)


def exported_again(home: Path, opco: Opco) -> Path:
    """Pull the exports that lie in a home, build, and export."""
    (home / "opco.toml").write_text("[sources.360learning]\n", encoding="utf-8")
    result_of(opco("pull", "360learning", "--json", home=home))
    result_of(opco("build", "--as-of", "2026-11-10T18:00:00Z", "--json", home=home))
    output = home / "again.csv"
    result_of(opco("export", "--output", output, "--json", home=home))
    return output


def test_an_export_that_is_imported_exports_the_same_lines(demo_home: Path, tmp_path: Path, opco: Opco) -> None:
    exported = tmp_path / "imports/360learning/demo.csv"
    exported.parent.mkdir(parents=True)
    result_of(opco("export", "--output", exported, "--json", home=demo_home))
    head, lines = lines_of(exported)
    # An account that was deleted with its name and its address is nobody's any more.
    nobodys = [line for line in lines if line[2] == ""]
    assert {tuple(line[:3]) for line in nobodys} == {("", "", "")}
    again_head, again = lines_of(exported_again(tmp_path, opco))
    assert again_head == head
    assert again == [line for line in lines if line not in nobodys]
    assert len(again) > 800
    # Among them what is easily lost: line breaks, quotes, a telephone number behind its apostrophe, an open stay, both
    # passes of the hour that exists twice.
    cells = {cell for line in again for cell in line}
    assert any("\n" in cell for cell in cells)
    assert any('"' in cell for cell in cells)
    assert any(cell.startswith("'+33") for cell in cells)
    assert any(line[-2] == "" for line in again)
    assert [line[-1] for line in again if line[-3:-1] == ["25/10/2026 02:31", "25/10/2026 02:15"]] == ["00:00:44"]


def test_what_a_file_has_twice_is_exported_twice(tmp_path: Path, opco: Opco) -> None:
    """Two fields of one title, two stays in one minute, people in two sessions, cells of every kind."""
    fields = ("'=SOMME", "Équipe", "Équipe", "N° « dossier »")
    mine: dict[str, Any] = {
        "fields": ("'-1", "A;\r\nB", 'dit "C"', ""),
        "labels": "Équipe 2, Été",
        "information": "'@moi\nsuite",
    }
    other: dict[str, Any] = {"fields": ("", "B", "", "d’œuvre"), "who": KARIM, "labels": "Été"}
    lines = [
        stay("13/10/2026 14:05", "13/10/2026 14:05", "00:00:00", **mine),
        stay("13/10/2026 14:05", "13/10/2026 14:05", "00:00:00", **mine),
        stay("13/10/2026 14:05", "13/10/2026 14:25", "00:00:20", **mine),
        stay("14/10/2026 14:05", "15/10/2026 15:06", "01:01:01", **mine, session=("Excel, mai", "S-2")),
        stay("14/10/2026 14:05", "14/10/2026 15:06", "00:01:01", **other),
        stay("15/10/2026 14:05", "", "", **other, course="Graphiques"),
    ]
    given = write_export(tmp_path / "imports/360learning", *lines, fields=fields)
    again = exported_again(tmp_path, opco)
    assert lines_of(again) == lines_of(given)
    assert lines_of(again)[0] == [*ENGLISH[0], *fields, *ENGLISH[1]]
