"""The models built on Spark, and what they made taken over into the build file, from which all else reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestration.defs.warehouse.dbt_project import build_arguments, dbt_log, failures, parsed_project
from orchestration.defs.warehouse.dbt_run import DbtResult, run_dbt
from orchestration.home.paths import Home
from orchestration.home.sections.kinds import bytes_of
from orchestration.home.settings import Settings
from orchestration.home.variables import spark_remote
from orchestration.runs.progress import Progress
from warehouse.archive import Manifest
from warehouse.errors import OpcoError
from warehouse.lake import bring_back, copy_folder, remove_builds, send_archive
from warehouse.spark import (
    built_tables,
    create_raw,
    describe_views,
    export_raw,
    is_alive,
    spark_session,
    view_parquet,
)

PLAN = re.compile(r"\n\s*(?:'|\+-|==|JVM stacktrace|at org\.).*", re.DOTALL)


def build_on_spark(
    home: Home,
    settings: Settings,
    build_id: str,
    delivered: Manifest,
    manifest: Mapping[str, Any],
    progress: Progress,
) -> tuple[DbtResult, OpcoError | None]:
    """Build all models on Spark from what the build file was prepared for, and take the tables over into it.

    What Spark makes lies below the home's build folder, in a folder named by the build, and stays as long as the build
    file, whose schemas staging and intermediate are views of it. `manifest` is dbt's, as parsed for DuckDB. Return what
    became of each node, and what stopped the build in words for people.
    """
    folder, build = home.spark / build_id, settings.build
    remove_builds(build.spark_folder)
    archive, work = send_archive(home.archive, delivered, folder, build.spark_folder)
    export_raw(home.build_file, folder)
    copy_folder(f"{folder}/raw", f"{work}/raw")
    parsed = parsed_project(home, "spark").parsed
    arguments = build_arguments(settings, is_full_refresh=True, build_id=build_id)
    log = home.build / "dbt" / "spark.log"
    with spark_session(
        folder,
        log,
        rows=sum(version.row_count for version in delivered.held_files),
        remote=spark_remote(),
        threads=build.threads,
        memory=bytes_of(build.memory_limit),
    ) as session:
        create_raw(session, home.build_file, archive, work)
        result = run_dbt([*arguments, "--target", "spark"], parsed, dbt_log(home), progress.step)
        if not result.is_success:
            words = _why_spark_stopped(result, session, log)
            return result, OpcoError(f"{words}\nAll of dbt's words are in {dbt_log(home)}.")
    progress.stage("Taking over what Spark built")
    bring_back(work, folder)
    return result, _take_over(home, settings, build_id, folder, manifest)


def without_plan(message: str) -> str:
    """Return the words of an error of Spark's without the query's plan and the JVM's stack, which follow them."""
    return PLAN.sub("", message)


def _why_spark_stopped(result: DbtResult, session: Any, log: Path) -> str:
    if not is_alive(session):
        return (
            "Spark ended before the build did: its process was killed or ran out of memory, or its cluster is away. "
            f"What was published before stays. Its last words are in {log}.\n"
            "See what ended it (memory: build.memory_limit), then run the build again: it begins anew."
        )
    nodes = [replace(node, message=without_plan(node.message)) for node in result.nodes]
    lines = failures(nodes, lambda query: [tuple(row) for row in session.sql(query).collect()])
    reasons = "\n".join(f"  {line}" for line in lines) if lines else f"  {result.error}"
    return (
        f"The build on Spark stopped; what was published before stays. dbt says:\n{reasons}\n"
        "If DuckDB builds the same archive (--engine duckdb), it is Spark or its catalog that refuses: docs/scaling.md."
    )


def _take_over(
    home: Home, settings: Settings, build_id: str, folder: Path, manifest: Mapping[str, Any]
) -> OpcoError | None:
    """Make the build file hold what Spark built, the marts with the types, comments and nulls that they promise.

    dbt writes them as it does on DuckDB, from Parquet instead of from other models; a mart above build.views_above
    stays Parquet behind a view. Return what is not as promised, in words for people.
    """
    tables = built_tables(folder)
    nodes = {
        (node["schema"], node["alias"]): node
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    }
    limit = bytes_of(settings.build.views_above)
    # A dimension has a key, which a view cannot have; none is that large.
    viewed = [
        table
        for table in tables
        if table.schema != "marts" or (table.byte_count > limit and not table.name.startswith("dim_"))
    ]
    promised = {table: _promised_types(nodes[table.schema, table.name]) for table in tables}
    view_parquet(home.build_file, {table: promised[table] for table in viewed})
    describe_views(home.build_file, [nodes["marts", table.name] for table in viewed if table.schema == "marts"])
    queries = {
        nodes[table.schema, table.name]["unique_id"]: table.query(promised[table])
        for table in tables
        if table not in viewed and nodes[table.schema, table.name]["resource_type"] == "model"
    }
    behind_views = {nodes[table.schema, table.name]["unique_id"] for table in viewed}
    written = {node["unique_id"] for node in nodes.values()} - behind_views
    arguments = build_arguments(settings, is_full_refresh=True, build_id=build_id)
    result = run_dbt(arguments, parsed_project(home).parsed, dbt_log(home), lambda _: None, queries, written)
    if result.is_success:
        return None
    lines = "\n".join(f"  {node.unique_id}: {node.message}" for node in result.nodes if node.status == "error")
    return OpcoError(
        "What Spark built is not what the models promise; nothing is published, and what was published before stays.\n"
        f"{lines or result.error}"
    )


def _promised_types(node: Mapping[str, Any]) -> dict[str, str]:
    """Return the types that a model's contract promises, by column."""
    return {name: column["data_type"] for name, column in node["columns"].items() if column.get("data_type")}
