"""dbt as this project runs it: its arguments and environment, the parsed manifest, what a build reported and left."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from orchestration.defs.warehouse.dbt_run import NodeResult
from orchestration.home.disk_space import OUT_OF_MEMORY, without_advice
from orchestration.home.paths import Home
from orchestration.home.settings import Settings
from orchestration.home.variables import BUILD_FILE_VARIABLE, MEMORY_LIMIT_VARIABLE, THREADS_VARIABLE
from warehouse.errors import OpcoError
from warehouse.files import written_atomically
from warehouse.project import PROJECT_DIR
from warehouse.sql import quoted_identifier
from warehouse.wording import counted

# DuckDB's words for a file whose bytes are not those that it wrote.
DAMAGE = re.compile(r"[^\n]*(?:Corrupt database file|ailed to deserialize|not a valid DuckDB database)[^\n]*")
# Beside the project, as dbt has it; no part of it.
PARSED_DIR = PROJECT_DIR / "target" / "parsed"
# The one macro that models call and that reads the build file while they are compiled.
ASKS_THE_DATABASE = "macro.opco_warehouse.custom_field_columns"
JINJA = re.compile(r"\{[{%#]")
# Sets of settings, in full and in incremental builds, whose compiled nodes are kept.
COMPILED_KEPT = 16
# What dbt makes of the project, and what it reads again.
ARTIFACTS = ("manifest.json", "partial_parse.msgpack")
DBT_ENVIRONMENT = {
    "DBT_PROFILES_DIR": str(PROJECT_DIR),
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    # A file .env of the folder in which a command is given is no matter of ours.
    "PYTHON_DOTENV_DISABLED": "true",
}
# What the last whole build was, beside the build file.
TESTED_FILE = "tested.json"
PROJECT_FILES = ("dbt_project.yml", "profiles.yml", "models", "seeds", "macros", "tests/dbt")


@dataclass(frozen=True)
class Relation:
    """A table or view of the build file: rows (None for a view) and columns as (name, type)."""

    row_count: int | None
    columns: tuple[tuple[str, str], ...]


def dbt_executable() -> Path:
    """Return the `dbt` of this environment, whether or not the environment is on the PATH."""
    return Path(sys.executable).with_name("dbt")


def dbt_target(home: Home) -> Path:
    """Return the folder of dbt's artifacts and log, kept between builds so that dbt parses only what changed."""
    return home.build / "dbt"


def dbt_log(home: Home) -> Path:
    """Return the file that holds what dbt said of the last build."""
    return dbt_target(home) / "dbt.log"


def dbt_variables(settings: Settings, build_id: str | None = None) -> list[str]:
    """Return dbt's arguments that carry the settings of the rules, and the limits beyond which data tests warn.

    `build_id` is of the build that schema `raw` was prepared for: without it dbt takes the run for one by hand.
    """
    limits = {"max_rejected_rows": settings.alerts.rejected_rows, "max_rejected_pct": settings.alerts.rejected_pct}
    build = {} if build_id is None else {"build_id": build_id}
    return ["--vars", json.dumps(settings.of_the_models() | limits | build)]


def build_arguments(settings: Settings, *, is_full_refresh: bool, build_id: str | None = None) -> list[str]:
    """Return dbt's arguments of a build of all models, with their data tests; `build_id` as for `dbt_variables`."""
    full_refresh = ["--full-refresh"] if is_full_refresh else []
    return ["build", "--exclude-resource-type", "unit_test", *full_refresh, *dbt_variables(settings, build_id)]


def dbt_environment(home: Home, settings: Settings) -> dict[str, str]:
    """Return the variables that the project's profile reads, and those that keep dbt's files under the home."""
    return {
        **DBT_ENVIRONMENT,
        BUILD_FILE_VARIABLE: str(home.build_file),
        THREADS_VARIABLE: str(settings.build.threads),
        MEMORY_LIMIT_VARIABLE: settings.build.memory_limit,
        "DBT_TARGET_PATH": str(dbt_target(home)),
        "DBT_LOG_PATH": str(dbt_target(home)),
    }


def dbt_by_hand(home: Home, settings: Settings, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the command line by which dbt does what `arguments` ask of the home's build file, and its environment.

    To be run in the project's folder. Artifacts and log have a folder of their own beside those of the builds.
    """
    folder = str(dbt_target(home) / "by_hand")
    command = [str(dbt_executable()), *arguments, *dbt_variables(settings)]
    return command, dbt_environment(home, settings) | {"DBT_TARGET_PATH": folder, "DBT_LOG_PATH": folder}


@dataclass(frozen=True)
class ParsedProject:
    """The dbt project as dbt has parsed it: `manifest` is its artifact for others, `parsed` what dbt itself reads."""

    manifest: Path
    parsed: Path


def parsed_project(home: Home, engine: str = "duckdb") -> ParsedProject:
    """Return the dbt project as it is now for an engine, parsing it only when one of its files or dbt changed.

    Models read the settings of the rules when they are compiled, so it is the same whatever these are. What is parsed
    is kept beside the project for all homes, or where that may not be written, in the home. Raises OpcoError with dbt's
    words when the project cannot be parsed.
    """
    stamp = project_stamp()
    name, target_of_dbt = (stamp, "build") if engine == "duckdb" else (f"{stamp}-{engine}", engine)
    in_project, in_home = (
        ParsedProject(*(folder / name / artifact for artifact in ARTIFACTS))
        for folder in (PARSED_DIR, home.build / "parsed")
    )
    for found in (in_project, in_home):
        if found.parsed.exists():
            return found
    with tempfile.TemporaryDirectory(prefix="opco-parse-") as target:
        parse = subprocess.run(
            [str(dbt_executable()), "parse", "--target", target_of_dbt],
            cwd=PROJECT_DIR,
            env={
                **os.environ,
                **DBT_ENVIRONMENT,
                "DBT_TARGET_PATH": target,
                "DBT_LOG_PATH": target,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if parse.returncode != 0:
            raise OpcoError(
                f"dbt cannot parse the project {PROJECT_DIR}:\n{parse.stdout.strip()}\n{parse.stderr.strip()}"
            )
        kept = in_project if os.access(PROJECT_DIR, os.W_OK) else in_home
        folder = kept.parsed.parent.parent
        for older in folder.iterdir() if folder.is_dir() else ():
            if not older.name.startswith(stamp):
                shutil.rmtree(older, ignore_errors=True)
        for path in (kept.manifest, kept.parsed):
            with written_atomically(path) as temporary:
                temporary.write_bytes((Path(target) / path.name).read_bytes())
    return kept


def compiled_file(
    project: ParsedProject, home: Home, settings: Settings, *, is_full_refresh: bool, have_snapshots_changed: bool
) -> Path:
    """Return the file that holds what dbt compiles the nodes to in such a build of all models.

    Beside the project and dbt's arguments, the code of a node hangs on the build file's name, and on whether snapshots
    changed since the last build (`should_full_refresh`).
    """
    arguments = build_arguments(settings, is_full_refresh=is_full_refresh)
    known = json.dumps([arguments, home.build_file.stem, have_snapshots_changed])
    return project.parsed.with_name(f"compiled-{hashlib.sha256(known.encode()).hexdigest()[:16]}.json")


def read_compiled(path: Path) -> dict[str, str]:
    """Return the compiled SQL of nodes by unique id; nothing where none is kept that can be read."""
    try:
        compiled: dict[str, str] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return compiled


def keep_compiled(
    path: Path, nodes: Sequence[NodeResult], manifest: Mapping[str, Any], kept: Mapping[str, str]
) -> None:
    """Keep the compiled SQL of nodes for builds to come, beside what is `kept` there of others already.

    Not of those that asked the database while they were compiled.
    """
    compiled = {
        node.unique_id: node.query
        for node in nodes
        if node.query
        and ASKS_THE_DATABASE not in manifest["nodes"][node.unique_id]["depends_on"]["macros"]
        and not JINJA.search(node.query)
    }
    if not compiled.keys() <= kept.keys() and os.access(path.parent, os.W_OK):
        for older in sorted(path.parent.glob("compiled-*.json"), key=_written_at)[: 1 - COMPILED_KEPT]:
            older.unlink(missing_ok=True)
        with written_atomically(path) as temporary:
            temporary.write_text(json.dumps({**kept, **compiled}), encoding="utf-8")


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def failures(nodes: Sequence[NodeResult], ask: Callable[[str], list[Any]]) -> list[str]:
    """Return one line for each model or test that stopped a build, with the expectations that do not hold.

    `ask` returns the rows of a query where the build was made.
    """
    return [
        f"{node.unique_id.split('.')[2]}: {_broken_expectations(node, ask)}"
        f"{' '.join(without_advice(node.message).split())}"
        for node in nodes
        if node.status in ("error", "fail")
    ]


def ask_build_file(build_file: Path, query: str) -> list[Any]:
    """Return the rows of a query of the build file."""
    with duckdb.connect(str(build_file.resolve()), read_only=True) as db:
        return db.execute(query).fetchall()


def _broken_expectations(node: NodeResult, ask: Callable[[str], list[Any]]) -> str:
    """Return which expectations of a model do not hold, as the test `expectations` says it; nothing of another."""
    if node.status != "fail" or "as expectation" not in node.query:
        return ""
    broken = sorted(ask(f"select expectation, broken from ({node.query}) as broken_expectations"))
    return "; ".join(f"{expectation} ({counted(count, 'value')})" for expectation, count in broken) + ". "


def explain_memory_shortage(message: str, settings: Settings) -> str | None:
    """Return what to do where dbt's message is of memory that was short; None where it is of something else."""
    limit, threads = settings.build.memory_limit, settings.build.threads
    if OUT_OF_MEMORY in message:
        return (
            f"The build's database took all the memory that it may, {limit} with {counted(threads, 'thread')}: raise "
            "build.memory_limit, or lower build.threads, then run the build again."
        )
    return None


def damage_in(message: str) -> str | None:
    """Return DuckDB's message about a damaged file within dbt's; None where there is none."""
    found = DAMAGE.search(message)
    return " ".join(found[0].split()) if found else None


def relations(build_file: Path) -> dict[tuple[str, str], Relation]:
    """Return what the build file holds outside schema `raw`, by (schema, name). Counts rows of tables only."""
    with duckdb.connect(str(build_file.resolve()), read_only=True) as db:
        columns = db.execute(
            """
            select columns.schema_name, columns.table_name, tables.table_name is not null as is_table,
                list({'name': columns.column_name, 'type': columns.data_type} order by columns.column_index)
            from duckdb_columns() as columns
            left join duckdb_tables() as tables
                on columns.schema_name = tables.schema_name and columns.table_name = tables.table_name
            where not columns.internal and columns.schema_name <> 'raw'
            group by columns.schema_name, columns.table_name, is_table
            """
        ).fetchall()
        found = {}
        for schema, name, is_table, described in columns:
            row_count = None
            if is_table:
                quoted = f"{quoted_identifier(schema)}.{quoted_identifier(name)}"
                counted = db.execute(f"select count(*) from {quoted}").fetchone()
                row_count = counted[0] if counted else None
            found[schema, name] = Relation(row_count, tuple((column["name"], column["type"]) for column in described))
    return found


def project_stamp() -> str:
    """Return 16 hex digits that change with the dbt project's files, its folder, and the packages that run it."""
    packages = " ".join(f"{name} {version(name)}" for name in ("dbt-core", "dbt-duckdb", "duckdb"))
    digest = hashlib.sha256(f"{packages} {PROJECT_DIR}".encode())
    for name in PROJECT_FILES:
        start = PROJECT_DIR / name
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.is_file():
                digest.update(f"\0{path.relative_to(PROJECT_DIR)}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
