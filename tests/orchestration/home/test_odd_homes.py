"""Homes whose path holds what addresses and patterns are made of: they work, or are refused in words."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orchestration.home.paths import HOME_VARIABLE, Home
from tests.commands import Opco, result_of
from warehouse.errors import UserError
from warehouse.forgotten import Identifiers
from warehouse.search import search

NAMES = 'été d\'Or "é" a;b:c{{d}}$e&f=g+h,i~j|k!'


@pytest.mark.parametrize("name", ["a#b", "what?", "home[1]", "[x", "100%20", "all*", "two\nlines"])
def test_a_home_that_others_would_look_for_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name / "home"
    folder.mkdir(parents=True)
    with pytest.raises(UserError, match="would read and write elsewhere"):
        Home.find(folder)
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    with pytest.raises(UserError, match=HOME_VARIABLE):
        Home.find()
    # A link to it leads to it.
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(UserError, match="another name"):
        Home.find(link)


def test_a_home_of_any_other_name_is_built_in_and_written_to_alone(
    tmp_path: Path, raw_folder: Path, opco: Opco
) -> None:
    folder = tmp_path / "homes" / NAMES
    folder.mkdir(parents=True)
    raw_folder = raw_folder.rename(tmp_path / f"raw [1] #{NAMES}?%20")
    made = result_of(opco("build", "--raw", raw_folder, "--json", home=folder))
    assert made["row_counts"]["dim_learners"] == 1
    status = result_of(opco("status", "--check", "--json", home=folder))
    assert status["runs"][0]["status"] == "success"
    assert status["warehouse"] == str(folder / "var/published/opco.duckdb")
    output = tmp_path / "out [x] 100%20#.csv"
    assert result_of(opco("export", "--output", output, "--json", home=folder))["path"] == str(output)
    assert output.exists()
    # It says no to telemetry, and where this stands is read.
    assert "enabled: false" in (folder / "var/dagster/dagster.yaml").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "homes").iterdir()] == [NAMES]
    assert not list(tmp_path.glob("*.db"))


def test_a_database_is_searched_under_any_name(tmp_path: Path) -> None:
    file = tmp_path / f"{NAMES}#100%20?" / "runs.db"
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as database:
        database.execute("create table runs (said text)")
        database.execute("insert into runs values ('Jeanne Martin')")
        database.commit()
    places = [found.place for found in search([file], Identifiers(("Jeanne Martin",)))]
    assert "runs" in places
