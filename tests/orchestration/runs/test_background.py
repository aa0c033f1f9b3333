"""Runs in the background, without their work: their states, one at a time, what is left by a machine that stops."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration import worker as page_worker
from orchestration.defs.attestations import issuing
from orchestration.home.paths import Home
from orchestration.home.sections.portal import RunSettings
from orchestration.runs import jobs
from orchestration.runs.background import BackgroundRun, BackgroundRuns, Kind, Order
from orchestration.runs.supervision import TOO_LARGE, TOO_LONG, FileProgress, supervise
from warehouse.errors import UserError
from warehouse.files import try_lock

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
            assert command[:3] == [sys.executable, "-m", "orchestration.runs.supervision"]
            return real([sys.executable, str(file), command[3]], **options)  # type: ignore[call-overload]

        monkeypatch.setattr(subprocess, "Popen", popen)

    return put


SLEEPS = "import time; time.sleep(60)"
DIES = "import os; os._exit(9)"
TELLS = """
import sys, time
from pathlib import Path
from orchestration.runs.supervision import FileProgress
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
    answer = json.loads(order.read_text(encoding="utf-8"))
    order.write_text(json.dumps(answer | {"asked_at": "2020-01-01T00:00:00Z"}), encoding="utf-8")
    after = BackgroundRuns(home)
    resumed = [one.order.run_id for one in after.latest() if after.will_resume(one)]
    # The order that came later holds: its inputs are not replaced by those that it corrected.
    assert resumed == [other.order.run_id, corrected.order.run_id]
    assert first.order.run_id not in resumed
    worker(SLEEPS)
    assert after.resume() == 2
    kill_workers(home)


RECORDS = """
import sys
from pathlib import Path
(Path(sys.argv[1]) / "made.json").unlink()
"""


def test_what_was_made_at_once_is_over_and_put_on_record_until_it_is_there(
    home: Home, runs: BackgroundRuns, worker: Callable[[str], None]
) -> None:
    def is_at_work() -> bool:
        with (home.background_runs / kept.order.run_id / "lock").open("a") as lock:
            return not try_lock(lock)

    worker(DIES)
    kept = runs.keep("export", {"users": []}, {"rows": 1}, '{"path": "x"}', asked_by="a@exemple.fr")
    place = home.background_runs / kept.order.run_id
    assert (kept.status, kept.result) == ("done", {"rows": 1})
    assert runs.find(kept.order.run_id) == kept
    while is_at_work():
        time.sleep(0.05)
    # The process that was to put it on record died: the next start of the portal begins another.
    assert (place / "made.json").read_text(encoding="utf-8") == '{"path": "x"}'
    worker(RECORDS)
    assert BackgroundRuns(home).resume() == 1
    while is_at_work():
        time.sleep(0.05)
    assert not (place / "made.json").exists()
    assert BackgroundRuns(home).resume() == 0
    assert BackgroundRuns(home).find(kept.order.run_id) == kept


def test_the_worker_puts_on_record_what_was_made(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    place = home.background_runs / ID
    place.mkdir(parents=True)
    order = {"run_id": place.name, "kind": "export", "config": {}, "asked_by": "a@exemple.fr", "asked_at": ""}
    (place / "order.json").write_text(json.dumps(order), encoding="utf-8")
    (place / "result.json").write_text('{"ok": true, "result": {"rows": 1}}', encoding="utf-8")
    (place / "made.json").write_text("{}", encoding="utf-8")

    def fail(*_: object) -> None:
        raise RuntimeError("The records cannot be written.")

    monkeypatch.setattr(page_worker, "run_order", fail)
    with pytest.raises(RuntimeError):
        page_worker.work(place)
    assert (place / "made.json").exists()
    told: list[object] = []
    monkeypatch.setattr(page_worker, "run_order", lambda *given: told.append(given[2]))
    assert page_worker.work(place)
    assert told == ["{}"]
    assert not (place / "made.json").exists()
    found = BackgroundRuns(home).find(ID)
    assert found is not None
    assert (found.status, found.result) == ("done", {"rows": 1})


@pytest.mark.parametrize(
    ("kind", "made", "begun"),
    [
        ("attestations", None, ["attestations"]),
        ("log", None, ["log"]),
        ("attestations", "{}", []),
        ("export", None, []),
    ],
)
def test_the_worker_begins_early_what_makes_documents(
    home: Home, monkeypatch: pytest.MonkeyPatch, kind: Kind, made: str | None, begun: list[str]
) -> None:
    monkeypatch.setenv("OPCO_HOME", str(home.folder))
    early: list[str] = []
    monkeypatch.setattr(issuing, "begin_early", lambda _home, _session_id, job, _config: early.append(job))
    monkeypatch.setattr(jobs, "open_instance", nullcontext)
    monkeypatch.setattr(jobs, "run_job", lambda *_arguments, **_options: {})
    order = Order(ID, kind, {}, "a@exemple.fr", "", session_id="S")
    page_worker.run_order(order, FileProgress(home.folder / "progress.json"), made)
    assert early == begun


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

        monkeypatch.setattr(page_worker, "run_order", fail)
        assert page_worker.work(place) is False
        run = BackgroundRuns(home).find(place.name)
        assert run is not None
        assert (run.status, run.is_mistake) == ("failed", is_mistake)
        assert str(error) in run.error


def test_progress_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    progress = FileProgress(tmp_path / "gone" / "progress.json")
    progress.stage("Exporting", 3)
    progress.step()
    progress.at(3, 3)


@pytest.fixture
def supervised(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Return what supervises, in this process, a run whose work is another program's; it returns the run's folder."""
    real = subprocess.Popen

    def run(program: str, seconds: float = 60, memory: int = 10**9) -> Path:
        place = home.background_runs / ID
        place.mkdir(parents=True, exist_ok=True)
        order = {"run_id": ID, "kind": "export", "config": {}, "asked_by": "a@exemple.fr", "asked_at": ASKED_AT}
        (place / "order.json").write_text(json.dumps(order), encoding="utf-8")
        file = tmp_path / "work.py"
        file.write_text(program, encoding="utf-8")

        def popen(command: list[str], **options: object) -> object:
            assert command[:3] == [sys.executable, "-m", "orchestration.worker"]
            return real([sys.executable, str(file), command[3]], **options)  # type: ignore[call-overload]

        monkeypatch.setattr(subprocess, "Popen", popen)
        with (place / "lock").open("a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            supervise(place, seconds, memory, lock.fileno())
        return place

    return run


ASKED_AT = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
SPINS = "while True: pass"
# What it begins takes the memory.
TAKES = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; held = bytearray(300_000_000); time.sleep(60)"])
time.sleep(60)
"""
SAYS_ITS_CHILD = """
import subprocess, sys, time
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(Path(sys.argv[1]) / "child").write_text(str(child.pid))
time.sleep(60)
"""


def test_a_run_that_used_up_its_time_ends_in_words_and_is_not_begun_again(
    home: Home, supervised: Callable[..., Path]
) -> None:
    place = supervised(SPINS, seconds=1)
    found = BackgroundRuns(home).find(ID)
    assert found is not None
    assert (found.status, found.is_mistake) == ("failed", True)
    assert found.error == TOO_LONG.format(0)
    # Killed before it could say so: the time of all starts counts together.
    (place / "result.json").unlink()
    runs = BackgroundRuns(home, RunSettings(minutes=1))
    assert (stopped := runs.find(ID))
    assert runs.will_resume(stopped)
    (place / "used.txt").write_text("60.0")
    assert not runs.will_resume(stopped)
    assert runs.resume() == 0
    supervised("raise AssertionError", seconds=60)
    assert (again := BackgroundRuns(home).find(ID))
    assert (again.status, again.error) == ("failed", TOO_LONG.format(1))


def test_a_run_whose_processes_take_too_much_memory_ends_in_words(home: Home, supervised: Callable[..., Path]) -> None:
    supervised(TAKES, memory=200 * 10**6)
    found = BackgroundRuns(home).find(ID)
    assert found is not None
    assert (found.status, found.error) == ("failed", TOO_LARGE.format(200))


def test_a_run_whose_process_dies_is_a_failure_and_one_that_is_stopped_goes_on(
    home: Home, supervised: Callable[..., Path]
) -> None:
    supervised("import os; os.kill(os.getpid(), 15)")
    assert (stopped := BackgroundRuns(home).find(ID))
    assert stopped.status == "stopped"
    supervised("import os; os.kill(os.getpid(), 9)")
    assert (died := BackgroundRuns(home).find(ID))
    assert (died.status, "signal 9" in died.error) == ("failed", True)


def test_what_is_cancelled_ends_with_all_that_it_began(home: Home, supervised: Callable[..., Path]) -> None:
    ended: list[BackgroundRun] = []

    def cancel() -> None:
        child = home.background_runs / ID / "child"
        while not child.exists() or not child.read_text():
            time.sleep(0.02)
        runs = BackgroundRuns(home)
        run = runs.find(ID)
        assert run is not None
        ended.append(runs.cancel(run, by="b@exemple.fr"))

    thread = threading.Thread(target=cancel)
    thread.start()
    place = supervised(SAYS_ITS_CHILD)
    thread.join()
    found = BackgroundRuns(home).find(ID)
    assert found is not None
    assert (found.status, found.cancelled_by, found.is_over) == ("cancelled", "b@exemple.fr", True)
    assert [one.status for one in ended] == ["cancelled"]
    stat = Path("/proc") / (place / "child").read_text() / "stat"
    # Killed; perhaps nobody has asked yet how it ended.
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    assert BackgroundRuns(home).resume() == 0


def test_what_waits_can_be_cancelled_and_takes_no_place(home: Home, supervised: Callable[..., Path]) -> None:
    home.background_runs.mkdir(parents=True)
    held = [(home.background_runs / f".slot-{number}").open("a", encoding="ascii") for number in range(2)]
    for stream in held:
        fcntl.flock(stream, fcntl.LOCK_EX)
    (home.background_runs / ID).mkdir()
    (home.background_runs / ID / "cancelled.json").write_text('{"by": "a@exemple.fr", "at": ""}')
    try:
        supervised("raise AssertionError")
    finally:
        for stream in held:
            stream.close()
    assert (found := BackgroundRuns(home).find(ID))
    assert found.status == "cancelled"


def test_work_never_outlives_who_watches_it() -> None:
    program = (
        "import sys, threading, time; from orchestration import worker;"
        "threading.Thread(target=worker.end_with_supervisor, daemon=True).start(); print(flush=True);"
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    process.stdin.close()
    assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
    process.stdout.close()
