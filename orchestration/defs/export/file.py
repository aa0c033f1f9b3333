"""An export's file: its name where none is given, what is on record of it, and one that is made at once for a page.

Knows no Dagster: pages load this, and what Dagster is to know of a file that they made follows in another process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import duckdb
from pydantic import TypeAdapter

from orchestration.defs.export.request import ExportRequest, resolve
from orchestration.home.disk_space import check_disk_space
from orchestration.home.paths import Home
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, ExportSummary, write_few_lines
from warehouse.errors import UserError
from warehouse.files import safe_file_name

SUMMARY = TypeAdapter(ExportSummary)
"""An export's summary as JSON: from the process that made the file to the one that puts it on record."""


def default_name(
    db: duckdb.DuckDBPyConnection, filters: ExportFilters, options: ExportOptions, definition: str | None
) -> str:
    """Name the file after its data and build, and apart for each choice of filters and options."""
    row = db.execute("select strftime(data_as_of, '%Y-%m-%d'), build_id from warehouse_build").fetchone()
    data_as_of, build_id = row or ("", "")
    name = f"opco-{definition or 'export'}-{data_as_of}-{safe_file_name(build_id)}"
    if filters != ExportFilters.model_validate({}) or options != ExportOptions(format=options.format):
        choices = json.dumps([filters.model_dump(mode="json"), vars(options)], sort_keys=True)
        name += f"-{hashlib.sha256(choices.encode()).hexdigest()[:8]}"
    return f"{name}.{options.format}"


def facts_of(summary: ExportSummary, filters: ExportFilters, options: ExportOptions) -> dict[str, Any]:
    """Return what a run's record says of its file, apart from who gets it."""
    return {
        "path": str(summary.path),
        "json_path": str(summary.json_path),
        "format": options.format,
        "filters": filters.model_dump(mode="json"),
        "dagster/row_count": summary.rows,
        "bytes": summary.bytes,
        "sha256": summary.sha256,
        "learners": summary.learners,
        "sessions": summary.sessions,
        "cut_cells": summary.cut_cells,
        "data_as_of": f"{summary.data_as_of:%Y-%m-%dT%H:%M:%SZ}",
        "last_activity_at": f"{summary.last_activity_at:%Y-%m-%dT%H:%M:%SZ}" if summary.last_activity_at else "",
        "build_id": summary.build_id,
    }


def make_at_once(
    db: duckdb.DuckDBPyConnection, home: Home, config: Mapping[str, Any]
) -> tuple[ExportSummary, dict[str, Any]]:
    """Make the export that a run of this configuration would make, from the build that `db` reads.

    `config` chooses format, dialect and language, and names neither a definition nor recipients. Return the summary and
    the facts of `facts_of`. Errors as `write_few_lines`, and OpcoError when the disk is too full.
    """
    check_disk_space(home)
    resolved = resolve(ExportRequest.of(config), home)
    choices = resolved.choices
    if resolved.filters is None or not (choices.format and choices.dialect and choices.language):
        raise UserError("An export that is made at once says its format, dialect and language, and no definition.")
    options = ExportOptions(choices.format, choices.dialect, choices.language, choices.decimal_hours)
    output = home.exports / default_name(db, resolved.filters, options, None)
    summary = write_few_lines(db, output, resolved.filters, options)
    return summary, facts_of(summary, resolved.filters, options)
