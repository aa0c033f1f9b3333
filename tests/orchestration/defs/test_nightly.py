"""Nights on the demo campus, and what people and sensors do meanwhile: whole runs by the commands, in one home."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.test_utils import create_run_for_test

from orchestration.defs.attestations.issuing import ended_sessions
from orchestration.defs.attestations.partitions import NAME, keep_in_step
from orchestration.defs.nightly.assets import defs as nightly_definitions
from orchestration.defs.nightly.schedules import WAITS
from orchestration.defs.nightly.sensors import look_for_a_delivery, sessions_sensor
from orchestration.home.lock import running_build
from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.home.sections.building import NightlySettings
from orchestration.runs.dead_runs import living
from orchestration.runs.jobs import open_instance
from orchestration.runs.resources import run_resources
from tests.commands import OPCO, result_of, run_opco
from tests.mail import PASSWORD, USER, mail_server
from warehouse.project import PROJECT_DIR
from warehouse.published import roll_back

pytestmark = pytest.mark.xdist_group("demo")

SETTINGS = """
[build]
raw_folder = "raw"

[nightly]
enabled = true
schedule = "02:30"
exports = ["managers", "ended_yesterday"]

[exports.managers]
sessions = ["S-2026-MGMT-09"]
format = "xlsx"

[exports.ended_yesterday]
sessions_ended = "yesterday"
"""
NOBODY = '"ended_yesterday", "nobody"]\nsend_attestations_to = ["formation@exemple.fr"]'
BROKEN = """
[exports.nobody]
groups = ["No such group"]

[sessions."S-2026-CYB-09"]
logo = "gone.svg"
"""
LATE = """connection_id,user_id,session_id,course_id,connected_at,disconnected_at
cc-90001,u-1004,S-2026-MGMT-09,C-MGT-1,2026-10-30T09:00:00Z,2026-10-30T09:20:00Z
cc-90002,u-1012,S-2026-CYB-09,C-CYB-1,2026-11-12T09:00:00Z,2026-11-12T09:20:00Z
"""


@pytest.fixture(scope="module")
def home(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that goes on from the demo's build, with a raw folder and settings of its own."""
    folder = tmp_path_factory.mktemp("night")
    shutil.copytree(demo_home / "var", folder / "var", symlinks=True, ignore=shutil.ignore_patterns("dagster"))
    shutil.copytree(PROJECT_DIR / "demo" / "raw", folder / "raw")
    (folder / "assets").symlink_to(PROJECT_DIR / "demo" / "assets")
    (folder / "opco.toml").write_text((PROJECT_DIR / "demo" / "opco.toml").read_text(encoding="utf-8") + SETTINGS)
    return Home(folder)


@pytest.fixture(scope="module")
def first_night(home: Home) -> dict[str, Any]:
    with open_instance(home) as instance:
        instance.add_dynamic_partitions(NAME, ["S-OF-ANOTHER-ARCHIVE"])
    return result_of(run_opco("nightly", "--as-of", "2026-11-16T04:00:00Z", "--json", home=home.folder))


@pytest.fixture(scope="module")
def definitions(home: Home) -> dg.Definitions:
    from orchestration.definitions import defs

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(home.folder))
        return defs()


def materialised(home: Home, key: str) -> list[tuple[str | None, dict[str, Any]]]:
    """Return the recorded materialisations of an asset, oldest first: partition and metadata."""
    with open_instance(home) as instance:
        records = instance.fetch_materializations(dg.AssetKey(key), limit=100).records
    found = [record.asset_materialization for record in reversed(records)]
    return [(one.partition, {name: value.value for name, value in one.metadata.items()}) for one in found if one]


def outcomes(closing: dict[str, Any], what: str) -> dict[str, str]:
    return {one["name"]: one["state"] for one in closing[what]}


def test_a_night_goes_from_the_raw_folder_to_the_documents(home: Home, first_night: dict[str, Any]) -> None:
    assert first_night["load"]["number"] == 2
    assert str(home.warehouse.resolve()) == first_night["build"]
    assert outcomes(first_night, "exports") == {"all lines": "made", "managers": "made", "ended_yesterday": "nothing"}
    # The session that ended on the 13th waits: the delivery is of the 10th.
    assert outcomes(first_night, "attestations") == {"S-2026-MGMT-09": "issued", "S-2026-CYB-09": "waiting"}
    issue = home.attestations / "S-2026-MGMT-09" / "issue-1"
    manifest = json.loads((issue / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["issued_on"] == "2026-11-16"
    assert len(list(issue.glob("*.pdf"))) == len(manifest["documents"]) == 13
    with duckdb.connect(first_night["build"], read_only=True) as connection:
        ((lines,),) = connection.execute("select count(*) from fct_opco_connections").fetchall()
    everything, managers = materialised(home, "opco_export")
    assert everything[1]["dagster/row_count"] == lines > managers[1]["dagster/row_count"] > 0
    assert managers[1]["filters"]["sessions"] == ["S-2026-MGMT-09"]
    assert Path(managers[1]["path"]).suffix == ".xlsx"
    assert all(Path(one[1]["path"]).exists() for one in (everything, managers))


def test_what_a_night_issues_is_recorded_with_its_sessions_partition(home: Home, first_night: dict[str, Any]) -> None:
    ((partition, metadata),) = materialised(home, "opco_attestations")
    assert (partition, metadata["issue_number"], metadata["documents"]) == ("S-2026-MGMT-09", 1, 13)
    with open_instance(home) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(job_name="nightly"))
        assert run.status is dg.DagsterRunStatus.SUCCESS
        assert instance.get_materialized_partitions(dg.AssetKey("opco_attestations")) == {"S-2026-MGMT-09"}
        # The partitions follow the published sessions: those of the future too, and no other.
        assert set(instance.get_dynamic_partitions(NAME)) == {
            "S-2026-XLS-06", "S-2026-MGMT-09", "S-2026-CYB-09", "S-2026-XLS-10", "S-2026-MGMT-10"
        }  # fmt: skip
        checks = [
            event.dagster_event.asset_check_evaluation_data
            for event in instance.all_logs(run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
            if event.dagster_event
        ]
        assert {check.passed for check in checks if check.asset_key == dg.AssetKey("opco_export")} == {True}
        (sound,) = (check for check in checks if check.asset_key == dg.AssetKey("opco_attestations"))
        assert (sound.check_name, sound.passed, sound.metadata["documents"].value) == ("adds_up", True, 13)


def test_one_graph_leads_from_the_raw_tables_to_the_documents(definitions: dg.Definitions) -> None:
    layer = definitions.resolve_job_def("nightly").asset_layer.asset_graph
    reached = [dg.AssetKey(["raw", "course_connections"])]
    for key in reached:
        reached += sorted(layer.get(key).child_keys - set(reached))
    ends = {key.to_user_string() for key in reached if not layer.get(key).child_keys}
    assert {"nightly_exports", "nightly_attestations"} <= ends
    assert dg.AssetKey("published_warehouse") in reached


@pytest.fixture(scope="module")
def second_night(home: Home, first_night: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """A night with late rows, of which one export and one session will fail: held while dbt writes."""
    (home.folder / "raw" / "course_connections" / "2026-12.csv").write_text(LATE)
    (home.folder / "raw" / "_DONE").touch()
    settings = home.settings_file.read_text(encoding="utf-8")
    home.settings_file.write_text(settings.replace('"ended_yesterday"]', NOBODY) + BROKEN)
    command = [str(OPCO), "nightly", "--as-of", "2026-11-17T04:00:00Z", "--home", str(home.folder)]
    running = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    # There while somebody writes in the build file.
    journal = home.build_file.with_name(home.build_file.name + ".wal")
    until = time.monotonic() + 120
    while not (is_writing := journal.exists()) and running.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGSTOP)
    try:
        assert is_writing
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        home.settings_file.write_text(settings)


def test_meanwhile_exports_and_attestations_are_made_of_what_is_published(
    home: Home, first_night: dict[str, Any], second_night: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert running_build(home) == second_night.pid
    export = ("export", "--session", "S-2026-XLS-10", "--output", str(tmp_path / "one.csv"), "--json")
    exported = result_of(run_opco(*export, home=home.folder))
    attest = ("attest", "S-2026-XLS-10", "--user", "u-1028", "--place", "Lyon", "--json")
    issued = result_of(run_opco(*attest, home=home.folder))
    assert running_build(home) == second_night.pid
    assert exported["build_id"] == Path(first_night["build"]).stem
    assert exported["rows"] > 0
    assert issued["documents"] == 1
    manifest = json.loads((Path(issued["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["build_id"] == exported["build_id"]


def test_meanwhile_no_other_night_begins(
    home: Home, second_night: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance(home) as instance:
        (under_way,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
        tick = evaluated(home, instance, monkeypatch)
    assert not tick.run_requests
    assert tick.skip_message == f"The nightly run {under_way.run_id} is not over (started): no other one starts."


def test_meanwhile_a_delivery_waits(home: Home, second_night: subprocess.Popen[str]) -> None:
    now = datetime(2026, 11, 17, 4, 5, tzinfo=UTC)
    with open_instance(home) as instance:
        seen = look_for_a_delivery(home, instance, None, now)
        waits = look_for_a_delivery(home, instance, seen.cursor, now + timedelta(minutes=1))
    assert not waits.run_requests
    assert waits.skip_reason is not None
    said = f"A delivery is complete and waits for a build that is under way (process {second_night.pid})."
    assert waits.skip_reason.skip_message == said


def test_one_failure_hides_no_other_and_undoes_nothing(
    home: Home, first_night: dict[str, Any], second_night: subprocess.Popen[str]
) -> None:
    os.killpg(second_night.pid, signal.SIGCONT)
    _, output = second_night.communicate(timeout=300)
    assert second_night.returncode == 1
    assert "Attestations: 2 failed, 1 issued; what was published and made stays.\n" in output
    # Nobody can be told, and the documents are made all the same.
    assert "e-mail: To send a link by e-mail, these settings are needed: email.host" in output
    assert "S-2026-CYB-09: The logo gone.svg is not in the assets folder" in output
    assert "Exports: 1 failed, 2 made, 1 nothing; what was published and made stays.\n" in output
    assert 'nobody: No group "No such group" in the warehouse.' in output
    assert home.warehouse.resolve() != Path(first_night["build"])
    # Late rows of a session that was issued: one document is replaced, the others are kept.
    (*_, (partition, metadata)) = materialised(home, "opco_attestations")
    assert (partition, metadata["issue_number"]) == ("S-2026-MGMT-09", 2)
    assert metadata["states"] == {"kept": 12, "replaced": 1}
    assert not (home.attestations / "S-2026-CYB-09").exists()
    with open_instance(home) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(job_name="nightly"), limit=1)
    assert run.status is dg.DagsterRunStatus.FAILURE


def test_once_the_cause_is_mended_only_what_is_missing_is_issued(
    home: Home,
    second_night: subprocess.Popen[str],
    definitions: dg.Definitions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert second_night.poll() == 1, "runs after the night that failed"
    mended = home.settings_file.read_text(encoding="utf-8").replace('logo = "gone.svg"', "")
    # A new wording is no reason to replace by night what was issued.
    table = '[sessions."S-2026-MGMT-09"]\n'
    assert table in mended
    home.settings_file.write_text(mended.replace(table, f'{table}place = "Brest"\n'), encoding="utf-8")
    with mail_server(tmp_path) as mailbox, open_instance(home) as instance:
        for name, value in {
            "OPCO_EMAIL__HOST": "127.0.0.1",
            "OPCO_EMAIL__PORT": str(mailbox.port),
            "OPCO_EMAIL__USER": USER,
            "OPCO_EMAIL__PASSWORD": PASSWORD,
            "OPCO_EMAIL__SENDER": "attestations@atelier.fr",
            "OPCO_EMAIL__ALLOWED_RECIPIENTS": "exemple.fr",
            "OPCO_PORTAL__BASE_URL": "https://opco.exemple.fr",
            "OPCO_PORTAL__SECRET": "0123456789abcdef" * 2,
            "SSL_CERT_FILE": str(mailbox.authority),
        }.items():
            monkeypatch.setenv(name, value)
        done = definitions.resolve_job_def("nightly").execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey("nightly_attestations")],
            run_config={"ops": {"nightly_attestations": {"config": {"issued_on": "2026-11-18"}}}},
        )
        assert done.success
        assert instance.get_materialized_partitions(dg.AssetKey("opco_attestations")) >= {"S-2026-CYB-09"}
    ((_, made),) = materialised(home, "nightly_attestations")[-1:]
    states = {one["name"]: one["state"] for one in made["outcomes"]}
    assert states == {"S-2026-MGMT-09": "unchanged", "S-2026-CYB-09": "issued"}
    # One message tells of the new issue, none of the unchanged one; its link leads to a copy of the ZIP.
    (mail,) = mailbox.messages
    assert mail["To"] == "formation@exemple.fr"
    assert mail["Subject"] == "Attestations prêtes : Cybersécurité et RGPD, automne 2026"
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert "Attestations : 7 (nouvelles : 7 ; remplacées : 0 ; inchangées : 0)" in plain.get_content()
    assert "https://opco.exemple.fr/download/" in plain.get_content()
    issued = home.attestations / "S-2026-CYB-09" / "issue-1" / "attestations-S-2026-CYB-09-issue-1.zip"
    (copy,) = home.deliveries.glob("*/content")
    assert copy.read_bytes() == issued.read_bytes()
    # Nothing is recorded of a session for which nothing was made.
    assert [one[0] for one in materialised(home, "opco_attestations")].count("S-2026-MGMT-09") == 2


def test_after_a_rollback_no_document_gives_way_to_one_of_older_data(
    home: Home, first_night: dict[str, Any], second_night: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert second_night.poll() == 1, "runs after the night that failed"
    newest = home.warehouse.resolve().stem
    assert roll_back(home.published, Path(first_night["build"]).stem).is_shown is False
    before = sorted((home.attestations / "S-2026-MGMT-09").iterdir())
    refused = run_opco("attest", "S-2026-MGMT-09", home=home.folder)
    assert refused.returncode == 2
    assert "data as of 2026-11-16T04:00:00.000000Z, and issue 2 of session S-2026-MGMT-09" in refused.stderr
    assert sorted((home.attestations / "S-2026-MGMT-09").iterdir()) == before
    # A first issue replaces nothing. Its day is that of the display time zone, on a machine where it is another one.
    now = datetime.now(ZoneInfo("Europe/Paris"))
    monkeypatch.setenv("TZ", "Etc/GMT-14" if now.hour >= 12 else "Etc/GMT+12")
    issued = result_of(run_opco("attest", "S-2026-XLS-06", "--json", home=home.folder))
    manifest = json.loads((Path(issued["folder"]) / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["issue_number"] == 1
    assert now.date().isoformat() <= manifest["issued_on"] <= datetime.now(ZoneInfo("Europe/Paris")).date().isoformat()
    roll_back(home.published, newest)
    # Nothing changed; and what does is made.
    attest = ("attest", "S-2026-MGMT-09", "--json")
    assert result_of(run_opco(*attest, home=home.folder))["issue_number"] == 2
    assert result_of(run_opco(*attest, "--place", "Saint-Malo", home=home.folder))["issue_number"] == 3


@pytest.mark.parametrize(
    ("today", "settings", "due"),
    [
        ("2026-10-31", {}, set()),
        ("2026-11-01", {}, {"S-2026-MGMT-09"}),
        ("2026-10-31", {"attest_after_days": 1}, {"S-2026-MGMT-09"}),
        ("2026-11-01", {"attest_for_days": 0}, {"S-2026-MGMT-09"}),
        ("2026-11-02", {"attest_for_days": 0}, set()),
        ("2026-11-02", {"attest_for_days": 200}, {"S-2026-XLS-06", "S-2026-MGMT-09"}),
        # The session that ended on the 13th waits for data delivered after that.
        ("2026-11-20", {}, {"S-2026-MGMT-09"}),
    ],
)
def test_sessions_are_due_some_days_after_their_last_day_and_for_some_days(
    demo_home: Path, today: str, settings: dict[str, int], due: set[str]
) -> None:
    nightly = NightlySettings.model_validate(settings)
    assert set(ended_sessions(Home(demo_home), nightly, date.fromisoformat(today)).due) == due


def evaluated(home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Evaluate the nightly schedule for half past midnight of the 18th in Paris."""
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    (schedule,) = nightly_definitions().schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    due = datetime(2026, 11, 17, 23, 30, tzinfo=UTC)
    return schedule.evaluate_tick(dg.build_schedule_context(instance=instance, scheduled_execution_time=due))


def run_of(
    instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    """Record a run as the daemon does."""
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("orchestration"), "__repository__")
    job_origin = origin.get_job_origin(job)
    run: dg.DagsterRun = create_run_for_test(
        instance, job_name=job, status=status, tags=tags, remote_job_origin=job_origin
    )
    return run


def test_the_schedule_is_that_of_the_settings(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    (schedule,) = nightly_definitions().schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 2 * * *", "Europe/Paris")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    monkeypatch.setenv("OPCO_NIGHTLY__ENABLED", "false")
    monkeypatch.setenv("OPCO_NIGHTLY__TIMEZONE", "Indian/Reunion")
    (schedule,) = nightly_definitions().schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.execution_timezone == "Indian/Reunion"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_a_night_is_of_the_day_for_which_it_was_due(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance(Home(tmp_path)) as instance:
        (request,) = evaluated(home, instance, monkeypatch).run_requests
    assert request.run_config == {"ops": {"nightly_exports": {"config": {"today": "2026-11-18"}}}}


def test_a_run_that_waits_or_lives_keeps_the_night_away_and_a_dead_one_does_not(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, queued = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.QUEUED
    with open_instance(Home(tmp_path)) as instance:
        for status, of_whom, begins in (
            (queued, "nobody", False),
            (started, "living", False),
            (started, "dead", True),
            (started, "nobody yet", False),
            (dg.DagsterRunStatus.SUCCESS, "nobody", True),
        ):
            run = run_of(instance, "nightly", status)
            with living(home, run.run_id) if of_whom == "living" else nullcontext():
                if of_whom == "dead":
                    (home.living_runs / run.run_id).touch()
                tick = evaluated(home, instance, monkeypatch)
            assert bool(tick.run_requests) is begins, (status, of_whom)
            assert begins or run.run_id in tick.skip_message
            instance.delete_run(run.run_id)


def test_a_night_goes_before_a_backfill(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    (job,) = nightly_definitions().jobs or ()
    assert int((job.tags or {})["dagster/priority"]) > 0


def test_a_run_with_the_tag_waits_for_the_build_that_is_under_way(tmp_path: Path) -> None:
    mine = Home(tmp_path)
    mine.build.mkdir(parents=True)

    @dg.op(required_resource_keys={"build_lock"})
    def step() -> None:
        assert running_build(mine) == os.getpid()

    @dg.job(resource_defs=run_resources(mine))
    def building() -> None:
        step()

    # A build that ends in the third second; the job without the tag is refused at once.
    other = subprocess.Popen(["flock", str(mine.build / "build.lock"), "sleep", "3"])
    while running_build(mine) is None:
        time.sleep(0.05)
    with dg.DagsterInstance.ephemeral() as instance:
        assert not building.execute_in_process(instance=instance, raise_on_error=False).success
        assert other.poll() is None
        assert building.execute_in_process(instance=instance, tags=WAITS).success
    assert other.wait() == 0


def test_a_delivery_asks_for_one_build(home: Home, tmp_path: Path) -> None:
    mine = Home(tmp_path)
    now = datetime(2026, 11, 17, 4, 5, tzinfo=UTC)
    with dg.DagsterInstance.ephemeral() as instance:

        def look(cursor: str | None, minute: int) -> dg.SensorResult:
            return look_for_a_delivery(mine, instance, cursor, now + timedelta(minutes=minute))

        def why(result: dg.SensorResult) -> str:
            assert not result.run_requests
            return (result.skip_reason and result.skip_reason.skip_message) or ""

        assert "build.raw_folder names no folder" in why(look(None, 0))
        mine.settings_file.write_text('[build]\nraw_folder = "raw"\n')
        assert f"{tmp_path / 'raw'} cannot be read now" in why(look(None, 0))
        (tmp_path / "raw").mkdir()
        (tmp_path / "raw" / "users.csv").write_text("user_id\n")
        (tmp_path / "raw" / "_DONE").touch()
        arriving = look(None, 1)
        assert "A delivery arrives" in why(arriving)
        complete = look(arriving.cursor, 2)
        (request,) = complete.run_requests or ()
        assert request.run_key is not None
        assert why(look(complete.cursor, 3)) == "No new delivery."
        # Without the cursor the run's key still says that it was asked for.
        (again,) = look(arriving.cursor, 3).run_requests or ()
        assert again.run_key == request.run_key
        os.utime(tmp_path / "raw" / "_DONE", (1, 1))
        arriving = look(complete.cursor, 4)
        (other,) = look(arriving.cursor, 5).run_requests or ()
        assert other.run_key not in (None, request.run_key)
        # A run that has been asked for and has not begun is waited for too.
        run = run_of(instance, "build", dg.DagsterRunStatus.QUEUED)
        assert why(look(arriving.cursor, 6)) == f"A delivery is complete and waits for the run {run.run_id} (build)."


def test_the_partitions_follow_the_build_that_readers_see(
    home: Home, first_night: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    sensor = sessions_sensor()
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(NAME, ["S-2026-XLS-06", "S-GONE"])

        def tick(cursor: str | None) -> Any:
            return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))

        first = tick(None)
        asked = {type(one).__name__: one.partition_keys for one in first.dynamic_partitions_requests}
        assert asked == {
            "AddDynamicPartitionsRequest": ["S-2026-CYB-09", "S-2026-MGMT-09", "S-2026-MGMT-10", "S-2026-XLS-10"],
            "DeleteDynamicPartitionsRequest": ["S-GONE"],
        }
        assert first.cursor == home.warehouse.resolve().name

        def refuse(*arguments: object, **more: object) -> None:
            raise AssertionError("the warehouse was opened")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(duckdb, "connect", refuse)
            still = tick(first.cursor)
        assert not still.dynamic_partitions_requests
        assert still.skip_message == f"The published build is still {home.warehouse.resolve().stem}."
        # One that goes back is followed as well.
        assert tick("20991231T000000Z-later.duckdb").dynamic_partitions_requests


def test_sessions_that_the_platform_deleted_keep_their_partition(tmp_path: Path) -> None:
    published = tmp_path / "opco.duckdb"
    with duckdb.connect(str(published)) as connection:
        connection.execute(
            "create table warehouse_build as select 1 as build_id; create table load_reconciliation (files bigint)"
        )
        connection.execute(
            "create table dim_program_sessions as select * from (values ('S-1', true), ('S\t2', false)) "
            "as sessions (session_id, is_gone)"
        )
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(NAME, ["S-1", "S-3"])
        keep_in_step(instance, published)
        assert set(instance.get_dynamic_partitions(NAME)) == {"S-1", "S%092"}


def test_a_partition_that_is_no_session_any_more_says_what_to_do(
    home: Home, first_night: dict[str, Any], definitions: dg.Definitions
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(NAME, ["S-2025-MGMT-09"])
        done = definitions.resolve_job_def("attestations").execute_in_process(
            instance=instance, partition_key="S-2025-MGMT-09", raise_on_error=False
        )
        (failure,) = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    # The words alone, without where in the program they were said.
    assert failure.error is not None
    assert (failure.error.cause, failure.error.stack) == (None, [])
    said = failure.error.message
    refused = run_opco("attest", "S-2025-MGMT-09", home=home.folder)
    assert refused.returncode == 2
    for words in (said, refused.stderr):
        assert "There is no session 'S-2025-MGMT-09' in the published warehouse. The nearest are: S-2026-MGMT-" in words
        assert "build again if this one was delivered since" in words
        assert "opco issues S-2025-MGMT-09" in words
    assert not (home.attestations / "S-2025-MGMT-09").exists()
