from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from benchmarks.faults import make_build_file
from connectors.delivery import deliver
from opco.status import age, status_of
from orchestration.defs.warehouse.assets import damaged
from orchestration.home.disk_space import explain_full_disk
from orchestration.home.paths import Home
from orchestration.home.sources import sources_folder
from orchestration.runs import dead_runs
from orchestration.runs.dead_runs import close_dead_runs, require_on_record
from orchestration.runs.jobs import open_instance
from orchestration.runs.resources import run_resources
from tests.commands import Opco, result_of
from tests.connectors.test_delivery import START, ListSource
from warehouse.errors import OpcoError
from warehouse.files import try_lock
from warehouse.project import PROJECT_DIR
from warehouse.publish import publish


def test_the_status_of_a_built_home(campus_home: Path) -> None:
    result = status_of(Home(campus_home), datetime(2026, 11, 21, 1, tzinfo=UTC), to_the_last_byte=True)
    published = result.published
    assert published is not None
    assert (result.ok, published.connections, published.learners, published.sessions) == (True, 626, 52, 4)
    assert (published.data_as_of, published.data_age_seconds) == ("2026-11-20T22:00:00Z", 3 * 3600)
    assert [build.is_published for build in result.builds] == [True, False]
    assert result.load is not None
    assert result.load.load_number == 2
    lines = "\n".join(result.lines())
    assert "Data      loaded on 2026-11-20T22:00:00Z, 3 h ago; last activity 2026-11-19T14:31:45Z, 34 h ago" in lines
    assert "Running   no build" in lines


def test_the_status_of_what_an_earlier_release_published(home: Home) -> None:
    file = home.published / "builds" / "20250101T000000Z-00000000.duckdb"
    file.parent.mkdir(parents=True)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table warehouse_build as select ? as build_id", [file.stem])
    home.warehouse.symlink_to(file.relative_to(home.published))
    result = status_of(home, datetime(2026, 11, 21, 1, tzinfo=UTC), to_the_last_byte=False)
    assert (result.ok, result.published) == (False, None)
    assert "opco rebuild" in str(result.fault)


def test_the_status_of_an_empty_home(opco: Opco, tmp_path: Path) -> None:
    finished = opco("status", home=tmp_path)
    assert finished.returncode == 1
    assert "nothing was published yet" in finished.stdout
    assert "opco build --raw FOLDER" in finished.stdout
    assert list(tmp_path.iterdir()) == []


def test_each_source_says_how_old_its_last_activity_is(home: Home) -> None:
    home.settings_file.write_text("[sources.moodle-log]\n[sources.other]\nkind = 'moodle-log'\n")
    deliver(sources_folder(home), {"moodle-log": ListSource()}, home=home.folder, started_at=START)
    result = status_of(home, datetime(2026, 11, 21, 1, tzinfo=UTC), to_the_last_byte=False)
    assert [line for line in result.lines() if line.startswith("Source")] == [
        "Source    moodle-log: last activity 2026-11-02 04:00 UTC, pulled 2026-11-02 04:00 UTC",
        "Source    other: never pulled",
    ]


def test_the_status_where_dagster_cannot_tell(home: Home) -> None:
    with open_instance(home):
        pass
    (home.dagster / "history" / "runs.db").write_bytes(b"\xff" * 5000)
    result = status_of(home, datetime(2026, 11, 21, 1, tzinfo=UTC), to_the_last_byte=False)
    assert (result.fault, result.runs) == ("nothing was published yet", [])
    assert "last runs not shown: Dagster's history of runs is damaged" in "\n".join(result.lines())


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 days"),
    ],
)
def test_ages(seconds: int, message: str) -> None:
    assert age(seconds) == message


# Lives like a run until it is killed, in a process that may have any number.
LIVES = """
import sys, time
from pathlib import Path
from orchestration.runs.dead_runs import live
from orchestration.home.paths import Home
for run_id in sys.argv[2:]:
    live(Home(Path(sys.argv[1])), run_id)
print(flush=True)
time.sleep(600)
"""


def test_runs_of_killed_processes_are_recorded_as_ended(home: Home) -> None:
    def recorded(name: str, status: dg.DagsterRunStatus) -> str:
        job = dg.job(name=name)(lambda: None)
        return str(instance.create_run_for_job(job, status=status).run_id)

    with open_instance(home) as instance:
        begun = recorded("exports", dg.DagsterRunStatus.STARTED)
        starting = recorded("attestations", dg.DagsterRunStatus.STARTING)
        canceling = recorded("cleaning", dg.DagsterRunStatus.CANCELING)
        created = recorded("build", dg.DagsterRunStatus.NOT_STARTED)
        runs = [begun, starting, canceling, created]
        process = subprocess.Popen(
            [sys.executable, "-c", LIVES, str(home.folder), *runs], stdout=subprocess.PIPE, cwd=PROJECT_DIR
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            assert close_dead_runs(home, instance) == []
            process.kill()
        assert set(close_dead_runs(home, instance)) == set(runs)
        found = {run.run_id: run.status for run in instance.get_runs()}
        failed, canceled = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED
        assert found == {**dict.fromkeys(runs, failed), canceling: canceled}
        assert close_dead_runs(home, instance) == []
        assert list(home.living_runs.iterdir()) == []


@pytest.mark.parametrize(("minutes", "is_dead"), [(0, False), (9, False), (11, True), (-60 * 24 * 30, True)])
def test_a_run_that_never_told_that_it_lives_is_waited_for_a_while(
    home: Home, monkeypatch: pytest.MonkeyPatch, minutes: int, is_dead: bool
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            return super().now(tz) + timedelta(minutes=minutes)

    with open_instance(home) as instance:
        job = dg.job(name="exports")(lambda: None)
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING)
        monkeypatch.setattr(dead_runs, "datetime", Later)
        assert close_dead_runs(home, instance) == ([run.run_id] if is_dead else [])


def test_every_job_tells_that_its_run_lives(home: Home) -> None:
    @dg.op(required_resource_keys={"home"})
    def look() -> None:
        (path,) = home.living_runs.iterdir()
        with path.open() as stream:
            assert not try_lock(stream, shared=True)

    @dg.job(resource_defs=run_resources(home))
    def exports() -> None:
        look()

    with open_instance(home) as instance:
        assert exports.execute_in_process(instance=instance).success
    from orchestration.defs.cleaning.job import cleaning

    for op in cleaning.all_node_defs:
        assert isinstance(op, dg.OpDefinition)
        assert "home" in op.required_resource_keys


def test_a_run_that_was_deleted_or_ended_meanwhile_shows_nothing(home: Home) -> None:
    with open_instance(home) as instance:
        job = dg.job(name="build")(lambda: None)
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        require_on_record(instance, run.run_id)
        instance.report_run_canceled(run)
        with pytest.raises(OpcoError, match="was recorded as canceled while it was at work"):
            require_on_record(instance, run.run_id)
        instance.delete_run(run.run_id)
        with pytest.raises(OpcoError, match="was deleted while it was at work"):
            require_on_record(instance, run.run_id)


def test_a_full_disk_is_told_from_other_failures(tmp_path: Path) -> None:
    inner = OSError(28, "No space left on device")
    outer = RuntimeError("the step failed")
    outer.__cause__ = inner
    inner.__context__ = outer  # a ring, as libraries make them
    assert "The disk ran full" in str(explain_full_disk(outer, tmp_path))
    assert explain_full_disk(RuntimeError("the step failed"), tmp_path) is None


def test_rolling_back_by_command(campus_home: Path, tmp_path: Path, opco: Opco) -> None:
    import shutil

    home = tmp_path / "home"
    shutil.copytree(campus_home / "var/published", home / "var/published", symlinks=True)
    before = (home / "var/published/opco.duckdb").resolve()
    rolled = result_of(opco("rollback", "--json", home=home))
    assert (home / "var/published/opco.duckdb").resolve() == Path(rolled["published"]["path"]) != before
    gone = opco("rollback", "20200101T000000Z-00000000", home=home)
    assert gone.returncode == 2
    assert "is not kept" in gone.stderr
    assert before.stem in gone.stderr


def test_a_published_file_that_somebody_changed_is_no_damage(home: Home) -> None:
    build_file = home.folder / "build.duckdb"
    make_build_file(build_file, "b1", 5)
    publish(build_file, home.published, "b1", 3)
    file = home.warehouse.resolve()
    times, content = file.stat(), file.read_bytes()
    assert damaged(home) is None

    file.chmod(0o640)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table notes as select 1 as mine")
    os.utime(file, (times.st_mtime + 60, times.st_mtime + 60))
    # The next build goes on from the last one.
    assert damaged(home) is None
    result = status_of(home, datetime.now(UTC), to_the_last_byte=True)
    assert (result.ok, result.is_changed) == (False, True)
    lines = "\n".join(result.lines())
    assert "Published CHANGED SINCE: somebody wrote to it at " in lines
    assert "Nothing is issued from it. Each build publishes a new one; at once: opco rebuild" in lines

    file.write_bytes(b"\0" + content[1:])
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "is damaged: its checksum" in str(damaged(home))
    result = status_of(home, datetime.now(UTC), to_the_last_byte=True)
    assert "Published NOT READABLE: its checksum" in "\n".join(result.lines())
