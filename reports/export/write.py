"""Writes an export file of the published warehouse, and the JSON that says what it is."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import duckdb

from reports.export.columns import Column, Language, export_columns
from reports.export.filters import ExportFilters, check_filters, where_clause
from reports.export.writers import Rows
from reports.export.writers.csv import CsvWriter, Dialect
from reports.warehouse import open_published
from warehouse.errors import OpcoError, UserError
from warehouse.files import sha256_of, written_atomically

MEMORY_LIMIT = "700MB"
"""What DuckDB may hold while it sorts; the rest goes to its own temporary folder."""
MOST_THREADS = 4
"""Each thread holds buffers of its own, which have to find room within the limit."""

SETTINGS = (
    "inactivity_timeout_minutes",
    "max_connection_minutes",
    "long_connection_minutes",
    "raw_timezone",
    "display_timezone",
)
"""The settings of section T, columns of warehouse_build."""

ORDER_BY = """
    nullif(lower(strip_accents(fact.last_name)), '') nulls last,
    nullif(lower(strip_accents(fact.first_name)), '') nulls last,
    length(fact.user_id), fact.user_id,
    fact.connected_at,
    length(fact.session_id), fact.session_id,
    length(fact.course_id), fact.course_id,
    length(fact.connection_id), fact.connection_id
"""

REMARKS = {
    "en": (
        "Time spent is counted in whole minutes really elapsed between the two printed times (T6). So the times of "
        "this file can differ from an attestation's total: by rounding, either way, and by overlaps and caps, which "
        "the attestation counts once and this file does not take into account. Open connections have no time spent."
    ),
    "fr": (
        "Le temps passé est compté en minutes entières, réellement écoulées, entre les deux heures imprimées (T6). Les "
        "temps de ce fichier peuvent donc différer du total d’une attestation : par l’arrondi, dans un sens ou dans "
        "l’autre, et par les chevauchements et plafonds, que l’attestation compte une fois et dont ce fichier ne tient "
        "pas compte. Les connexions ouvertes n’ont pas de temps passé."
    ),
}


@dataclass(frozen=True)
class ExportOptions:
    """How the file is written: the CSV dialect, and the language of its headers."""

    dialect: Dialect = "excel"
    language: Language = "en"


@dataclass(frozen=True)
class ExportSummary:
    """What was written: `rows` lines (the header apart) of so many distinct learners and sessions, from which build."""

    path: Path
    json_path: Path
    rows: int
    learners: int
    sessions: int
    bytes: int
    sha256: str
    data_as_of: datetime
    build_id: str


def _unreported(done: int, total: int) -> None:
    """Report progress to nobody."""


def write_export(
    warehouse: Path,
    output: Path,
    filters: ExportFilters,
    options: ExportOptions,
    *,
    progress: Callable[[int, int], None] = _unreported,
) -> ExportSummary:
    """Write the OPCO export (E) of the published file `warehouse` to `output`, and its JSON to `<output>.json`.

    Both appear whole or not at all, the JSON last; files of these names are replaced. `progress` is told
    (rows written, rows in all). Raises UserError when there is no warehouse, a filter's value matches nothing or
    `output` is no place for a file, and OpcoError when reading or writing fails.
    """
    if output.is_dir():
        raise UserError(f"{output} is a folder. Name the file to write, for example {output / 'export.csv'}.")
    if output.resolve() == warehouse.resolve():
        raise UserError(f"{output} is the published warehouse itself. Name another file for the export.")
    json_path = output.with_name(output.name + ".json")
    connection = open_published(warehouse)
    try:
        threads: int = connection.execute("select current_setting('threads')").fetchall()[0][0]
        connection.execute(f"set threads = {min(threads, MOST_THREADS)}")
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        build = _one_row(connection, "select * from warehouse_build", {})
        check_filters(connection, filters)
        condition, parameters = where_clause(filters)
        source = f"from fct_opco_connections as fact where {condition}"
        counts = _one_row(
            connection,
            f"""
            select
                count(*) as rows,
                count(distinct fact.user_id) as learners,
                count(distinct fact.session_id) as sessions
            {source}
            """,
            parameters,
        )
        rows = Rows(
            columns=export_columns(connection, filters.custom_fields),
            source=source,
            order_by=ORDER_BY,
            parameters={**parameters, "display_timezone": build["display_timezone"]},
            count=counts["rows"],
        )
        progress(0, rows.count)
        with written_atomically(json_path) as json_file, written_atomically(output) as file:
            CsvWriter(options.dialect).write(connection, rows, options.language, file)
            summary = ExportSummary(
                path=output,
                json_path=json_path,
                **counts,
                bytes=file.stat().st_size,
                sha256=sha256_of(file),
                data_as_of=build["data_as_of"].replace(tzinfo=UTC),
                build_id=build["build_id"],
            )
            document = _document(summary, rows.columns, build, filters, options)
            json_file.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        progress(rows.count, rows.count)
    except (duckdb.Error, OSError) as error:
        raise OpcoError(
            f"The export {output} could not be written from {warehouse}: {error}\n"
            "Check the folder's permissions and the room on its disk, then try again; no unfinished file was left."
        ) from error
    finally:
        connection.close()
    return summary


def _one_row(connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object]) -> dict[str, Any]:
    """Return the first row of `query` by column name."""
    cursor = connection.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return dict(zip(names, cursor.fetchall()[0], strict=True))


def _document(
    summary: ExportSummary,
    columns: tuple[Column, ...],
    build: dict[str, Any],
    filters: ExportFilters,
    options: ExportOptions,
) -> dict[str, object]:
    """Return the content of the JSON beside the file (E), the same for the same file."""
    return {
        "file": summary.path.name,
        "format": "csv",
        **asdict(options),
        "filters": filters.model_dump(mode="json"),
        "rows": summary.rows,
        "learners": summary.learners,
        "sessions": summary.sessions,
        "bytes": summary.bytes,
        "sha256": summary.sha256,
        "data_as_of": summary.data_as_of.isoformat().replace("+00:00", "Z"),
        "build_id": summary.build_id,
        "settings": {name: build[name] for name in SETTINGS},
        "versions": {
            "build": {name: build[f"{name}_version"] for name in ("opco", "dbt", "duckdb")},
            "export": {"opco": _own_version(), "python": platform.python_version(), "duckdb": duckdb.__version__},
        },
        "columns": [
            {
                "header": column.header(options.language),
                "warehouse_column": column.name,
                "kind": column.kind,
                "custom_field_id": column.custom_field_id,
            }
            for column in columns
        ],
        "remarks": REMARKS,
    }


def _own_version() -> str | None:
    """Return this distribution's version, None where it runs without being installed."""
    try:
        return version("opco-warehouse")
    except PackageNotFoundError:
        return None
