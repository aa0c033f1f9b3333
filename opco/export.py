"""`opco export`: the export as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app, field_option
from opco.running import open_home, run
from opco.terminal import HomeResult, Result, print_result
from orchestration.defs.export.request import ExportRequest, ResolvedExport, resolve, with_files_read
from orchestration.home.paths import Home
from orchestration.home.sections.documents import ExportSettings
from reports.export.write import count_export
from warehouse.wording import counted, size

FILE = "Repeatable; @FILE reads one a line."
SECOND = "%Y-%m-%dT%H:%M:%SZ"


@app.command(
    epilog="Examples:  opco export --from 2026-09-01 --to 2026-09-30   ·   "
    "opco export --session S-2026-MGMT-09 --language fr --output management.xlsx   ·   "
    "opco export --where OPCO=Akto --format xlsx   ·   "
    "opco export --user @learners.txt --format xlsx --email training@exemple.fr"
)
def export(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write. Default: a telling name in var/exports.")
    ] = None,
    date_from: Annotated[str | None, field_option(ExportRequest, "date_from", "", "--from", metavar="DATE")] = None,
    date_to: Annotated[str | None, field_option(ExportRequest, "date_to", "", "--to", metavar="DATE")] = None,
    user: Annotated[list[str] | None, field_option(ExportRequest, "users", FILE, metavar="USER")] = None,
    group: Annotated[list[str] | None, field_option(ExportRequest, "groups", FILE, metavar="GROUP")] = None,
    session: Annotated[list[str] | None, field_option(ExportRequest, "sessions", FILE, metavar="SESSION")] = None,
    session_id: Annotated[
        list[str] | None, field_option(ExportRequest, "session_ids", FILE, metavar="SESSION_ID")
    ] = None,
    where: Annotated[
        list[str] | None,
        field_option(ExportRequest, "where", f"Values of one field hold apart. {FILE}", metavar="FIELD=VALUE"),
    ] = None,
    custom_field: Annotated[
        list[str] | None, field_option(ExportRequest, "custom_fields", FILE, metavar="FIELD")
    ] = None,
    definition: Annotated[str | None, field_option(ExportRequest, "definition", metavar="NAME")] = None,
    today: Annotated[str | None, field_option(ExportRequest, "today", metavar="DATE")] = None,
    file_format: Annotated[
        str | None,
        field_option(
            ExportSettings, "format", "Default: the suffix of --output, else the setting export.format.", "--format"
        ),
    ] = None,
    dialect: Annotated[
        str | None, field_option(ExportSettings, "dialect", "Default: the setting export.dialect.")
    ] = None,
    language: Annotated[
        str | None, field_option(ExportSettings, "language", "Default: the setting export.language.")
    ] = None,
    decimal_hours: Annotated[bool, field_option(ExportRequest, "decimal_hours", "", "--decimal-hours")] = False,
    email: Annotated[
        list[str] | None, field_option(ExportRequest, "recipients", "Repeatable.", "--email", metavar="ADDRESS")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many lines the file would hold, and write nothing.")
    ] = False,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the OPCO export: one line per connection per learner per course per session.

    Filters hold together; several values of one filter hold apart. A JSON file beside it says what is in it.
    """
    home = open_home(
        home_folder, {"export.format": file_format, "export.dialect": dialect, "export.language": language}
    )
    config: dict[str, Any] = {
        "date_from": date_from,
        "date_to": date_to,
        "users": with_files_read(user or [], "--user"),
        "groups": with_files_read(group or [], "--group"),
        "sessions": with_files_read(session or [], "--session"),
        "session_ids": with_files_read(session_id or [], "--session-id"),
        "where": with_files_read(where or [], "--where"),
        "custom_fields": with_files_read(custom_field or [], "--custom-field"),
        "definition": definition,
        "today": today,
        "format": file_format,
        "dialect": dialect,
        "language": language,
        "decimal_hours": decimal_hours,
        "recipients": email or [],
    }
    # What is wrong with the filters is said before Dagster is loaded.
    resolved = resolve(ExportRequest.of(config), home)
    if dry_run:
        print_result(_counted(home, resolved), as_json=as_json)
        return
    file = output.expanduser().resolve() if output else None
    made = run(home, "export", {"opco_export": config}, output=file, debug=debug)
    print_result(_exported(home, made.get("opco_export")), as_json=as_json)


@dataclass(frozen=True)
class ExportResult(HomeResult, command="export"):
    """An export file: what is in it, how fresh the data are, and who was sent a link to it."""

    rows: int
    path: str
    json_path: str
    format: str
    bytes: int
    sha256: str
    learners: int
    sessions: int
    cut_cells: int
    data_as_of: str
    last_activity_at: str
    build_id: str
    recipients: list[str]
    link_expires_at: str | None

    def lines(self) -> Iterator[str]:
        """Yield what the file holds, where it is and who gets it."""
        if self.rows == 0:
            yield "No line passes the filters: the file holds the header alone."
        else:
            yield f"Exported  {_holds(self)}"
        yield _dated(self)
        yield f"File      {self.path} ({size(self.bytes)})"
        yield f"Beside it {self.json_path}"
        if self.cut_cells:
            yield f"  warning: {counted(self.cut_cells, 'text')} too long for Excel cut; the JSON lists them"
        if self.recipients:
            yield f"Sent to   {', '.join(self.recipients)}; the link lives until {self.link_expires_at}"


@dataclass(frozen=True)
class NoSessionEnded(HomeResult, command="export"):
    """There is nothing to export: no session ended in the period of the definition."""

    dry_run: bool

    def facts(self) -> dict[str, Any]:
        """Return what an export, or its dry run, says of no lines."""
        if self.dry_run:
            return {**asdict(self), "rows": 0, "learners": 0, "sessions": 0, "filters": None}
        return {"home": self.home, "rows": 0, "path": None, "recipients": []}

    def lines(self) -> list[str]:
        """Return that there is no file."""
        nothing = "nothing would be written" if self.dry_run else "nothing was written, nothing sent"
        return [f"No session ended in the period of the definition: {nothing}."]


def _exported(home: Home, made: Mapping[str, Any] | None) -> Result:
    """Return the result of an export from its asset's metadata; None is an export that found nothing to do."""
    if made is None:
        return NoSessionEnded(home.folder, dry_run=False)
    names = ("path", "json_path", "format", "bytes", "sha256", "learners", "sessions", "cut_cells", "data_as_of")
    return ExportResult(
        home=home.folder,
        rows=made["dagster/row_count"],
        **{name: made[name] for name in (*names, "last_activity_at", "build_id")},
        recipients=made.get("recipients", []),
        link_expires_at=made.get("link_expires_at"),
    )


@dataclass(frozen=True)
class DryRunResult(HomeResult, command="export"):
    """What an export would hold."""

    dry_run: bool
    rows: int
    learners: int
    sessions: int
    data_as_of: str
    last_activity_at: str | None
    build_id: str
    filters: dict[str, Any]

    def lines(self) -> list[str]:
        """Return how many lines, and how fresh the data are."""
        return [f"The file would hold {_holds(self)}. Nothing was written.", _dated(self)]


def _counted(home: Home, resolved: ResolvedExport) -> Result:
    """Return what an export would hold. Raises UserError for a filter's value that matches nothing."""
    if resolved.filters is None:
        return NoSessionEnded(home.folder, dry_run=True)
    count = count_export(home.warehouse, resolved.filters)
    return DryRunResult(
        home.folder,
        dry_run=True,
        rows=count.rows,
        learners=count.learners,
        sessions=count.sessions,
        data_as_of=f"{count.data_as_of:{SECOND}}",
        last_activity_at=f"{count.last_activity_at:{SECOND}}" if count.last_activity_at else None,
        build_id=count.build_id,
        filters=resolved.filters.model_dump(mode="json"),
    )


def _holds(result: ExportResult | DryRunResult) -> str:
    lines, learners = counted(result.rows, "line"), counted(result.learners, "learner")
    return f"{lines}, {learners}, {counted(result.sessions, 'session')}"


def _dated(result: ExportResult | DryRunResult) -> str:
    """Return how fresh the data are: when they were loaded, and the last activity in them."""
    return f"Data      loaded on {result.data_as_of}, last activity {result.last_activity_at or 'none'}"
