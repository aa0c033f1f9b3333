"""dbt by hand on a home's build file: what would make wrong tables is refused before anything is changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from orchestration.defs.warehouse.dbt_project import dbt_environment, dbt_variables, parsed_project
from orchestration.defs.warehouse.dbt_run import DbtResult, run_dbt
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from warehouse.build_file import what_is_wrong
from warehouse.files import sha256_of

pytestmark = pytest.mark.xdist_group("campus")

Dbt = Callable[..., DbtResult]


@pytest.fixture
def dbt(campus_home: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> Dbt:
    """Run dbt by hand on a copy of the campus, whose last build was incremental."""
    home.build_file.parent.mkdir(parents=True)
    shutil.copy(campus_home / "var/build/opco.duckdb", home.build_file)
    settings = load_settings(home)
    for name, value in dbt_environment(home, settings).items():
        monkeypatch.setenv(name, value)
    parsed = parsed_project(home).parsed

    def run(*arguments: str) -> DbtResult:
        return run_dbt([*arguments, *dbt_variables(settings)], parsed, home.build / "dbt.log", lambda _: None)

    return run


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["build"], "Build with: opco build. To try a model, name it and add --full-refresh"),
        (["run", "--select", "fct_opco_connections"], "an incremental run over it by hand would make wrong tables"),
        (["build", "--full-refresh"], "staging cannot be refreshed from it. Nothing was changed. Rebuild with: opco"),
    ],
)
def test_what_would_make_wrong_tables_changes_nothing(dbt: Dbt, home: Home, arguments: list[str], advice: str) -> None:
    before = sha256_of(home.build_file)
    result = dbt(*arguments)
    assert advice in str(result.error)
    assert result.nodes == ()
    assert sha256_of(home.build_file) == before
    assert what_is_wrong(home.build_file) is None


def test_a_model_can_be_tried_and_the_next_build_does_not_go_on_from_it(dbt: Dbt, home: Home) -> None:
    figures = "select count(*), sum(retained_seconds) from marts.fct_opco_connections"
    with duckdb.connect(str(home.build_file), read_only=True) as db:
        before = db.execute(figures).fetchall()
    assert dbt("test", "--select", "fct_program_sessions,test_type:data").is_success
    assert what_is_wrong(home.build_file) is None
    assert dbt("run", "--full-refresh", "--select", "fct_opco_connections").is_success
    with duckdb.connect(str(home.build_file), read_only=True) as db:
        assert db.execute(figures).fetchall() == before == [(626, 304782)]
    assert what_is_wrong(home.build_file) == "dbt was run on the build file by hand"


def test_without_a_build_file_it_is_said_how_to_make_one(dbt: Dbt, home: Home) -> None:
    home.build_file.unlink()
    assert "Load and build: opco build --raw FOLDER" in str(dbt("build").error)
