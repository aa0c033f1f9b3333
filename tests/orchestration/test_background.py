"""Runs in the background, without their work: their states, one at a time, what is left by a machine that stops."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration import background
from orchestration.background import BackgroundRun, BackgroundRuns, FileProgress
from orchestration.home import Home
from warehouse.errors import UserError

WAIT_SECONDS = 30
ID = "20261125T035501000000-0123456789abcdef"


@pytest.fixture
def runs(home: Home) -> BackgroundRuns:
    return BackgroundRuns(home)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Put another program in the place of the one that runs the asset; it is given the run's folder."""
    real = subprocess.Popen

    def put(program: str) -> None:
        file = tmp_path / "worker.py"
        file.write_text(program, encoding="utf-8")

        def popen(command: list[str], **options: object) -> object:
            assert command[:3] == [sys.executable, "-m", "orchestration.background"]
            return real([sys.executable, str(file), command[3]], **options)  # type: ignore[call-overload]

        monkeypatch.setattr(subprocess, "Popen", popen)

    return put


SLEEPS = "import time; time.sleep(60)"
DIES = "import os; os._exit(9)"
TELLS = """
import sys, time
from pathlib import Path
from orchestration.background import FileProgress
progress = FileProgress(Path(sys.argv[1]) / "progress.json")
progress.stage("Making the attestations")
progress.at(3, 7)
progress.at(7, 7)
time.sleep(60)
"""
SUCCEEDS = """
import sys
from pathlib import Path
(Path(sys.argv[1]) / "result.json").write_text('{"ok": true, "result": {"rows": 1}}')
"""


def until(runs: BackgroundRuns, run: BackgroundRun, condition: Callable[[BackgroundRun], bool]) -> BackgroundRun:
    for _ in range(WAIT_SECONDS * 20):
        found = runs.find(run.order.run_id)
        assert found is not None
        if condition(found):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def kill_workers(home: Home) -> None:
    """Kill what holds the locks, as a machine that stops does."""
    for lock in home.background_runs.glob("*/lock"):
        for process in Path("/proc").iterdir():
            if process.name.isdecimal() and int(process.name) != os.getpid():
                try:
                    held = any(os.path.realpath(one) == str(lock.resolve()) for one in (process / "fd").iterdir())
                except OSError:
                    continue
                if held:
                    os.kill(int(process.name), signal.SIGKILL)


def test_a_run_tells_how_far_it_is_and_then_what_came_of_it(
    home: Home, runs: BackgroundRuns, worker: Callable[[str], None]
) -> None:
    worker(TELLS)
    run = runs.start("attestations", {"place": "Lyon"}, asked_by="awa@exemple.fr", session_id="S-1")
    assert run.status == "waiting"
    found = until(runs, run, lambda one: one.done == 7)
    assert (found.status, found.stage, found.total) == ("running", "Making the attestations", 7)
    assert (found.order.asked_by, found.order.config) == ("awa@exemple.fr", {"place": "Lyon"})
    kill_workers(home)
    assert until(runs, run, lambda one: one.is_over).status == "stopped"

    worker(SUCCEEDS)
    done = until(runs, runs.start("export", {}, asked_by="awa@exemple.fr"), lambda one: one.is_over)
    assert (done.status, done.result) == ("done", {"rows": 1})
    assert [one.order.kind for one in runs.latest()] == ["export", "attestations"]


def test_the_latest_comes_first_also_of_those_of_one_second(
    runs: BackgroundRuns, worker: Callable[[str], None]
) -> None:
    worker(SUCCEEDS)
    started = [runs.start("export", {"users": [str(n)]}, asked_by="awa@exemple.fr") for n in range(8)]
    assert [one.order for one in runs.latest()] == [one.order for one in reversed(started)]
    for run in started:
        until(runs, run, lambda one: one.is_over)


def test_one_making_of_a_session_at_a_time(home: Home, runs: BackgroundRuns, worker: Callable[[str], None]) -> None:
    worker(SLEEPS)
    first = runs.start("attestations", {"place": "Lyon"}, asked_by="a@exemple.fr", session_id="S-1")
    # Another server's process asks, too.
    again = BackgroundRuns(home).start("attestations", {"place": "Brest"}, asked_by="b@exemple.fr", session_id="S-1")
    other = runs.start("attestations", {}, asked_by="a@exemple.fr", session_id="S-2")
    try:
        assert again.order == first.order
        assert other.order.run_id != first.order.run_id
        assert runs.under_way("S-1") is not None
        assert runs.under_way("S-3") is None
    finally:
        kill_workers(home)
    until(runs, first, lambda one: one.is_over)
    assert runs.under_way("S-1") is None


def test_what_was_stopped_goes_on_but_not_for_ever_and_no_message_is_sent_twice(
    home: Home, runs: BackgroundRuns, worker: Callable[[str], None]
) -> None:
    worker(DIES)
    plain = runs.start("export", {"recipients": []}, asked_by="a@exemple.fr")
    mailed = runs.start("export", {"recipients": ["a@exemple.fr"]}, asked_by="a@exemple.fr")
    for run in (plain, mailed):
        until(runs, run, lambda one: one.status == "stopped")

    worker(SLEEPS)
    assert BackgroundRuns(home).resume() == 1
    until(runs, plain, lambda one: not one.is_over)
    # What is at work is left alone.
    assert BackgroundRuns(home).resume() == 0
    kill_workers(home)
    until(runs, plain, lambda one: one.status == "stopped")
    assert BackgroundRuns(home).resume() == 0


def test_pressed_twice_is_asked_once(home: Home, runs: BackgroundRuns, worker: Callable[[str], None]) -> None:
    worker(SLEEPS)
    config = {"users": ["u-1"], "recipients": ["a@exemple.fr"]}
    first = runs.start("export", config, asked_by="a@exemple.fr")
    try:
        assert runs.start("export", {**config}, asked_by="a@exemple.fr").order == first.order
        others = [
            runs.start("export", {**config, "users": []}, asked_by="a@exemple.fr"),
            runs.start("export", config, asked_by="b@exemple.fr"),
        ]
        assert len({one.order.run_id for one in (first, *others)}) == 3
    finally:
        kill_workers(home)
    until(runs, first, lambda one: one.is_over)
    again = runs.start("export", config, asked_by="a@exemple.fr")
    kill_workers(home)
    assert again.order.run_id != first.order.run_id


def test_what_nobody_waits_for_any_more_is_not_begun_again(
    home: Home, runs: BackgroundRuns, worker: Callable[[str], None]
) -> None:
    worker(DIES)

    def stopped(place: str, session_id: str) -> BackgroundRun:
        run = runs.start("attestations", {"place": place}, asked_by="a@exemple.fr", session_id=session_id)
        return until(runs, run, lambda one: one.is_over)

    first, corrected, other = stopped("Lyon", "S-1"), stopped("Brest", "S-1"), stopped("Lyon", "S-2")
    old = stopped("Lyon", "S-3")
    order = home.background_runs / old.order.run_id / "order.json"
    said = json.loads(order.read_text(encoding="utf-8"))
    order.write_text(json.dumps(said | {"asked_at": "2020-01-01T00:00:00Z"}), encoding="utf-8")
    after = BackgroundRuns(home)
    resumed = [one.order.run_id for one in after.latest() if after.will_resume(one)]
    # The order that came later holds: its inputs are not replaced by those that it corrected.
    assert resumed == [other.order.run_id, corrected.order.run_id]
    assert first.order.run_id not in resumed
    worker(SLEEPS)
    assert after.resume() == 2
    kill_workers(home)


def test_what_is_no_id_never_becomes_a_path(runs: BackgroundRuns, home: Home) -> None:
    (home.background_runs / "secret").mkdir(parents=True)
    (home.background_runs / "secret" / "order.json").write_text("{}", encoding="utf-8")
    for forged in ("secret", "../secret", "", "20261125T035501000000-", "/etc", f"{ID}/.."):
        assert runs.find(forged) is None


def test_the_worker_writes_what_went_wrong(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    place = home.background_runs / ID
    place.mkdir(parents=True)
    order = {"run_id": place.name, "kind": "export", "config": {}, "asked_by": "a@exemple.fr", "asked_at": ""}
    (place / "order.json").write_text(json.dumps(order), encoding="utf-8")
    monkeypatch.setenv("OPCO_HOME", str(home.folder))
    for error, is_mistake in ((UserError("No session."), True), (RuntimeError("broken"), False)):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(background, "_run", fail)
        assert background.work(place) is False
        run = BackgroundRuns(home).find(place.name)
        assert run is not None
        assert (run.status, run.is_mistake) == ("failed", is_mistake)
        assert str(error) in run.error


def test_progress_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    progress = FileProgress(tmp_path / "gone" / "progress.json")
    progress.stage("Exporting", 3)
    progress.step()
    progress.at(3, 3)
