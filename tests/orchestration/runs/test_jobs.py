"""Whole runs on the demo campus, by the commands, in one home."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from contextvars import copy_context
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from opco.cli import run
from orchestration.defs.warehouse import assets as warehouse_assets
from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.runs.jobs import open_instance
from orchestration.runs.resources import run_resources
from warehouse.build_state import read_state
from warehouse.errors import OpcoError, UserError
from warehouse.project import PROJECT_DIR

BUILD = ["build", "--raw", str(PROJECT_DIR / "demo" / "raw"), "--as-of", "2026-11-10T06:00:00Z"]
SESSION = "S-2026-MGMT-09"


def opco(home: Home, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run a command in a process of its own: its exit code, its closing line, and what it said beside."""
    command = [sys.executable, "-m", "opco.cli", *arguments, "--home", str(home.folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, Any]]:
    home = Home(tmp_path_factory.mktemp("built"))
    code, closing, done = opco(home, *BUILD)
    assert code == 0, done
    return home, closing


def test_the_records_can_be_open_twice_in_one_process(home: Home) -> None:
    def open_twice() -> None:
        with ExitStack() as first, ExitStack() as second:
            first.enter_context(open_instance(home))
            instance = second.enter_context(open_instance(home))
            first.close()
            assert instance.get_runs() == []

    # Dagster keeps the instance that was opened last in a context variable; closed in this order, they would leave a
    # closed one there for all tests that follow.
    copy_context().run(open_twice)


@pytest.mark.parametrize("damage", ["no database", "cut off"])
@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
def test_damaged_records_are_told_with_what_to_do(home: Home, name: str, damage: str) -> None:
    asset = dg.AssetKey("one")
    with open_instance(home) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(asset))
    file = home.dagster / name
    content = file.read_bytes()
    file.write_bytes(b"\xff" * len(content) if damage == "no database" else content[: len(content) // 2])
    said = f"damaged .*remove {home.dagster}/history and"
    with pytest.raises(OpcoError, match=said), open_instance(home) as instance:
        instance.get_latest_materialization_event(asset)
    for folder in ("history", "schedules"):
        shutil.rmtree(home.dagster / folder)
    with open_instance(home) as instance:
        assert instance.get_latest_materialization_event(asset) is None


@pytest.mark.parametrize("content", [b"\xff\xfe", b"storage: [", b"telemetry: 1"])
def test_somebodys_own_instance_file_that_is_none_is_left_alone(home: Home, content: bytes) -> None:
    home.dagster.mkdir(parents=True)
    file = home.dagster / "dagster.yaml"
    file.write_bytes(content)
    said = r"dagster\.yaml is no file of Dagster's settings(?s:.*)Repair it, or remove it"
    with pytest.raises(UserError, match=said), open_instance(home):
        pytest.fail("opened")
    assert file.read_bytes() == content


def test_the_closing_line_of_a_build_tells_what_came_and_what_is_published(built: tuple[Home, dict[str, Any]]) -> None:
    home, closing = built
    assert closing["load"]["number"] == 1
    assert closing["load"]["tables"]["users"] == 45
    assert closing["warehouse"] == str(home.warehouse)
    assert home.warehouse.resolve() == Path(closing["build"])
    with duckdb.connect(str(home.warehouse.resolve()), read_only=True) as connection:
        rows = connection.execute("select count(*) from fct_opco_connections").fetchall()
        assert rows == [(closing["row_counts"]["fct_opco_connections"],)]
        rejects = connection.execute("select count(*) from rejected_rows").fetchall()
        assert rejects == [(sum(one["count"] for one in closing["rejects"]),)]
        as_of = connection.execute("select strftime(data_as_of, '%Y-%m-%dT%H:%M:%S') from warehouse_build").fetchall()
        assert as_of == [("2026-11-10T06:00:00",)]
    assert closing["row_counts"]["fct_opco_connections"] > 0


def test_a_build_is_recorded_with_rows_columns_and_checks(built: tuple[Home, dict[str, Any]]) -> None:
    home, closing = built
    key = dg.AssetKey(["marts", "fct_opco_connections"])
    with open_instance(home) as instance:
        record = next(one for one in instance.get_runs() if one.job_name == "build")
        assert record.status == dg.DagsterRunStatus.SUCCESS
        event = instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        assert metadata["dagster/row_count"].value == closing["row_counts"]["fct_opco_connections"]
        schema = metadata["dagster/column_schema"].value
        assert isinstance(schema, dg.TableSchema)
        columns = {column.name: column for column in schema.columns}
        assert columns["retained_seconds"].type == "BIGINT"
        assert columns["retained_seconds"].description
        assert SESSION in instance.get_dynamic_partitions("program_session")


def test_an_export_loads_no_dbt_and_is_recorded(built: tuple[Home, dict[str, Any]]) -> None:
    home, closing = built
    script = (
        "import sys; from opco.cli import run; code = run(sys.argv[1:]); "
        "sys.exit(code or 10 * any(name.split('.')[0] in ('dbt', 'dagster_dbt') for name in sys.modules))"
    )
    for command in (["export"], ["attest", SESSION]):
        arguments = [sys.executable, "-c", script, *command, "--home", str(home.folder)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    files = list(home.exports.iterdir())
    name = f"opco-export-2026-11-10-{Path(closing['build']).stem}.csv"
    assert sorted(path.name for path in files) == [name, f"{name}.json"]
    with open_instance(home) as instance:
        jobs = {one.job_name: one.status for one in instance.get_runs()}
    assert jobs["export"] == jobs["attestations"] == dg.DagsterRunStatus.SUCCESS


def test_filters_and_output_reach_the_export(built: tuple[Home, dict[str, Any]], tmp_path: Path) -> None:
    home, closing = built
    output = tmp_path / "one session.csv"
    code, made, _ = opco(home, "export", "--session", SESSION, "--language", "fr", "--output", str(output))
    assert (code, made["path"], made["sessions"]) == (0, str(output), 1)
    assert 0 < made["rows"] < closing["row_counts"]["fct_opco_connections"]
    assert output.read_text(encoding="utf-8-sig").startswith("Nom;Prénom;E-mail;")


def test_a_copy_of_an_issue_takes_the_place_of_the_earlier_one(
    built: tuple[Home, dict[str, Any]], tmp_path: Path
) -> None:
    home, _ = built
    issued = ("attest", SESSION, "--output", str(tmp_path), "--issued-on", "2026-11-10", "--user", "u-1004")
    code, first, done = opco(home, *issued, "--place", "Rennes")
    assert code == 0, done
    (tmp_path / "attestation-GONE.pdf").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    code, made, _ = opco(home, *issued, "--place", "Lyon")
    assert (code, made["issue_number"]) == (0, first["issue_number"] + 1)
    issue = {path.name: path.read_bytes() for path in Path(made["folder"]).iterdir()}
    assert len(issue) == made["documents"] + 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {**issue, "notes.txt": b"mine"}

    code, again, _ = opco(home, *issued, "--place", "Lyon")
    assert (code, again["changed"], again["folder"]) == (0, False, made["folder"])
    # Another session's documents are no earlier copy.
    before = sorted(home.attestations.iterdir())
    code, closing, _ = opco(home, "attest", "S-2026-XLS-10", "--output", str(tmp_path))
    assert code == 2
    assert f"holds the attestations of session {SESSION}" in closing["error"]
    assert sorted(home.attestations.iterdir()) == before


def test_a_copy_that_fails_says_that_the_issue_is_made(
    built: tuple[Home, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, _ = built
    # A folder stands where a file of the copy has to go.
    (tmp_path / "manifest.json.d").mkdir()
    (tmp_path / "attestation-O-BRIEN-Siobhan-u-1004.pdf").mkdir()
    arguments = ["attest", SESSION, "--user", "u-1004", "--place", "Brest", "--output", str(tmp_path)]
    assert run([*arguments, "--home", str(home.folder), "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert "is made and stands in" in error
    assert f"only its copy into {tmp_path} failed" in error


def test_issues_are_listed_and_verified(
    built: tuple[Home, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, _ = built
    code, made, done = opco(home, "attest", SESSION, "--user", "u-1004", "--footer", "SIRET 1")
    assert code == 0, done
    (document,) = (one for one in made["files"] if one["user_id"] == "u-1004")
    code, closing, _ = opco(home, "issues", SESSION)
    assert code == 0
    last = closing["issues"][-1]
    assert (last["issue_number"], last["documents"]) == (made["issue_number"], made["documents"])
    assert last["total_seconds"] == sum(one["total_seconds"] for one in made["files"])
    code, closing, _ = opco(home, "issues", "S-NONE")
    assert code == 2
    assert f"Sessions with issues: {SESSION}." in closing["error"]

    assert run(["verify", made["zip_path"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == made["documents"]
    pdf = tmp_path / document["file"]
    pdf.write_bytes((Path(made["folder"]) / document["file"]).read_bytes())
    assert run(["verify", str(pdf)]) == 0
    assert "Adds up   it prints what its attached rows say, 10:33:16 in all" in capsys.readouterr().out
    pdf.write_bytes(pdf.read_bytes()[:3000])
    assert run(["verify", str(pdf)]) == 1
    assert f"WRONG  {pdf.name}: " in capsys.readouterr().out


def test_an_issue_is_recorded_with_its_session_and_checked(built: tuple[Home, dict[str, Any]]) -> None:
    home, _ = built
    code, made, done = opco(home, "attest", SESSION, "--user", "u-1004", "--footer", "SIRET 2")
    assert code == 0, done
    asset = dg.AssetKey("opco_attestations")
    with open_instance(home) as instance:
        event = instance.get_latest_materialization_event(asset)
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["session"].value == "Manager à distance, septembre 2026"
        key = dg.AssetCheckKey(asset, "adds_up")
        record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
        assert record.status is AssetCheckExecutionRecordStatus.SUCCEEDED
        assert record.event is not None
        assert record.event.dagster_event is not None
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        assert evaluation.metadata["documents"].value == made["documents"]
        assert evaluation.metadata["faults"].value == []


def test_an_unknown_session_is_a_mistake_that_leaves_nothing(built: tuple[Home, dict[str, Any]]) -> None:
    home, _ = built
    code, closing, done = opco(home, "attest", "S-2026-MGMT-99")
    assert (code, closing["ok"]) == (2, False)
    assert "S-2026-MGMT-99" in closing["error"]
    assert SESSION in closing["error"]
    assert "Traceback" not in done
    assert not (home.attestations / "S-2026-MGMT-99").exists()
    with open_instance(home) as instance:
        assert "S-2026-MGMT-99" not in instance.get_dynamic_partitions("program_session")


def test_a_raw_folder_that_is_none_leaves_what_is_published(
    built: tuple[Home, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, closing = built
    for folder in (tmp_path / "gone", tmp_path):
        assert run(["build", "--raw", str(folder), "--home", str(home.folder), "--json"]) == 2
        assert str(folder) in json.loads(capsys.readouterr().out)["error"]
    assert str(home.warehouse.resolve()) == closing["build"]


def test_two_builds_at_once_are_refused_and_a_dead_one_blocks_nobody(
    built: tuple[Home, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    home, _ = built
    lock = home.build / "build.lock"
    lock.write_text("4242")
    unknown = "20200101T000000Z-00000000"
    going_back = ["rollback", unknown, "--home", str(home.folder), "--json"]
    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert run(going_back) == 1
        assert "process 4242" in json.loads(capsys.readouterr().out)["error"]
    # The lock's file is still there, its holder is not: the next one gets as far as the build that it asks for.
    assert run(going_back) == 2
    assert unknown in json.loads(capsys.readouterr().out)["error"]


def test_a_run_that_is_deleted_while_it_is_at_work_publishes_nothing(
    built: tuple[Home, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, closing = built
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    monkeypatch.setattr(warehouse_assets, "publish", lambda *_: pytest.fail("published"))
    with open_instance(home) as instance:

        def deleting(tested: Path) -> object:
            # As somebody may on Dagster's pages, just before it publishes.
            (run,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
            instance.delete_run(run.run_id)
            return read_state(tested)

        monkeypatch.setattr(warehouse_assets, "read_state", deleting)
        resources = run_resources(home)
        complete = dg.Definitions.merge(
            warehouse_assets.defs(), dg.Definitions(resources=resources, executor=dg.in_process_executor)
        )
        with pytest.raises(OpcoError, match="was deleted while it was at work"):
            complete.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey("published_warehouse")]
            )
    assert str(home.warehouse.resolve()) == closing["build"]


def test_a_build_file_whose_damage_is_found_as_it_is_published_is_not_gone_on_from(
    built: tuple[Home, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, closing = built
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    tested = home.build / "tested.json"
    before = tested.read_bytes()

    def stop(reason: str) -> None:
        def publish(*_: object) -> None:
            raise OpcoError(f"It could not be published ({reason}).")

        monkeypatch.setattr(warehouse_assets, "publish", publish)
        complete = dg.Definitions.merge(
            warehouse_assets.defs(), dg.Definitions(resources=run_resources(home), executor=dg.in_process_executor)
        )
        with open_instance(home) as instance, pytest.raises(OpcoError, match="could not be published"):
            complete.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance, asset_selection=[dg.AssetKey("published_warehouse")]
            )

    stop("No space left on device")
    assert tested.read_bytes() == before
    stop("IO Error: Corrupt database file: computed checksum 1")
    assert not tested.exists()
    tested.write_bytes(before)
    assert str(home.warehouse.resolve()) == closing["build"]


def test_a_build_that_dbt_stops_publishes_nothing(
    built: tuple[Home, dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, closing = built
    variables = {"display_timezone": "Mars/Olympus", "build_id": "of this test"}
    monkeypatch.setattr(
        "orchestration.defs.warehouse.dbt_project.dbt_variables", lambda *_: ["--vars", json.dumps(variables)]
    )
    assert run([*BUILD, "--home", str(home.folder), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert "Mars/Olympus" in answer["error"]
    assert "what was published before stays" in answer["error"]
    assert str(home.warehouse.resolve()) == closing["build"]
    with open_instance(home) as instance:
        assert instance.get_runs(limit=1)[0].status == dg.DagsterRunStatus.FAILURE
    # Nor does the published file alone, asked for afterwards.
    os.environ[HOME_VARIABLE] = str(home.folder)
    from orchestration.definitions import defs

    with open_instance(home) as instance, pytest.raises(Exception, match="no build whose tests all passed"):
        defs().resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey("published_warehouse")]
        )
    assert str(home.warehouse.resolve()) == closing["build"]
