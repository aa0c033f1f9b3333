"""dbt's own unit tests, run against the campus build, which gives them the types of their inputs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestration.defs.warehouse.dbt_project import dbt_environment, dbt_executable
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from warehouse.project import PROJECT_DIR

pytestmark = pytest.mark.xdist_group("campus")


def test_every_unit_test_passes(campus_home: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.build_file.parent.mkdir(parents=True)
    shutil.copy(campus_home / "var/build/opco.duckdb", home.build_file)
    finished = subprocess.run(
        [str(dbt_executable()), "test", "--select", "test_type:unit"],
        cwd=PROJECT_DIR,
        env={**os.environ, **dbt_environment(home, load_settings(home))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    results = json.loads((home.build / "dbt" / "run_results.json").read_text(encoding="utf-8"))["results"]
    # What stands before the tests of a run given by hand is no test.
    statuses = [result["status"] for result in results if result["unique_id"].startswith("unit_test.")]
    assert len(statuses) >= 40
    assert set(statuses) == {"pass"}
