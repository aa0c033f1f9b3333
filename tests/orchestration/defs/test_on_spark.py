"""A build on Spark, told without Spark."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from orchestration.defs.warehouse.dbt_run import DbtResult, NodeResult
from orchestration.defs.warehouse.on_spark import told, why_spark_stopped
from orchestration.home.paths import Home
from tests.commands import Opco, result_of
from warehouse.archive import Manifest
from warehouse.errors import OpcoError
from warehouse.lake import send_archive

REFUSED = """Runtime Error in model dim_learners (models/marts/dim_learners.sql)
  Runtime Error
    [COLUMN_ALREADY_EXISTS] The column `ville` already exists. SQLSTATE: 42711; line 3 pos 2;
    'CreateTable
    +- 'Project [*]
"""


class Session:
    """A session that answers, or one whose JVM is gone."""

    def __init__(self, rows: list[tuple[Any, ...]] | None) -> None:
        self.rows = rows

    def sql(self, query: str) -> Session:
        return self

    def collect(self) -> list[tuple[Any, ...]]:
        if self.rows is None:
            raise ConnectionRefusedError
        return self.rows


def test_without_spark_nothing_is_begun(opco: Opco, raw_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    built = result_of(opco("build", "--raw", raw_folder, "--json", home=home))
    # Where Spark is installed, no Java is found.
    os.environ["JAVA_HOME"] = str(tmp_path)
    refused = opco("build", "--raw", raw_folder, "--engine", "spark", home=home)
    assert refused.returncode == 2
    assert re.search(r"no pyspark\. Nothing was built|there is no Java here", refused.stderr)
    # The build file and what it says of the last build are as they were.
    again = result_of(opco("build", "--raw", raw_folder, "--json", home=home))
    assert built["full_refresh_reason"] == "there is no complete build to start from"
    assert again["full_refresh_reason"] is None


def test_a_folder_of_a_cluster_that_cannot_be_reached_is_told() -> None:
    with pytest.raises(OpcoError, match=r"s4://b \(build\.spark_folder\) cannot be read"), told("s4://b"):
        send_archive(Path(), Manifest(), Path("b1"), "s4://b")


def node(status: str, message: str, query: str = "") -> NodeResult:
    return NodeResult("model.opco_warehouse.dim_learners", status, message, 1.0, None, query)


def test_what_spark_refuses_is_told_without_its_plan(home: Home) -> None:
    said = why_spark_stopped(DbtResult("id", (node("error", REFUSED),), None), Session([]), home)
    assert "dim_learners: Runtime Error in model" in said
    assert "[COLUMN_ALREADY_EXISTS] The column `ville` already exists." in said
    assert "Project" not in said
    assert "what was published before stays" in said
    assert "--engine duckdb" in said


def test_expectations_that_do_not_hold_are_asked_of_spark(home: Home) -> None:
    failed = node("fail", "Got 1 result", "select 'x' as expectation")
    said = why_spark_stopped(DbtResult("id", (failed,), None), Session([("unique: user_id", 2)]), home)
    assert "unique: user_id (2 values)" in said


def test_of_a_session_that_is_gone_that_is_told_and_no_node(home: Home) -> None:
    said = why_spark_stopped(DbtResult("id", (node("error", REFUSED),), None), Session(None), home)
    assert said.startswith("Spark ended before the build did")
    assert "dim_learners" not in said
    assert str(home.build / "dbt" / "spark.log") in said
