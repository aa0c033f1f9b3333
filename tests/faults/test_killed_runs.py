"""Exports and attestation runs that are killed: no final name is half-written, and the next run cleans up."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

from benchmarks.faults import SESSION, export_home, kill_attestations, kill_exports, opco, succeed
from tests.commands import OPCO

ROWS = 300_000


def test_killed_exports(campus_home: Path, tmp_path: Path) -> None:
    home = export_home(tmp_path / "home", campus_home / "var/published/opco.duckdb", ROWS)
    files = tmp_path / "files"
    files.mkdir()
    chance = random.Random()
    while not kill_exports(home, files, ROWS, [chance.uniform(0.5, 5) for _ in range(4)])["killed"]:
        pass


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
    while not kill_attestations(home, [chance.uniform(0.5, 4) for _ in range(3)])["killed"]:
        pass


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
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGINT)
    said += running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert "Error: Interrupted: nothing was published or issued." in said
    assert "Traceback" not in said


def libraries_of_children(process: int) -> list[str]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    return [Path(f"/proc/{child}/maps").read_text(encoding="utf-8") for child in children]
