"""Progress where stderr is no terminal: a log, or a pipe."""

from __future__ import annotations

import re
import shutil
import threading
import time
from itertools import groupby
from pathlib import Path

import pytest

from opco import terminal
from opco.terminal import TerminalProgress
from orchestration.runs.json_logs import RUN_ID
from tests.commands import CAMPUS, run_opco


def test_a_stage_is_told_as_it_begins_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    progress.stage("Starting")
    progress.stage("Building", 3)
    for note in ("stg_users, stg_groups", "stg_groups", ""):
        progress.step(note)
    assert capsys.readouterr().err.splitlines() == ["Starting…", "Building… 0 of 3", "Building… 3 of 3"]


def test_a_long_stage_says_how_far_it_is_and_what_it_waits_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0)
    progress = TerminalProgress()
    progress.stage("Loading")
    progress.step()
    progress.at(1, 3, "users.csv[red]\x1b")
    assert capsys.readouterr().err.splitlines() == ["Loading…", "Loading…", "Loading… 1 of 3: users.csv[red]\ufffd"]


def test_a_step_that_takes_long_is_not_silent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.01)
    progress = TerminalProgress()
    lines: list[str] = []
    end = time.monotonic() + 60
    with progress.shown():
        progress.stage("Publishing", 1)
        while len(lines) < 3 and time.monotonic() < end:
            time.sleep(0.01)
            lines += capsys.readouterr().err.splitlines()
    assert {line.split(",")[0] for line in lines} == {"Publishing… 0 of 1"}
    assert len(lines) >= 3


def test_each_line_is_of_the_run_that_its_stage_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = TerminalProgress()
    runs: list[str | None] = []
    monkeypatch.setattr(progress._console, "print", lambda *_, **__: runs.append(RUN_ID.get()))
    # A run of a test before this one may stand there.
    RUN_ID.set(None)
    progress.stage("Starting")
    of_a_run = RUN_ID.set("run")
    progress.stage("Building", 1)
    RUN_ID.reset(of_a_run)
    # dbt tells of its nodes from threads of its own.
    other = threading.Thread(target=progress.step)
    other.start()
    other.join()
    assert runs == [None, "run", "run"]


@pytest.mark.parametrize(
    ("arguments", "stages"),
    [
        (("build", "--raw", CAMPUS / "2026-11-20"), ["Starting", "Loading", "Building", "Publishing"]),
        (("export",), ["Starting", "Exporting"]),
    ],
)
def test_the_first_line_of_a_stage_has_a_total_and_the_last_is_at_it(
    campus_home: Path, tmp_path: Path, arguments: tuple[str | Path, ...], stages: list[str]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(campus_home, home, symlinks=True)
    finished = run_opco(*arguments, home=home)
    assert finished.returncode == 0, finished.stderr
    lines = re.findall(r"^(\w+)… (\d+) of (\d+)", finished.stderr, flags=re.MULTILINE)
    assert len(lines) == finished.stderr.count("…")
    assert [stage for stage, _ in groupby(lines, key=lambda line: line[0])] == stages
    for _, told in groupby(lines, key=lambda line: line[0]):
        (_, first, total), *_, (_, last, last_total) = told
        assert (first, last) == ("0", last_total)
        assert total == last_total != "0"
