"""Two builds at once, and locks and records of processes that died."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration import dbt_process
from orchestration.home import Home
from orchestration.locking import build_lock
from tests.conftest import CAMPUS, PROJECT_DIR, Opco
from warehouse.errors import OpcoError
from warehouse.files import is_alive

HOLD = """
import sys, time
from pathlib import Path
from orchestration.home import Home
from orchestration.locking import build_lock
with build_lock(Home(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""
LOOK = """
import sys
from pathlib import Path
from orchestration.home import Home
from orchestration.locking import running_build
home = Home(Path(sys.argv[1]))
print("looks", flush=True)
seen = {running_build(home) for _ in range(20_000)}
print(sorted(seen, key=str), flush=True)
while True:
    running_build(home)
"""
ORPHAN = """
import sys, time
from pathlib import Path
from orchestration.dbt_process import _locked, lock_file
from orchestration.home import Home
with _locked(lock_file(Home(Path(sys.argv[1])))) as is_free:
    print(is_free, flush=True)
    time.sleep(600)
"""


def _started(program: str, home: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", program, str(home)], stdout=subprocess.PIPE, cwd=PROJECT_DIR)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_who_only_looks_is_taken_for_no_build_and_keeps_none_from_beginning(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with build_lock(home):
        pass
    lookers = [_started(LOOK, tmp_path) for _ in range(2)]
    try:
        for looker in lookers:
            assert looker.stdout is not None
            assert looker.stdout.readline() == b"[None]\n"
        for _ in range(200):
            with build_lock(home):
                pass
    finally:
        for looker in lookers:
            looker.kill()
            looker.communicate()


@pytest.mark.parametrize("command", [["build", "--raw", str(CAMPUS / "2026-11-05")], ["rebuild"], ["rollback"]])
def test_a_second_build_says_which_process_builds(opco: Opco, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "var/build").mkdir(parents=True)
    holder = _started(HOLD, tmp_path)
    try:
        finished = opco(*command, home=tmp_path)
    finally:
        holder.kill()
        holder.communicate()
    assert finished.returncode == 1
    assert f"Another build is running in {tmp_path} (process {holder.pid})" in finished.stderr
    # The one that died blocks nobody: what is said next is what is wrong with the home itself.
    finished = opco("rollback", home=tmp_path)
    assert "Another build" not in finished.stderr
    assert "No published build is kept" in finished.stderr


def test_a_build_waits_for_the_dbt_of_a_killed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt_process, "PATIENCE_SECONDS", 0.3)
    orphan = _started(ORPHAN, tmp_path)
    try:
        with pytest.raises(OpcoError, match="still holds"):
            dbt_process.wait_for_an_orphan(Home(tmp_path))
    finally:
        orphan.kill()
        orphan.communicate()
    dbt_process.wait_for_an_orphan(Home(tmp_path))


STARTS_DBT = """
import os, subprocess, sys, time
from pathlib import Path
from orchestration.dbt_process import LOCK_VARIABLE, STARTED_BY_VARIABLE
lock = Path(sys.argv[1], "dbt.lock")
os.environ.update({STARTED_BY_VARIABLE: str(os.getpid()), LOCK_VARIABLE: str(lock)})
child = subprocess.Popen([sys.executable, "-c", sys.argv[2]])
while not lock.exists():
    time.sleep(0.05)
print(child.pid, flush=True)
time.sleep(600)
"""
ENDLESS_DBT = """
import time
import dbt.cli.main
from orchestration import dbt_process
dbt.cli.main.cli = lambda: time.sleep(600)
dbt_process.main()
"""


def test_dbt_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS_DBT, str(tmp_path), ENDLESS_DBT], stdout=subprocess.PIPE, cwd=PROJECT_DIR
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    time.sleep(1)
    assert is_alive(child)
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 30
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(child)
