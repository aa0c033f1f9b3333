"""Both engines from one archive: every table row for row, both ways, and the data tests and unit tests on both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.defs.warehouse.dbt_project import dbt_variables
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from tests.acceptance_spark.campuses import built_home, homes
from tests.acceptance_spark.running import run_dbt_on_spark
from warehouse.spark import create_raw, export_raw
from warehouse.sql import quoted_identifier, quoted_literal

LAYERS = ("staging", "intermediate", "marts")
# Spark counts rows and years as INT; nothing else may be of another type before the contract's cast.
WIDENED = {("INTEGER", "BIGINT")}
HOMES = homes()


@pytest.mark.parametrize("name", HOMES)
def test_every_table_is_equal_both_ways(session: Any, tmp_path: Path, name: str) -> None:
    chosen, deliveries = HOMES[name]
    home = Home(built_home(tmp_path, chosen, deliveries))
    folder = tmp_path / "spark"
    export_raw(home.build_file, folder)
    create_raw(session, home.build_file, str(home.archive), str(folder))
    variables = json.loads(dbt_variables(load_settings(home))[1])
    result = run_dbt_on_spark(folder, ["build", "--exclude-resource-type", "unit_test", "--full-refresh"], variables)
    failed = {one.node.name: one.message for one in result.result if one.status in ("error", "fail", "skipped")}
    assert failed == {}
    compared, different = compare(session, home.build_file, folder)
    assert different == {}
    assert compared > 80
    if name == "campus":
        # A branch of incremental builds is DuckDB's.
        unit_tests = ["test", "--select", "test_type:unit", "--exclude", "tag:incremental_build"]
        results = run_dbt_on_spark(folder, unit_tests, variables).result
        tested = [one for one in results if one.node.resource_type == "unit_test"]
        assert {one.node.name: one.message for one in tested if one.status != "pass"} == {}
        assert len(tested) >= 80


def compare(session: Any, build_file: Path, folder: Path) -> tuple[int, dict[str, object]]:
    """Return how many tables and views were compared, and by name what differs: types, or rows of either side."""
    different: dict[str, object] = {}
    with duckdb.connect(str(build_file), read_only=True) as db:
        tables = db.execute(
            "select distinct schema_name, table_name from duckdb_columns() where list_contains($layers, schema_name)",
            {"layers": LAYERS},
        ).fetchall()
        for schema, table in tables:
            name = f"{schema}.{table}"
            files = folder / "compared" / schema / table
            session.table(name).write.parquet(str(files))
            made = f"read_parquet({quoted_literal(files / '*.parquet')})"
            types = {column: kind for column, kind, *_ in db.execute(f"describe {name}").fetchall()}
            found = {column: kind for column, kind, *_ in db.execute(f"describe from {made}").fetchall()}
            others = {column: (found.get(column), kind) for column, kind in types.items() if found.get(column) != kind}
            if set(found) != set(types) or not set(others.values()) <= WIDENED:
                different[name] = others or set(found) ^ set(types)
                continue
            columns = ", ".join(quoted_identifier(column) for column in types)
            cast = ", ".join(
                f"cast({quoted_identifier(column)} as {kind}) as {quoted_identifier(column)}"
                for column, kind in types.items()
            )
            ours, theirs = f"select {columns} from {name}", f"select {cast} from {made}"
            rows = [
                db.execute(f"{one} except all {other} limit 2").fetchall()
                for one, other in ((ours, theirs), (theirs, ours))
            ]
            if rows != [[], []]:
                different[name] = rows
    return len(tables), different
