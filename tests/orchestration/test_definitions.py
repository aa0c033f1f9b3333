from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.defs.warehouse import dbt_project
from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.home.settings import load_settings
from warehouse.project import PROJECT_DIR

OTHER_SETTINGS = {
    "rules.inactivity_timeout_minutes": "7",
    "rules.max_connection_minutes": "60",
    "rules.long_connection_minutes": "17",
    "rules.raw_timezone": "America/New_York",
    "rules.display_timezone": "Indian/Reunion",
    "identities.by_email": "true",
    "credit.without_duration": "zero",
    "credit.partial": "pro_rata",
    "credit.cap_at_program": "true",
    "credit.suspicious_below_pct": "5",
    "follow_up.silence_days": "3",
    "calendar.territory": "la_reunion",
    "alerts.rejected_rows": "3",
    "alerts.rejected_pct": "2",
}
# Loads everything but the project first: what happens after that, the project does.
LOADS_NOTHING = """
import sys
import dagster, dagster_dbt, dagster._core.instance.ref, duckdb, sqlalchemy, typer, yaml
import rich.console, rich.progress, rich.table, zoneinfo, tomllib, packaging.version
import reports.export.write, reports.issuing.issue, warehouse.publish, warehouse.archive

found = []
def watch(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so")):
        found.append((event, str(arguments[0])))
    elif event in ("socket.connect", "sqlite3.connect", "subprocess.Popen", "os.mkdir", "os.rename"):
        found.append((event, str(arguments)))
sys.addaudithook(watch)
def refuse(*arguments, **more):
    found.append(("duckdb.connect", str(arguments)))
duckdb.connect = refuse

import opco.cli, orchestration.definitions
import opco.build, opco.services
for domain in ("raw", "warehouse", "export", "attestations", "nightly"):
    __import__(f"orchestration.defs.{domain}.assets")
print(found)
"""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    from orchestration.definitions import defs

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))
        yield defs()


def test_loading_the_modules_opens_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", LOADS_NOTHING], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_definitions_are_short() -> None:
    lines = (PROJECT_DIR / "orchestration" / "definitions.py").read_text().splitlines()
    assert len(lines) < 40


def test_assets_run_from_the_raw_tables_to_the_documents(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    raw = {"raw/" + path for path in ("users", "program_sessions", "course_connections", "learning_events")}
    assert raw <= keys
    assert {"marts/fct_opco_connections", "marts/dim_learners", "marts/rejected_rows", "marts/end_kinds"} <= keys
    assert {"published_warehouse", "opco_export", "opco_attestations"} <= keys
    assert graph.unexecutable_asset_keys == set()
    assert graph.get(dg.AssetKey(["staging", "stg_users"])).parent_keys >= {dg.AssetKey(["raw", "users"])}
    published = graph.get(dg.AssetKey("published_warehouse"))
    # What a build left as it is would keep Dagster from publishing; this mart is made by every build, after all others.
    assert published.parent_keys == {dg.AssetKey(["marts", "warehouse_build"])}
    marts = {key for key in graph.get_all_asset_keys() if key.path[0] == "marts"}
    of_models = {key for key in marts if key.path[1].startswith(("fct_", "dim_", "bridge_"))}
    assert graph.get(dg.AssetKey(["marts", "warehouse_build"])).parent_keys >= of_models
    of_a_session = {"opco_export", "opco_attestations", "opco_certificates", "opco_attendance", "opco_logs"}
    nightly = {"nightly_exports", "nightly_attestations"}
    assert published.child_keys == {dg.AssetKey(name) for name in of_a_session | nightly}


def test_tests_of_the_models_are_checks(definitions: dg.Definitions) -> None:
    checks = {key.asset_key.to_user_string() for key in definitions.resolve_asset_graph().asset_check_keys}
    assert {"marts/fct_opco_connections", "marts/load_reconciliation", "staging/stg_users"} <= checks


def test_attestations_are_partitioned_by_session(definitions: dg.Definitions) -> None:
    attestations = definitions.resolve_asset_graph().get(dg.AssetKey("opco_attestations"))
    assert isinstance(attestations.partitions_def, dg.DynamicPartitionsDefinition)
    assert attestations.partitions_def.name == "program_session"


def test_the_build_job_makes_all_up_to_the_published_file(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("build")
    made = {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
    assert {"raw/users", "marts/fct_opco_connections", "published_warehouse"} <= made
    # Whole with what no model reads, too: with what `opco why` reads, and with code lists.
    assert {"intermediate/int_raw_rows__explained", "marts/funder_profiles"} <= made
    nightly = {key.to_user_string() for key in definitions.resolve_job_def("nightly").asset_layer.executable_asset_keys}
    assert made <= nightly
    assert "opco_export" not in made
    assert job.executor_def is dg.in_process_executor


def test_the_project_is_parsed_again_only_when_it_changed(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = dbt_project.parsed_project(home)
    assert before.parsed.exists()
    assert before.manifest.exists()
    # What is parsed is kept for all homes.
    assert not before.parsed.is_relative_to(home.folder)

    def parse(*arguments: object, **more: object) -> None:
        raise AssertionError("dbt was started")

    monkeypatch.setattr(subprocess, "run", parse)
    assert dbt_project.parsed_project(Home(tmp_path / "another")) == before
    monkeypatch.setattr(dbt_project, "PROJECT_FILES", (*dbt_project.PROJECT_FILES, "pyproject.toml"))
    with pytest.raises(AssertionError, match="dbt was started"):
        dbt_project.parsed_project(home)


def test_no_setting_of_the_rules_changes_what_dbt_parses(home: Home, tmp_path: Path) -> None:
    other = load_settings(home, OTHER_SETTINGS)
    assert all(other.of_the_models()[name] != value for name, value in load_settings(home).of_the_models().items())
    command = [str(dbt_project.dbt_executable()), "parse", "--target-path", str(tmp_path), "--log-path", str(tmp_path)]
    environment = {**os.environ, **dbt_project.DBT_ENVIRONMENT}
    subprocess.run([*command, *dbt_project.dbt_variables(other)], cwd=PROJECT_DIR, env=environment, check=True)
    assert _parsed(tmp_path / "manifest.json") == _parsed(dbt_project.parsed_project(home).manifest)


def _parsed(manifest: Path) -> dict[str, Any]:
    content = json.loads(manifest.read_bytes())
    return {
        name: {key: value for key, value in node.items() if key != "created_at"}
        for kind in ("nodes", "sources", "unit_tests", "macros")
        for name, node in content[kind].items()
    }
