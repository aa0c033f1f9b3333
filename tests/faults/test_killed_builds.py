"""Builds that are killed: readers see the old build or the new one, whole; the next build needs no help."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.faults import (
    DELIVERIES,
    READER,
    Campus,
    build,
    check_killed_build,
    check_next_build,
    marts_of,
    readers,
)
from tests.commands import CAMPUS, result_of, run_opco


@pytest.fixture(scope="module")
def campus(campus_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Campus:
    home = tmp_path_factory.mktemp("first-delivery")
    first = DELIVERIES[0]
    result_of(run_opco("build", "--raw", CAMPUS / first, "--as-of", f"{first}T22:00:00Z", "--json", home=home))
    link = "var/published/opco.duckdb"
    return Campus(home, marts_of(home / link), marts_of(campus_home / link))


def _kill_in(process: subprocess.Popen[bytes], stage: str, share: float) -> None:
    """Kill a build after it said that a stage begins, and this share of the time that it took until then."""
    assert process.stderr is not None
    start = time.monotonic()
    for line in process.stderr:
        if line.decode().startswith(stage):
            break
    time.sleep(share * (time.monotonic() - start))
    assert process.poll() is None, "the build ended before it was killed"
    process.kill()
    process.communicate()


def test_a_build_killed_at_any_stage(campus: Campus) -> None:
    assert campus.old != campus.new
    chance = random.Random()
    link = str(campus.home / "var/published/opco.duckdb")
    with readers(READER, 1, link, f"{campus.old},{campus.new}") as answers:
        for stage, longest in (("Loading", 0.05), ("Building", 0.8), ("Publishing", 0.007)):
            _kill_in(build(campus.home, DELIVERIES[1]), stage, chance.uniform(0, longest))
            check_killed_build(campus, campus.home)
        check_next_build(campus, campus.home)
    assert sum(answers) > 0
    status = result_of(run_opco("status", "--json", "--check", home=campus.home))
    assert [run["status"] for run in status["runs"]] == ["success", "failure", "failure", "failure", "success"]
    assert status["build_running"] is None
