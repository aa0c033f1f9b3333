"""Raw folders in, marts out, in about a second: dbt compiles the project once, its own SQL then runs in this process.

Loading is the project's (`load_delivery`, `prepare_build_file`) and so is every statement, dbt's data tests and the
incremental strategies included; only dbt's own start-up is left out. Models are compiled twice: for an empty build
file, as a full build, and for one that holds a build, as a build that goes on from it; both without the columns of
custom fields in `fct_opco_connections`, which dbt reads from the file it builds in. Raw folders used here deliver no
custom fields.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Container, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pytest

from orchestration.defs.warehouse.changed import nodes_to_run
from orchestration.defs.warehouse.dbt_project import dbt_environment, dbt_variables, parsed_project
from orchestration.defs.warehouse.dbt_run import run_dbt
from orchestration.home.paths import Home
from orchestration.home.settings import Settings, load_settings
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
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
# The least that a raw folder may hold.
LEAST: RawFolder = {
    "users.csv": (),
    "program_templates.csv": (),
    "program_sessions.csv": (),
    "courses.csv": (),
    "learning_events.csv": (),
    "course_connections.csv": (),
}


@dataclass(frozen=True)
class Model:
    """A model's id and statements: `full` makes its table or view anew, `further` (if incremental) goes on from it."""

    unique_id: str
    full: str
    further: tuple[str, ...]
    reads_snapshots: bool


@dataclass(frozen=True, repr=False)
class Project:
    """The project compiled for one set of settings: seeds, models in the order of the DAG, and data tests by name.

    `manifest` is dbt's, which says what rests on what.
    """

    seeds: tuple[str, ...]
    models: tuple[Model, ...]
    checks: Mapping[str, str]
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Built:
    """The tables of one build by name, each a list of rows, and the names of the project's data tests that failed."""

    tables: Mapping[str, list[Row]]
    failed_checks: tuple[str, ...]

    def reconciliation(self, table_name: str) -> Row:
        """Return the row of `load_reconciliation` of one raw table."""
        return next(row for row in self.tables["load_reconciliation"] if row["table_name"] == table_name)

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
    """Compile the dbt project in `folder` (an empty one) with settings of the rules, such as max_connection_minutes.

    Those of another section go by it, as credit.partial.
    """
    home = Home(folder)
    settings = load_settings(home, {name if "." in name else f"rules.{name}": value for name, value in rules.items()})
    home.build.mkdir(parents=True)
    nodes = _compiled(home, settings)
    manifest = json.loads(parsed_project(home).manifest.read_bytes())
    models = {
        name: [parent for parent in node["depends_on"]["nodes"] if parent.startswith("model.")]
        for name, node in nodes.items()
        if node["resource_type"] == "model"
    }
    order = [nodes[name] for name in TopologicalSorter(models).static_order()]
    seeds = tuple(_seed(node) for node in nodes.values() if node["resource_type"] == "seed")
    # Problems of the data are no mistakes of the models: they stand in the table `data_problems`.
    checks = {
        node["name"]: node["compiled_code"]
        for node in nodes.values()
        if node["resource_type"] == "test" and (node.get("test_metadata") or {}).get("name") != "no_problem"
    }
    in_full = Project(
        seeds, tuple(Model(node["unique_id"], _full(node), (), False) for node in order), checks, manifest
    )
    # Once more, for a build file that holds a build, of which no snapshot has changed since.
    with Bench(in_full, home.build) as bench:
        bench.load(LEAST)
        for incremental in (False, True):
            bench.build(CLOCK, incremental=incremental)
    going_on = _compiled(home, settings)
    return Project(
        seeds,
        tuple(
            Model(
                node["unique_id"],
                _full(node),
                _further(going_on[node["unique_id"]]),
                "reads_snapshots" in node["tags"],
            )
            for node in order
        ),
        checks,
        manifest,
    )


def build(
    project: Project,
    *deliveries: RawFolder | Path,
    clocks: Sequence[datetime] = (),
    kept_in: Path | None = None,
    identities: Mapping[str, int] | None = None,
) -> Built:
    """Load the deliveries one after the other into an empty archive, build once, and return the tables.

    A delivery is drawn, or a raw folder on the disk. Archive and build file stay in `kept_in`, an empty folder, if any.
    """
    place = nullcontext(kept_in) if kept_in else tempfile.TemporaryDirectory(dir=MEMORY)
    with place as name, Bench(project, Path(name), identities) as bench:
        for delivery in deliveries:
            bench.load(delivery)
        bench.build(clocks[-1] if clocks else CLOCK, incremental=False)
        return bench.built()


def build_one_by_one(
    project: Project,
    *deliveries: RawFolder,
    clocks: Sequence[datetime] = (),
    only_loaded: Container[int] = (),
    identities: Mapping[str, int] | None = None,
) -> Built:
    """Load and build each delivery, going on from the build before, and return the tables of the last build.

    `clocks` holds the clock of each build; default: always `CLOCK`. `only_loaded` has the places of deliveries that are
    loaded and not built: the next build takes them with its own.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY) as name, Bench(project, Path(name), identities) as bench:
        for number, delivery in enumerate(deliveries):
            bench.load(delivery)
            if number not in only_loaded:
                bench.build(clocks[number] if clocks else CLOCK, incremental=bench.builds > 0)
        return bench.built()


class Bench:
    """An archive and a build file in `folder`, with the build file open in this process."""

    def __init__(self, project: Project, folder: Path, identities: Mapping[str, int] | None = None) -> None:
        self.identities = identities
        self.project = project
        self.folder = folder
        self.loads = 0
        self.builds = 0
        # Which nodes the last build ran; None: all.
        self.ran: frozenset[str] | None = None
        self.connection = open_build_file(folder / BUILD_FILE)
        self.connection.execute("set threads = 1")
        for schema in ("staging", "intermediate", "marts"):
            self.connection.execute(f"create schema {schema}")
        for seed in project.seeds:
            self.connection.execute(seed)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def load(self, delivery: RawFolder | Path) -> None:
        self.loads += 1
        raw_folder = delivery if isinstance(delivery, Path) else self.folder / f"raw-{self.loads}"
        if not isinstance(delivery, Path):
            write_raw_folder(delivery, raw_folder)
        load_delivery(raw_folder, self.folder / "archive", loaded_at=FIRST_LOAD + timedelta(hours=self.loads))

    def build(self, clock: datetime, *, incremental: bool, leaves: bool = True) -> None:
        """Build what is loaded; one that goes on from the build before leaves what would not change, unless told."""
        self.builds += 1
        # Each build has a beginning of its own: staging marks with it what a build has written.
        identity = BuildIdentity("build", clock, CLOCK + timedelta(minutes=self.builds), FIRST_LOAD, self.loads)
        changes = prepare_build_file(
            self.folder / "archive",
            self.folder / BUILD_FILE,
            identity,
            incremental=incremental,
            identities=self.identities,
        )
        run = self.connection.execute
        self.ran = (
            nodes_to_run(self.project.manifest, changes.tables, self.connection) if incremental and leaves else None
        )
        run("begin")
        for model in self.project.models:
            if self.ran is not None and model.unique_id not in self.ran:
                continue
            if not incremental or not model.further or (model.reads_snapshots and changes.have_snapshots_changed):
                run(model.full)
            else:
                for statement in model.further:
                    run(statement)
        run("commit")

    def built(self) -> Built:
        run = self.connection.execute
        names = run(
            """
            select schema_name, table_name from duckdb_tables()
            where
                schema_name = 'marts'
                or table_name in ('stg_course_connections', 'stg_learning_events', 'stg_program_steps')
            """
        ).fetchall()
        failed = [name for name, sql in self.project.checks.items() if run(sql).fetchone() is not None]
        return Built({table: _rows(self.connection, f"{schema}.{table}") for schema, table in names}, tuple(failed))


def _compiled(home: Home, settings: Settings) -> dict[str, dict[str, Any]]:
    """Return dbt's nodes by id, compiled for the build file as it is."""
    project = parsed_project(home)
    nodes: dict[str, dict[str, Any]] = json.loads(project.manifest.read_bytes())["nodes"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dbt_environment(home, settings).items():
            patch.setenv(name, value)
        result = run_dbt(["compile", *dbt_variables(settings)], project.parsed, home.build / "dbt.log", lambda _: None)
    assert result.is_success, result
    compiled = {node.unique_id: node.query for node in result.nodes}
    return {name: {**node, "compiled_code": compiled.get(name, "")} for name, node in nodes.items()}


def _full(node: Mapping[str, Any]) -> str:
    kind = "view" if node["config"]["materialized"] == "view" else "table"
    return f"create or replace {kind} {node['relation_name']} as\n{node['compiled_code']}"


def _further(node: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what dbt's incremental materialization runs, with the project's own strategy; nothing for other models."""
    if node["config"]["materialized"] != "incremental":
        return ()
    name = f"get_incremental_{node['config']['incremental_strategy']}_sql"
    files = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT_DIR / "macros").glob("incremental_*.sql"))
    macro = re.search(rf"{{% macro {name}\(.*?endmacro -?%}}", files, re.DOTALL)
    assert macro is not None, name
    macros = jinja2.Environment(autoescape=False).from_string(
        macro[0],
        globals={"ref": lambda model: f"intermediate.{model}"},
    )
    strategy = getattr(macros.module, name)({"target_relation": node["relation_name"], "temp_relation": "made_now"})
    return (f"create temp table made_now as\n{node['compiled_code']}", *strategy.split(";"), "drop table made_now")


def _seed(node: Mapping[str, Any]) -> str:
    path = PROJECT_DIR / node["original_file_path"]
    return f"create table {node['relation_name']} as from read_csv('{path}', types = {node['config']['column_types']})"


def write_raw_folder(delivery: RawFolder, folder: Path) -> None:
    """Write a drawn delivery as a raw folder."""
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
