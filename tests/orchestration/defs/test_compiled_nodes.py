"""A build takes the SQL of its nodes from an earlier one: it is what dbt would compile them to."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import duckdb

from orchestration.defs.warehouse import dbt_project
from orchestration.defs.warehouse.dbt_run import run_dbt
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from tests.commands import Opco
from tests.homes import clean_environment as clean_environment


def compiled_now(home: Home, *, is_full_refresh: bool) -> dict[str, str]:
    """Return what dbt compiles all models and data tests to, on the build file as it is."""
    settings = load_settings(home)
    os.environ.update(dbt_project.dbt_environment(home, settings))
    arguments = [*(["--full-refresh"] if is_full_refresh else []), *dbt_project.dbt_variables(settings)]
    project = dbt_project.parsed_project(home)
    result = run_dbt(["compile", *arguments], project.parsed, home.build / "compile.log", lambda _: None)
    assert result.is_success, result
    return {node.unique_id: node.query for node in result.nodes if node.query}


def kept(home: Home, *, is_full_refresh: bool, have_snapshots_changed: bool) -> dict[str, str]:
    return dbt_project.read_compiled(
        dbt_project.compiled_file(
            dbt_project.parsed_project(home),
            home,
            load_settings(home),
            is_full_refresh=is_full_refresh,
            have_snapshots_changed=have_snapshots_changed,
        )
    )


def test_what_is_kept_is_what_dbt_compiles(opco: Opco, raw_folder: Path, tmp_path: Path) -> None:
    # A setting that no other home has, so that what is kept is of these builds.
    (tmp_path / "opco.toml").write_text("[rules]\nlong_connection_minutes = 479\n", encoding="utf-8")
    home = Home(tmp_path)
    seen = []
    for is_full_refresh, have_snapshots_changed in ((True, True), (False, False), (False, True)):
        if have_snapshots_changed and not is_full_refresh:
            with (raw_folder / "users.csv").open("a", encoding="utf-8") as users:
                users.write("v,Petit\n")
        finished = opco("build", "--raw", raw_folder, home=tmp_path)
        assert finished.returncode == 0, finished.stderr
        found = kept(home, is_full_refresh=is_full_refresh, have_snapshots_changed=have_snapshots_changed)
        now = compiled_now(home, is_full_refresh=is_full_refresh)
        # dim_learners reads the platform's custom fields while it is compiled; what a build leaves is not compiled.
        assert "model.opco_warehouse.dim_learners" not in found
        assert "model.opco_warehouse.warehouse_build" in found
        if is_full_refresh:
            assert now.keys() - found.keys() == {"model.opco_warehouse.dim_learners"}
        assert found == {name: query for name, query in now.items() if name in found}
        seen.append(found)
    first, second, third = seen
    assert first != second != third


def test_a_model_does_what_its_contract_promises(demo_home: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.build.mkdir(parents=True)
    shutil.copy(Home(demo_home).build_file, home.build_file)
    settings = load_settings(home)
    os.environ.update(dbt_project.dbt_environment(home, settings))
    project = dbt_project.parsed_project(home)
    model = "model.opco_warehouse.dim_courses"
    columns = json.loads(project.manifest.read_bytes())["nodes"][model]["columns"].values()

    def built(types: dict[str, str]) -> str:
        query = "select " + ", ".join(f"cast(null as {type_}) as {name}" for name, type_ in types.items())
        result = run_dbt(
            ["run", "--select", "dim_courses", *dbt_project.dbt_variables(settings)],
            *(project.parsed, home.build / "dbt.log", lambda _: None, {model: query + " where false"}),
        )
        return " ".join(node.message for node in result.nodes)

    promised = {column["name"]: column["data_type"] for column in columns}
    assert built(promised) == "OK"
    assert "data type mismatch" in built(promised | {"course_name": "bigint"})
    assert "missing in contract" in built(promised | {"further": "bigint"})
    assert "missing in definition" in built({name: type_ for name, type_ in promised.items() if name != "course_name"})
    with duckdb.connect(str(home.build_file), read_only=True) as db:
        assert db.execute("select count(*) from marts.dim_courses").fetchone() == (0,)
