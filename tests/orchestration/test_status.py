from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from orchestration.commands.published.closing import age, status_closing, status_lines
from orchestration.dead_runs import HOST_TAG, PROCESS_TAG, close_dead_runs, process_tags
from orchestration.home import Home
from orchestration.room import want_of_room
from orchestration.runs import open_instance
from tests.conftest import Opco, closing_line


def test_the_status_of_a_built_home(campus_home: Path) -> None:
    closing = status_closing(Home(campus_home), datetime(2026, 11, 21, 1, tzinfo=UTC), to_the_last_byte=True)
    published = closing["published"]
    assert (closing["ok"], published["connections"], published["learners"], published["sessions"]) == (True, 626, 52, 4)
    assert (published["data_as_of"], published["data_age_seconds"]) == ("2026-11-20T22:00:00Z", 3 * 3600)
    assert [build["is_published"] for build in closing["builds"]] == [True, False]
    assert closing["load"]["load_number"] == 2
    lines = "\n".join(status_lines(closing))
    assert "Data      as of 2026-11-20T22:00:00Z, 3 h ago" in lines
    assert "Running   no build" in lines


def test_the_status_of_an_empty_home(opco: Opco, tmp_path: Path) -> None:
    finished = opco("status", home=tmp_path)
    assert finished.returncode == 1
    assert "nothing was published yet" in finished.stdout
    assert "opco build --raw FOLDER" in finished.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_status_where_dagster_cannot_tell(home: Home) -> None:
    with open_instance(home):
        pass
    (home.dagster / "history" / "runs.db").write_bytes(b"\xff" * 5000)
    closing = status_closing(home, datetime(2026, 11, 21, 1, tzinfo=UTC), to_the_last_byte=False)
    assert (closing["fault"], closing["runs"]) == ("nothing was published yet", [])
    assert "last runs not told: Dagster's history of runs is damaged" in "\n".join(status_lines(closing))


@pytest.mark.parametrize(
    ("seconds", "said"),
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
def test_ages(seconds: int, said: str) -> None:
    assert age(seconds) == said


def test_runs_of_killed_processes_are_recorded_as_failed(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    tags = process_tags()
    with open_instance(home) as instance:
        created = {
            name: instance.create_run_for_job(
                dg.job(name=name)(lambda: None), tags={**tags, **change}, status=status
            ).run_id
            for name, change, status in (
                ("living", {}, dg.DagsterRunStatus.STARTED),
                ("dead", {PROCESS_TAG: str(dead.pid)}, dg.DagsterRunStatus.STARTED),
                ("dead_before_it_began", {PROCESS_TAG: str(dead.pid)}, dg.DagsterRunStatus.NOT_STARTED),
                ("elsewhere", {PROCESS_TAG: str(dead.pid), HOST_TAG: "another"}, dg.DagsterRunStatus.STARTED),
            )
        }
        dead_ones = {created["dead"], created["dead_before_it_began"]}
        assert set(close_dead_runs(instance)) == dead_ones
        for run_id in dead_ones:
            ended = instance.get_run_by_id(run_id)
            assert ended is not None
            assert ended.status == dg.DagsterRunStatus.FAILURE
        assert close_dead_runs(instance) == []


def test_a_full_disk_is_told_from_other_failures(tmp_path: Path) -> None:
    inner = OSError(28, "No space left on device")
    outer = RuntimeError("the step failed")
    outer.__cause__ = inner
    inner.__context__ = outer  # a ring, as libraries make them
    assert "The disk ran full" in str(want_of_room(outer, tmp_path))
    assert want_of_room(RuntimeError("the step failed"), tmp_path) is None


def test_rolling_back_by_command(campus_home: Path, tmp_path: Path, opco: Opco) -> None:
    import shutil

    home = tmp_path / "home"
    shutil.copytree(campus_home / "var/published", home / "var/published", symlinks=True)
    before = (home / "var/published/opco.duckdb").resolve()
    rolled = closing_line(opco("rollback", "--json", home=home))
    assert (home / "var/published/opco.duckdb").resolve() == Path(rolled["published"]["path"]) != before
    gone = opco("rollback", "20200101T000000Z-00000000", home=home)
    assert gone.returncode == 2
    assert "is not kept" in gone.stderr
    assert before.stem in gone.stderr
