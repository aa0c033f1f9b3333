"""dbt as this project runs it: its arguments and environment, the parsed manifest, what a build said and left."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from orchestration import dbt_process
from orchestration.home import Home
from orchestration.settings import BUILD_FILE_VARIABLE, MEMORY_LIMIT_VARIABLE, THREADS_VARIABLE, Settings
from warehouse.errors import OpcoError
from warehouse.files import written_atomically
from warehouse.project import PROJECT_DIR
from warehouse.sql import quoted_identifier

# DuckDB's words for a file whose bytes are not those that it wrote.
DAMAGE = re.compile(r"[^\n]*(?:Corrupt database file|ailed to deserialize|not a valid DuckDB database)[^\n]*")
PROJECT_FILES = ("dbt_project.yml", "profiles.yml", "models", "seeds", "macros", "tests/dbt")


@dataclass(frozen=True)
class Relation:
    """A table or view of the build file: rows (None for a view) and columns as (name, type)."""

    row_count: int | None
    columns: tuple[tuple[str, str], ...]


def dbt_executable() -> Path:
    """Return the `dbt` of this environment, whether or not the environment is on the PATH."""
    return Path(sys.executable).with_name("dbt")


def build_executable() -> Path:
    """Return the `opco-dbt` of this environment: dbt that ends with the process that started it."""
    return Path(sys.executable).with_name("opco-dbt")


def dbt_target(home: Home) -> Path:
    """Return the folder of dbt's artifacts and log, kept between builds so that dbt parses only what changed."""
    return home.build / "dbt"


def dbt_variables(settings: Settings) -> list[str]:
    """Return dbt's arguments that carry the settings of the rules."""
    return ["--vars", json.dumps(settings.rules.model_dump())]


def dbt_environment(home: Home, settings: Settings) -> dict[str, str]:
    """Return the variables that the project's profile reads, and those that keep dbt's files under the home."""
    return {
        BUILD_FILE_VARIABLE: str(home.build_file),
        THREADS_VARIABLE: str(settings.build.threads),
        MEMORY_LIMIT_VARIABLE: settings.build.memory_limit,
        **dbt_process.variables(home),
        "DBT_TARGET_PATH": str(dbt_target(home)),
        "DBT_LOG_PATH": str(dbt_target(home)),
        "DBT_PROFILES_DIR": str(PROJECT_DIR),
        # At debug level, the default, writing the log is a tenth of a small build.
        "DBT_LOG_LEVEL_FILE": "info",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def parsed_manifest(home: Home, settings: Settings) -> Path:
    """Return the manifest of the dbt project as it is now, parsing it only when a file or dbt changed.

    Raises OpcoError with dbt's words when the project cannot be parsed.
    """
    stamp = project_stamp()
    manifest = home.build / "manifests" / f"{stamp}.json"
    if manifest.exists():
        return manifest
    target = dbt_target(home)
    target.mkdir(parents=True, exist_ok=True)
    parse = subprocess.run(
        [str(dbt_executable()), "parse", *dbt_variables(settings)],
        cwd=PROJECT_DIR,
        env={**os.environ, **dbt_environment(home, settings)},
        capture_output=True,
        text=True,
        check=False,
    )
    if parse.returncode != 0:
        raise OpcoError(f"dbt cannot parse the project {PROJECT_DIR}:\n{parse.stdout.strip()}\n{parse.stderr.strip()}")
    with written_atomically(manifest) as temporary:
        temporary.write_bytes((target / "manifest.json").read_bytes())
    for older in manifest.parent.glob("*.json"):
        if older != manifest:
            older.unlink()
    return manifest


def failures(run_results: Mapping[str, Any]) -> list[str]:
    """Return one line for each model or test that stopped a build, from dbt's `run_results.json`."""
    return [
        f"{result['unique_id'].split('.')[2]}: {' '.join(str(result['message']).split())}"
        for result in run_results["results"]
        if result["status"] in ("error", "fail")
    ]


def damage_in(message: str) -> str | None:
    """Return what DuckDB says of a damaged file within dbt's words; None where they tell of something else."""
    found = DAMAGE.search(message)
    return " ".join(found[0].split()) if found else None


def relations(build_file: Path) -> dict[tuple[str, str], Relation]:
    """Return what the build file holds outside schema `raw`, by (schema, name). Counts rows of tables only."""
    with duckdb.connect(str(build_file.resolve()), read_only=True) as connection:
        columns = connection.execute(
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
                counted = connection.execute(f"select count(*) from {quoted}").fetchone()
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
