"""Sources of a home: what Dagster makes of them, that a secret stays one, and a night whose source fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import dagster as dg
import pytest

from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.runs.jobs import open_instance
from tests.commands import OPCO, Opco, result_of
from tests.connectors.moodle_downloads import ZOE, line, write_log, write_participants

pytestmark = pytest.mark.xdist_group("sources")

SECRET = "geheim-4711-ç"
MOODLE = """
[sources.moodle]
database = "postgresql://opco@127.0.0.1:1/moodle"

[sources.moodle-log]
schedule = "04:30"
"""


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    from orchestration.definitions import defs

    folder = tmp_path_factory.mktemp("home")
    (folder / "opco.toml").write_text(MOODLE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(folder))
        return defs()


def test_sources_are_upstream_of_the_raw_tables(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    sources = {dg.AssetKey(["sources", name]) for name in ("moodle", "moodle-log")}
    assert sources <= set(graph.get_all_asset_keys())
    assert graph.get(dg.AssetKey(["raw", "users"])).parent_keys == sources


def test_the_night_pulls_and_a_build_does_not(definitions: dg.Definitions) -> None:
    def made(job: str) -> set[str]:
        return {key.path[0] for key in definitions.resolve_job_def(job).asset_layer.executable_asset_keys}

    assert made("pull") == {"sources"}
    assert "sources" in made("nightly")
    assert "sources" not in made("build")
    schedule = definitions.resolve_schedule_def("pull_moodle_log_schedule")
    assert schedule.cron_schedule == "30 4 * * *"


def with_secret(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPCO_")}
    return subprocess.run(
        [str(OPCO), *arguments, "--home", str(home)],
        capture_output=True,
        text=True,
        env=environment | {"OPCO_SOURCES__MOODLE__PASSWORD": SECRET},
        check=False,
        timeout=600,
    )


def test_a_password_is_in_no_file_message_or_record(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settings_file.write_text(MOODLE, encoding="utf-8")
    for arguments in (("check-source", "moodle"), ("pull", "moodle", "--debug"), ("sources",), ("settings",)):
        finished = with_secret(*arguments, home=tmp_path)
        assert SECRET not in finished.stdout + finished.stderr, arguments
        assert "Traceback" not in finished.stderr or "--debug" in arguments
    finished = with_secret("pull", "moodle", "--json", home=tmp_path)
    assert finished.returncode == 2
    assert "127.0.0.1" in json.loads(finished.stdout)["error"]
    encoded = SECRET.encode()
    held = [path for path in tmp_path.rglob("*") if path.is_file() and encoded in path.read_bytes()]
    assert held == []
    assert not (tmp_path / "var/sources/raw/current").exists()


def test_a_source_that_fails_leaves_what_was_published(opco: Opco, tmp_path: Path) -> None:
    """A build goes on from the last delivery; a night whose source fails publishes and issues nothing, and is told."""
    home = Home(tmp_path)
    home.settings_file.write_text("[sources.moodle-log]\n", encoding="utf-8")
    write_log(tmp_path / "imports/moodle", line("13/10/26, 09:00:00"), line("13/10/26, 09:10:00"))
    write_participants(tmp_path / "imports/moodle", ZOE)
    pulled = result_of(opco("pull", "--all", "--json", home=tmp_path))
    built = result_of(opco("build", "--json", home=tmp_path))
    assert built["load"]["raw_folder"] == pulled["delivery"]
    assert built["row_counts"]["fct_opco_connections"] > 0
    shown = home.warehouse.resolve()
    shutil.rmtree(tmp_path / "imports/moodle")
    night = opco("nightly", "--json", home=tmp_path)
    assert night.returncode != 0
    assert str(tmp_path / "imports/moodle") in json.loads(night.stdout)["error"]
    assert home.warehouse.resolve() == shown
    with open_instance(home) as instance:
        (run,) = instance.get_runs(limit=1)
        assert (run.job_name, run.status) == ("nightly", dg.DagsterRunStatus.FAILURE)
