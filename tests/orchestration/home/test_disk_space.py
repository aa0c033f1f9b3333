"""Memory that does not suffice is told with what can be set here, not with DuckDB's own advice."""

from __future__ import annotations

from functools import partial
from typing import Any

import duckdb
import pytest

from orchestration.defs.warehouse.dbt_project import ask_build_file, explain_memory_shortage, failures
from orchestration.defs.warehouse.dbt_run import NodeResult
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings


def said_by_duckdb() -> str:
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '8MB'")
        connection.execute("set temp_directory = ''")
        with pytest.raises(duckdb.OutOfMemoryException) as error:
            connection.execute("create table t as select range as i, random()::varchar as s from range(3000000)")
    return str(error.value)


def no_rows(query: str) -> list[Any]:
    raise AssertionError(f"asked: {query}")


def test_a_build_that_lacks_memory_says_which_setting_to_change(home: Home) -> None:
    said = said_by_duckdb()
    assert "SET memory_limit" in said
    result = NodeResult("model.opco.stg_users", "error", f"Runtime Error in model\n  {said}", 0.1, None, "select 1")
    (line,) = failures([result], no_rows)
    assert line.startswith("stg_users: Runtime Error in model Out of Memory Error: could not allocate block")
    assert "SET " not in line
    assert "http" not in line
    remedy = explain_memory_shortage(line, load_settings(home))
    assert remedy is not None
    assert "4GB with 2 threads: raise build.memory_limit, or lower build.threads" in remedy
    assert explain_memory_shortage("stg_users: Database Error in model", load_settings(home)) is None


def test_a_test_that_fails_names_what_does_not_hold(home: Home) -> None:
    home.build.mkdir(parents=True)
    with duckdb.connect(str(home.build_file)) as db:
        db.execute("create table broken as select 'unique: user_id' as expectation, 2 as broken")
    query = "select 'not_null: email' as expectation, 1 as broken union all select * from broken"
    failed = NodeResult("test.opco.dim_learners_expectations", "fail", "Got 2 results", 0.1, 2, query)
    passed = NodeResult("test.opco.dim_courses_expectations", "pass", "OK", 0.1, 0, query)
    (line,) = failures([failed, passed], partial(ask_build_file, home.build_file))
    assert line == "dim_learners_expectations: not_null: email (1 value); unique: user_id (2 values). Got 2 results"
