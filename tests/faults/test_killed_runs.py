"""Exports and attestation runs that are killed: no final name is half-written, and the next run cleans up."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.faults import SESSION, export_home, kill_attestations, kill_exports, opco, succeed
from tests.commands import OPCO
from warehouse.project import PROJECT_DIR

ROWS = 300_000


def test_killed_exports(campus_home: Path, tmp_path: Path) -> None:
    home = export_home(tmp_path / "home", campus_home / "var/published/opco.duckdb", ROWS)
    files = tmp_path / "files"
    files.mkdir()
    chance = random.Random()
    # The last one before anything can have been written, however fast the machine.
    counts = kill_exports(home, files, ROWS, [chance.uniform(0.1, longest) for longest in (5, 3, 1, 0.2)])
    assert counts["killed"] > 0


def test_leftovers_of_a_killed_export_are_removed(campus_home: Path, tmp_path: Path) -> None:
    home = export_home(tmp_path / "home", campus_home / "var/published/opco.duckdb", ROWS)
    files = tmp_path / "files"
    files.mkdir()
    while True:  # until one is killed while it writes
        process = opco("export", "--output", files / "killed.csv", home=home)
        while process.poll() is None and not list(files.glob(".killed.csv.*")):
            pass
        process.kill()
        process.communicate()
        if left := list(files.iterdir()):
            break
    assert all(path.name.startswith(".killed.csv.") for path in left)
    (files / ".theirs.4242.tmp").touch()
    succeed(opco("export", "--output", files / "next.csv", home=home))
    assert sorted(path.name for path in files.iterdir()) == [".theirs.4242.tmp", "next.csv", "next.csv.json"]


def test_killed_attestation_runs(campus_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(campus_home, home, symlinks=True, ignore=shutil.ignore_patterns("attestations"))
    chance = random.Random()
    counts = kill_attestations(home, [chance.uniform(0.1, longest) for longest in (5, 3, 0.2)])
    assert counts["killed"] > 0


def test_ctrl_c_ends_an_attestation_run_in_a_sentence(campus_home: Path) -> None:
    running = subprocess.Popen(
        [str(OPCO), "attest", SESSION, "--force", "--home", str(campus_home)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    # What makes documents is being loaded by another process of the group then.
    assert running.stderr is not None
    said = running.stderr.readline()
    assert said == "Starting… 0 of 3: loading Dagster\n"
    while not any("duckdb" in libraries for libraries in libraries_of_children(running.pid)):
        assert running.poll() is None
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    said += running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert "Error: Interrupted: nothing was published or issued." in said
    assert "Traceback" not in said


FORKED = """
import time
from concurrent.futures import ProcessPoolExecutor
from reports.issuing.processes import begin, context
print("ready", flush=True)
ProcessPoolExecutor(1, mp_context=context(), initializer=begin).submit(time.sleep, 1000)
"""


def test_no_process_outlives_a_run_that_is_killed_while_it_asks_for_one(tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", FORKED],
        stdout=subprocess.PIPE,
        cwd=PROJECT_DIR,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert running.stdout is not None
    running.stdout.readline()
    while not libraries_of_children(running.pid):
        assert running.poll() is None
    time.sleep(0.3)
    running.kill()
    # Whoever stays holds the pipe.
    assert running.communicate(timeout=60)[0] == b""


def test_modules_of_the_folder_in_which_a_command_is_called_are_not_run(campus_home: Path, tmp_path: Path) -> None:
    home, place = tmp_path / "home", tmp_path / "place"
    shutil.copytree(campus_home, home, symlinks=True)
    place.mkdir()
    for module in ("csv", "json", "reports", "signal"):
        (place / f"{module}.py").write_text("import os\nos.mkdir('was_run')\n")
    finished = subprocess.run(
        [str(OPCO), "attest", SESSION, "--force", "--home", str(home)],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert not (place / "was_run").exists()


def libraries_of_children(process: int) -> list[str]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    libraries = []
    for child in children:
        # One that decodes an image ends meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            libraries.append(Path(f"/proc/{child}/maps").read_text(encoding="utf-8"))
    return libraries
