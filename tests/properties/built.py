"""Raw folders in, marts out, in about a second: dbt compiles the project once, its own SQL then runs in this process.

Loading is the project's (`load_delivery`, `prepare_build_file`) and so is every statement, dbt's data tests included;
only dbt's own start-up is left out. Models are compiled for an empty build file: as a full build, and without the
columns of custom fields in `fct_opco_connections`, which dbt reads from the file it builds in. Raw folders used here
deliver no custom fields.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from orchestration.dbt_project import dbt_environment, dbt_executable, dbt_target, dbt_variables
from orchestration.home import Home
from orchestration.settings import load_settings
from warehouse.archive import load_delivery
from warehouse.build_file import BUILD_FILE, BuildIdentity, open_build_file, prepare_build_file
from warehouse.contract import raw_tables
from warehouse.project import PROJECT_DIR

CLOCK = datetime(2026, 11, 20, 8, 25, tzinfo=UTC)
FIRST_LOAD = datetime(2026, 11, 18, 22, tzinfo=UTC)

Cells = Mapping[str, str]
# Path in the raw folder (.csv or .jsonl) to the file's rows, in order.
RawFolder = Mapping[str, Sequence[Cells]]
Row = dict[str, Any]
# What tells builds of the same data apart: load times and build identity (T8).
IDENTITY = {"warehouse_build": None, "rejected_rows": "loaded_at"}


@dataclass(frozen=True)
class Project:
    """The project compiled for one set of settings: statements in the order of the DAG, and data tests by name."""

    statements: tuple[str, ...]
    checks: Mapping[str, str]


@dataclass(frozen=True)
class Built:
    """The tables of one build by name, each a list of rows, and the names of the project's data tests that failed."""

    tables: Mapping[str, list[Row]]
    failed_checks: tuple[str, ...]

    def book(self, table_name: str) -> Row:
        """Return the row of `load_balance` of one raw table."""
        return next(row for row in self.tables["load_balance"] if row["table_name"] == table_name)

    def marts(self, *, leave_out: Mapping[str, Sequence[str]] | None = None) -> dict[str, list[str]]:
        """Return every mart as sorted texts of rows, without build identity and load times, to be compared.

        `leave_out` names further columns by table.
        """
        return {
            name: sorted(
                repr({
                    column: value
                    for column, value in row.items()
                    if column not in (IDENTITY.get(name), *(leave_out or {}).get(name, ()))
                })
                for row in rows
            )
            for name, rows in self.tables.items()
            if IDENTITY.get(name, "") is not None and not name.startswith("stg_")
        }  # fmt: skip


def compile_project(folder: Path, rules: Mapping[str, str]) -> Project:
    """Compile the dbt project in `folder` (an empty one) with settings of the rules, such as max_connection_minutes."""
    home = Home(folder)
    settings = load_settings(home, {f"rules.{name}": value for name, value in rules.items()})
    home.build.mkdir(parents=True)
    finished = subprocess.run(
        [str(dbt_executable()), "compile", "--quiet", *dbt_variables(settings)],
        cwd=PROJECT_DIR,
        env={**os.environ, **dbt_environment(home, settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    nodes = json.loads((dbt_target(home) / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    models = {
        name: [parent for parent in node["depends_on"]["nodes"] if parent.startswith("model.")]
        for name, node in nodes.items()
        if node["resource_type"] == "model"
    }
    statements = [_seed(node) for node in nodes.values() if node["resource_type"] == "seed"]
    statements += [
        f"create table {nodes[name]['relation_name']} as\n{nodes[name]['compiled_code']}"
        for name in TopologicalSorter(models).static_order()
    ]
    checks = {node["name"]: node["compiled_code"] for node in nodes.values() if node["resource_type"] == "test"}
    return Project(tuple(statements), checks)


def build(project: Project, *deliveries: RawFolder) -> Built:
    """Load the deliveries one after the other into an empty archive, build once, and return the tables."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name:
        folder = Path(name)
        archive, build_file = folder / "archive", folder / BUILD_FILE
        for number, delivery in enumerate(deliveries, start=1):
            raw_folder = folder / f"raw-{number}"
            _write(delivery, raw_folder)
            load_delivery(raw_folder, archive, loaded_at=FIRST_LOAD + timedelta(hours=number))
        prepare_build_file(archive, build_file, BuildIdentity("build", CLOCK, CLOCK, FIRST_LOAD, len(deliveries)))
        with open_build_file(build_file) as connection:
            connection.execute("set threads = 1")
            # Never committed: nothing but this function reads the file.
            connection.execute("begin")
            for schema in ("staging", "intermediate", "marts"):
                connection.execute(f"create schema {schema}")
            for statement in project.statements:
                connection.execute(statement)
            names = connection.execute(
                """
                select schema_name, table_name from duckdb_tables()
                where schema_name = 'marts' or table_name in ('stg_course_connections', 'stg_learning_events')
                """
            ).fetchall()
            failed = [name for name, sql in project.checks.items() if connection.execute(sql).fetchone() is not None]
            return Built({table: _rows(connection, f"{schema}.{table}") for schema, table in names}, tuple(failed))


def _seed(node: Mapping[str, Any]) -> str:
    path = PROJECT_DIR / node["original_file_path"]
    return f"create table {node['relation_name']} as from read_csv('{path}', types = {node['config']['column_types']})"


def _write(delivery: RawFolder, folder: Path) -> None:
    for name, rows in delivery.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = raw_tables()[table_of(name)].column_names
        full = [{column: row.get(column, "") for column in columns} for row in rows]
        if path.suffix == ".jsonl":
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in full)
        else:
            lines = io.StringIO(newline="")
            writer = csv.DictWriter(lines, columns, lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(full)
            text = lines.getvalue()
        path.write_bytes(text.encode())


def table_of(path: str) -> str:
    """Return the raw table that a path in the raw folder belongs to."""
    return path.split("/", maxsplit=1)[0].split(".", maxsplit=1)[0]


def _rows(connection: duckdb.DuckDBPyConnection, relation: str) -> list[Row]:
    cursor = connection.execute(f"from {relation}")
    columns = [description[0] for description in cursor.description]
    return [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]
