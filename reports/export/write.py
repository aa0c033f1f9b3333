"""Writes an export file of the published warehouse, and the JSON that says what it is."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
from xlsxwriter.exceptions import XlsxWriterException

from reports.export.checks import Check, check_file
from reports.export.columns import Column, Language, export_columns
from reports.export.filters import ExportFilters, check_filters, where_clause
from reports.export.lines import ROW_ID, Selection
from reports.export.writers import Format, Writer, WriterInput
from reports.export.writers.csv import CsvWriter, Dialect
from reports.export.writers.parquet import ParquetWriter
from reports.export.writers.xlsx import XlsxWriter
from warehouse.errors import OpcoError, UserError
from warehouse.files import remove_leftovers, sha256_of, written_atomically
from warehouse.published import open_published
from warehouse.steps import TellStep, tell_nobody

MEMORY_LIMIT = "200MB"
"""What DuckDB may hold while it sorts; the rest goes to its own temporary folder."""
MOST_THREADS = 4
"""Each thread holds buffers of its own, which have to fit into the limit."""

SETTINGS = (
    "inactivity_timeout_minutes",
    "max_connection_minutes",
    "long_connection_minutes",
    "raw_timezone",
    "display_timezone",
)
"""The settings of section T, columns of warehouse_build."""

PACKAGES = {"opco": "opco-warehouse", "duckdb": "duckdb", "pyarrow": "pyarrow", "xlsxwriter": "xlsxwriter"}
"""Whose versions decide the bytes of a file, by the name that its JSON gives them."""

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

CSV_REMARKS = {
    "en": (
        "A spreadsheet that opens this CSV takes a time spent (DD:HH:MM) for hours, minutes and seconds: 00:00:24 is "
        "24 minutes, but adds up as 24 seconds. It also drops the leading zeros of IDs. To add up, take the XLSX file."
    ),
    "fr": (
        "Un tableur qui ouvre ce CSV prend un temps passé (JJ:HH:MM) pour des heures, minutes et secondes : 00:00:24 "
        "vaut 24 minutes, mais y compte pour 24 secondes. Il ôte aussi les zéros en tête des identifiants. Pour faire "
        "des sommes, prenez le fichier XLSX."
    ),
}


@dataclass(frozen=True)
class ExportOptions:
    """How the file is written: its format, the language of its headers, and what is ignored in other formats than CSV.

    That is the dialect, and whether the time spent stands at the end of each line in decimal hours too.
    """

    format: Format = "csv"
    dialect: Dialect = "excel"
    language: Language = "en"
    decimal_hours: bool = False


@dataclass(frozen=True)
class ExportCount:
    """What an export holds: lines (the header apart) of so many distinct learners and sessions, from which build."""

    rows: int
    learners: int
    sessions: int
    data_as_of: datetime
    last_activity_at: datetime | None
    build_id: str


@dataclass(frozen=True)
class ExportSummary(ExportCount):
    """What was written, and how the file was checked."""

    path: Path
    json_path: Path
    bytes: int
    sha256: str
    display_timezone: str
    cut_cells: int
    checks: tuple[Check, ...]


class FileNotSoundError(OpcoError):
    """The file that was written is not what the warehouse says; it was thrown away."""

    def __init__(self, output: Path, checks: tuple[Check, ...]) -> None:
        self.checks = checks
        wrong = "\n".join(
            f"  {check.name}: {_short(check.expected)} in the warehouse, {_short(check.found)} in the file"
            for check in checks
            if not check.passed
        )
        super().__init__(
            f"The export {output} was written but did not pass its own checks, so it was thrown away:\n{wrong}\n"
            "This is a fault of the program or of the disk. Try again; if it comes back, report it."
        )


def count_export(warehouse: Path, filters: ExportFilters) -> ExportCount:
    """Return what an export of `filters` would hold, without writing anything. Errors as `write_export`."""
    with _reading(warehouse, f"The lines of {warehouse} could not be counted") as db:
        return count_lines(db, filters)


def count_lines(db: duckdb.DuckDBPyConnection, filters: ExportFilters) -> ExportCount:
    """Return what an export of `filters` would hold, from a published warehouse that is open.

    Raises UserError when a filter's value matches nothing.
    """
    return _counted(db, filters)[0]


def write_export(
    warehouse: Path,
    output: Path,
    filters: ExportFilters,
    options: ExportOptions,
    *,
    progress: TellStep = tell_nobody,
) -> ExportSummary:
    """Write the OPCO export (E) of the published file `warehouse` to `output`, and its JSON to `<output>.json`.

    The file is read back and checked before it gets its name. Both appear whole or not at all, the JSON last; files of
    these names are replaced. `progress` is called with the lines written, all of them, and what is being done. Raises
    UserError when there is no warehouse, a filter's value matches nothing or `output` cannot be a file,
    FileNotSoundError when a check fails, and OpcoError when reading or writing fails.
    """
    if output.resolve() == warehouse.resolve():
        raise UserError(f"{output} is the published warehouse itself. Name another file for the export.")
    with _reading(warehouse, f"The export {output} could not be written from {warehouse}") as db:
        return _written(db, output, filters, options, progress, may_spill=True)


def write_few_lines(
    db: duckdb.DuckDBPyConnection, output: Path, filters: ExportFilters, options: ExportOptions
) -> ExportSummary:
    """Write an export as `write_export` does, from a published warehouse that is open, in whatever memory it takes.

    The connection's temporary tables are used; others of the same file are not hindered.
    """
    with _failing_as(f"The export {output} could not be written"):
        return _written(db, output, filters, options, tell_nobody, may_spill=False)


def _written(
    db: duckdb.DuckDBPyConnection,
    output: Path,
    filters: ExportFilters,
    options: ExportOptions,
    progress: TellStep,
    *,
    may_spill: bool,
) -> ExportSummary:
    if output.is_dir():
        raise UserError(f"{output} is a folder. Name the file to write, for example {output / 'export.csv'}.")
    if output.parent.is_dir():
        remove_leftovers(output.parent)
    json_path = output.with_name(output.name + ".json")
    with (
        written_atomically(json_path) as json_file,
        written_atomically(output) as file,
        _space_for_sorting(db, file) if may_spill else nullcontext(),
    ):
        count, build, selection = _counted(db, filters)
        progress(0, count.rows, "putting the lines in order")
        selection = replace(selection, is_limited=may_spill)
        writer = _writer(options)
        columns = writer.columns(export_columns(db, filters.custom_fields, by_id=filters.by_id))
        about = _about(count, columns, build, filters, options)
        lines = selection if may_spill else selection.in_a_table(db, columns)
        written = writer.write(
            WriterInput(db, lines, columns, options.language, filters, count.data_as_of, about, progress), file
        )
        progress(count.rows, count.rows, "reading the file back")
        with ThreadPoolExecutor(1) as pool:
            # Side by side with the checks, which it is no part of.
            checksum = pool.submit(sha256_of, file)
            checks = check_file(db, file, writer, columns, options.language, selection)
        if not all(check.passed for check in checks):
            raise FileNotSoundError(output, checks)
        summary = ExportSummary(
            **vars(count),
            path=output,
            json_path=json_path,
            bytes=file.stat().st_size,
            sha256=checksum.result(),
            display_timezone=selection.display_timezone,
            cut_cells=len(written.cut_cells),
            checks=checks,
        )
        document = {
            "file": output.name,
            "bytes": summary.bytes,
            "sha256": summary.sha256,
            **about,
            "checks": {check.name: "passed" for check in checks},
            "cut_cells": [asdict(cell) for cell in written.cut_cells],
        }
        json_file.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return summary


def refuse_another_file(output: Path) -> None:
    """Raise UserError where `output`, or the JSON beside it, would replace a file that is no export."""
    json_path = output.with_name(output.name + ".json")
    if not output.is_file() and not json_path.exists():
        return
    try:
        found = json.loads(json_path.read_text(encoding="utf-8"))
        is_export = found["file"] == output.name and bool(found["build_id"]) and bool(found["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        is_export = False
    if not is_export:
        there = output if output.exists() else json_path
        raise UserError(
            f"{there} is there already, and is no export with its JSON beside it. It was left as it is.\n"
            "Name another file, or remove that one."
        )


def _writer(options: ExportOptions) -> Writer:
    match options.format:
        case "xlsx":
            return XlsxWriter()
        case "parquet":
            return ParquetWriter()
        case _:
            return CsvWriter(options.dialect, options.decimal_hours)


@contextmanager
def _reading(warehouse: Path, failure: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to the warehouse within the limits; what fails inside comes out as an OpcoError."""
    db = open_published(warehouse)
    try:
        with _failing_as(failure):
            threads: int = db.execute("select current_setting('threads')").fetchall()[0][0]
            db.execute(f"set threads = {min(threads, MOST_THREADS)}")
            db.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
            yield db
    finally:
        db.close()


@contextmanager
def _failing_as(failure: str) -> Iterator[None]:
    """Let what fails inside, of the database, the disk or a format, come out as an OpcoError."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise OpcoError(
            f"{failure}: it takes more memory than the {MEMORY_LIMIT} that an export may take, or than the disk "
            f"of its folder has space for ({str(error).splitlines()[0]}).\nFree space there, or ask for less at once: "
            "days, learners, groups or sessions. No unfinished file was left."
        ) from error
    except (duckdb.Error, OSError, pa.ArrowException, XlsxWriterException) as error:
        raise OpcoError(
            f"{failure}: {error}\n"
            "Check the folder's permissions and the space on its disk, then try again; no unfinished file was left."
        ) from error


@contextmanager
def _space_for_sorting(db: duckdb.DuckDBPyConnection, file: Path) -> Iterator[None]:
    """Let what does not fit into memory go beside the file, where the file needs space anyway."""
    with TemporaryDirectory(prefix=file.name, dir=file.parent) as folder:
        db.execute("set temp_directory = $folder", {"folder": folder})
        yield


def _counted(db: duckdb.DuckDBPyConnection, filters: ExportFilters) -> tuple[ExportCount, dict[str, Any], Selection]:
    """Return what passes `filters`, once their values were found to name something, and the build they pass in."""
    build = _one_row(db, "select * from warehouse_build", {})
    check_filters(db, filters)
    condition, parameters = where_clause(filters)
    source = f"(select fact.rowid as {ROW_ID}, fact.* from fct_opco_connections as fact where {condition}) as fact"
    counts = _one_row(
        db,
        f"""
        select
            count(*) as rows,
            count(distinct fact.user_id) as learners,
            count(distinct fact.session_id) as sessions
        from {source}
        """,
        parameters,
    )
    last = build["last_activity_at"]
    count = ExportCount(
        **counts,
        data_as_of=build["data_as_of"].replace(tzinfo=UTC),
        last_activity_at=last.replace(tzinfo=UTC) if last else None,
        build_id=build["build_id"],
    )
    return count, build, Selection(source, parameters, count.rows, build["display_timezone"])


def _one_row(db: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, object]) -> dict[str, Any]:
    """Return the first row of `query` by column name."""
    cursor = db.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return dict(zip(names, cursor.fetchall()[0], strict=True))


def _about(
    count: ExportCount,
    columns: tuple[Column, ...],
    build: dict[str, Any],
    filters: ExportFilters,
    options: ExportOptions,
) -> dict[str, Any]:
    """Return what is known of the file before it is there, the same for the same file."""
    return {
        "format": options.format,
        "dialect": options.dialect if options.format == "csv" else None,
        "language": options.language,
        "decimal_hours": options.decimal_hours if options.format == "csv" else None,
        "filters": filters.model_dump(mode="json"),
        "rows": count.rows,
        "learners": count.learners,
        "sessions": count.sessions,
        "data_as_of": _utc(count.data_as_of),
        "last_activity_at": _utc(count.last_activity_at) if count.last_activity_at else None,
        "build_id": count.build_id,
        "settings": {name: build[name] for name in SETTINGS},
        "versions": {
            "build": {name: build[f"{name}_version"] for name in ("opco", "dbt", "duckdb")},
            "export": {
                "python": platform.python_version(),
                **{name: _version(package) for name, package in PACKAGES.items()},
            },
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
        "remarks": {
            language: f"{remark} {CSV_REMARKS[language]}" if options.format == "csv" else remark
            for language, remark in REMARKS.items()
        },
    }


def _utc(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _short(text: str) -> str:
    return repr(text) if len(text) <= 200 else repr(text[:200]) + "…"


def _version(package: str) -> str | None:
    """Return a package's version, None where it runs without being installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
