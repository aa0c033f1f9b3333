"""The search finds a learner in every kind of file that a home may hold, and nobody else."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from pathlib import Path

import duckdb
import openpyxl
import pytest

from warehouse.errors import OpcoError
from warehouse.forgotten import Identifiers
from warehouse.search import files_under, search

IDENTIFIERS = Identifiers(("zoé@exemple.fr", "O'Brien"), (("Zoé", "Martin"),))


def found(path: Path) -> dict[str, int]:
    return {one.place: one.rows for one in search([path], IDENTIFIERS)}


@pytest.mark.parametrize("text", ["Nom;O'BRIEN;x", "zoé\tMARTIN", '{"to": "zoé@exemple.fr"}', "x\nMartin, Zoé\ny"])
def test_text_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{text}\nnobody\n", encoding="utf-8")
    assert found(path) == {"": 1}
    with gzip.open(tmp_path / "a.gz", "wb") as stream:
        stream.write(path.read_bytes())
    assert found(tmp_path / "a.gz") == {"": 1}
    path.write_text(json.dumps([text]), encoding="utf-8")
    assert found(path) == {"": 1}


@pytest.mark.parametrize("text", ["O'Briens", "Zoé\nMartin", "azoé@exemple.fr", "Zoéline Martin"])
def test_nobody_else_is_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text, encoding="utf-8")
    assert found(path) == {}


def test_a_mark_is_found_across_the_pieces_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for before in (4 * 1024 * 1024 - 3, 9 * 1024 * 1024 - 5):
        path.write_bytes(b"\0" * before + b" O'Brien " + b"\0" * 3_000_000)
        assert found(path)[""] >= 1


def test_databases_are_asked_table_by_table(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("create schema s")
        database.execute("create table s.t as select 'Zoé' as first, 'Martin' as last, ['x', 'O''Brien'] as labels")
        database.execute("create table u as select 1 as n, 'nobody' as name")
    assert found(path)["s.t"] == 1
    assert not {"main.u"} & found(path).keys()
    parquet = tmp_path / "a.parquet"
    duckdb.execute(f"copy (select {{'a': 'O''Brien'}} as s, n from range(3) as r (n)) to '{parquet}'")
    assert found(parquet) == {"": 3}
    lite = tmp_path / "a.db"
    with sqlite3.connect(lite) as database:
        database.execute("create table e (body text, n integer)")
        database.execute("insert into e values (?, 1), ('nobody', 2)", [json.dumps({"name": "Zoé", "last": "Martin"})])
    assert found(lite)["e"] == 1


def test_packed_files_and_workbooks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Nom", "O'Brien"])  # type: ignore[union-attr]
    book.save(tmp_path / "a.xlsx")
    assert any(place.startswith("xl/") for place in found(tmp_path / "a.xlsx"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.write(tmp_path / "a.xlsx", "inner.xlsx")
        packed.writestr("nobody.txt", "nobody")
    assert all(place.startswith("inner.xlsx/") for place in found(tmp_path / "b.zip"))
    assert found(tmp_path / "b.zip")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b"\x1f\x8bbroken")
    with pytest.raises(OpcoError, match=r"a\.gz could not be searched"):
        found(path)


def test_files_are_found_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert list(files_under(tmp_path, tmp_path / "none", tmp_path / "a" / "b.txt")) == [tmp_path / "a" / "b.txt"] * 2
