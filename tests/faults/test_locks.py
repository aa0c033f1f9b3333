"""Two builds at once, and locks and records of processes that died."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestration.home.lock import build_lock
from orchestration.home.paths import Home
from tests.commands import CAMPUS, Opco, result_of
from warehouse.project import PROJECT_DIR

HOLD = """
import sys, time
from pathlib import Path
from orchestration.home.paths import Home
from orchestration.home.lock import build_lock
with build_lock(Home(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""
LOOK = """
import sys
from pathlib import Path
from orchestration.home.paths import Home
from orchestration.home.lock import running_build
home = Home(Path(sys.argv[1]))
print("looks", flush=True)
seen = {running_build(home) for _ in range(20_000)}
print(sorted(seen, key=str), flush=True)
while True:
    running_build(home)
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


def test_attestations_of_several_sessions_are_issued_at_once_and_beside_a_build(
    opco: Opco, demo_home: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(demo_home, home, symlinks=True)
    sessions = ("S-2026-XLS-06", "S-2026-MGMT-09", "S-2026-CYB-09")
    builder = _started(HOLD, home)
    try:
        with ThreadPoolExecutor(len(sessions)) as pool:
            finished = list(pool.map(lambda session: opco("attest", session, "--json", home=home), sessions))
    finally:
        builder.kill()
        builder.communicate()
    results = [result_of(one) for one in finished]
    assert [one["issue_number"] for one in results] == [1, 1, 1]
    assert all(one["documents"] > 0 for one in results)
    verified = [result_of(opco("verify", one["folder"], "--json", home=home)) for one in results]
    assert [one["documents"] for one in verified] == [one["documents"] for one in results]
