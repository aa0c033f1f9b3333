"""`opco export`: the export as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import definitions_of, enter, run

app = typer.Typer()


@app.command(
    epilog="Examples:  opco export --from 2026-09-01 --to 2026-09-30   ·   "
    "opco export --session S-2026-MGMT-09 --language fr --output management.xlsx   ·   "
    "opco export --user @learners.txt --format xlsx --email training@exemple.fr"
)
def export(
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The file to write. Default: a telling name in var/exports.", show_default=False
        ),
    ] = None,
    date_from: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="First day of connection, YYYY-MM-DD.", show_default=False),
    ] = None,
    date_to: Annotated[
        str | None,
        typer.Option("--to", metavar="DATE", help="Last day of connection, included.", show_default=False),
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USER",
            help="Only this learner: e-mail (any case) or id. Repeatable; @FILE reads one a line.",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP",
            help="Only members of this group or its sub-groups: name or id. Repeatable; @FILE.",
            show_default=False,
        ),
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SESSION",
            help="Only this program session: id or exact name. Repeatable; @FILE.",
            show_default=False,
        ),
    ] = None,
    custom_field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="Show this custom field: title or id. Repeatable; @FILE. Default: all.",
            show_default=False,
        ),
    ] = None,
    definition: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The export that opco.toml defines as \\[exports.NAME].", show_default=False),
    ] = None,
    today: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Day that the definition's periods are relative to. Default: today.",
            show_default=False,
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="csv, xlsx or parquet. Default: the suffix of --output, else the setting export.format.",
            show_default=False,
        ),
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option(
            metavar="DIALECT",
            help="excel (semicolon, BOM) or rfc4180 (comma). Default: the setting export.dialect.",
            show_default=False,
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            metavar="LANGUAGE", help="Header in en or fr. Default: the setting export.language.", show_default=False
        ),
    ] = None,
    email: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Send a link to the file to this address, if the settings allow it. Repeatable.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many lines the file would hold, and write nothing.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the OPCO export: one line per connection per learner per course per session.

    Filters hold together; several values of one filter hold apart. A JSON file beside it says what is in it.
    """
    from orchestration.commands.export.closing import dry_run_closing, dry_run_lines, export_closing, export_lines
    from orchestration.export_request import ExportRequest, what_is_asked, with_files_read

    place = enter(home, {"export.format": file_format, "export.dialect": dialect, "export.language": language})
    config: dict[str, Any] = {
        "date_from": date_from,
        "date_to": date_to,
        "users": with_files_read(user or [], "--user"),
        "groups": with_files_read(group or [], "--group"),
        "sessions": with_files_read(session or [], "--session"),
        "custom_fields": with_files_read(custom_field or [], "--custom-field"),
        "definition": definition,
        "today": today,
        "format": file_format,
        "dialect": dialect,
        "language": language,
        "recipients": email or [],
    }
    # What is wrong with the filters is said before Dagster is loaded.
    asked = what_is_asked(ExportRequest.of(config), place)
    if dry_run:
        closing = dry_run_closing(place, asked)
        lines = dry_run_lines(closing)
    else:
        config["output"] = str(output.expanduser().resolve()) if output else None
        made = run(place, lambda: definitions_of("export"), "export", {"opco_export": config}, debug=debug)
        closing = export_closing(place, made.get("opco_export"))
        lines = export_lines(closing)
    close(closing, lines, as_json=as_json)
