"""`opco`: a thin face over the assets.

It starts fast: Dagster and the reports are imported by the command that needs them.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from orchestration.terminal import TerminalProgress, print_error, print_json, print_lines, print_settings
from warehouse.errors import OpcoError, UserError

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.home import Home

DagsterPart = Literal["webserver", "daemon"]
Service = Literal["webserver", "daemon", "serve"]

app = typer.Typer(
    name="opco",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Proof of distance training: raw tables of an LMS in; OPCO export, attestations and a DuckDB file out.",
    epilog="In this order: opco build --raw FOLDER, then opco export, then opco attest SESSION_ID.",
)

# What a shell reports of a program that Ctrl-C ended.
INTERRUPTED = 130
INTERRUPTION = "Interrupted: nothing was published or issued.\nRun the command again; it goes on where it can."

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="FOLDER",
        help="The folder that holds opco.toml, assets/ and var/. Default: OPCO_HOME, else the project's folder.",
        show_default=False,
    ),
]
RawOption = Annotated[
    Path | None,
    typer.Option(
        "--raw",
        metavar="FOLDER",
        help="The raw folder: one file or folder a table. Default: the setting build.raw_folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one line of JSON on stdout at the end; all else goes to stderr.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show Dagster's log and, after an error, the traceback.")]


@app.callback(invoke_without_command=True)
def opco(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """Print the version, or the help where no command is given."""
    if show_version:
        print_lines([f"opco {version('opco-warehouse')}"])
        raise typer.Exit
    if context.invoked_subcommand is None:
        print_lines([context.get_help()])
        raise typer.Exit


@app.command(
    epilog="Examples:  opco build --raw /data/lms   ·   opco build --raw demo/raw --as-of 2026-11-10T06:00:00Z"
)
def build(
    raw: RawOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="INSTANT",
            help="The clock of the load and the build, for rebuilds that can be repeated. Default: now.",
            show_default=False,
        ),
    ] = None,
    full_refresh: Annotated[
        bool,
        typer.Option("--full-refresh", help="Make everything again from the archive, with the same result."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Load a raw folder, compute, test and publish the warehouse.

    A build goes on from the last one: only what is new or changed is read, only learners that it touches are made
    anew. What is published changes only when every test has passed; a build that stops leaves it as it was.
    """
    from orchestration.clock import clock
    from orchestration.closing import build_closing, build_lines

    place = _enter(home)
    clock(as_of)
    load = {"raw_folder": str(raw.expanduser().resolve()) if raw else None, "as_of": as_of}
    made = _run(
        place,
        lambda: _definitions("raw", "warehouse"),
        "build",
        {"raw_tables": load, "dbt_models": {"as_of": as_of, "full_refresh": full_refresh}},
        debug=debug,
    )
    closing = build_closing(place, made)
    _close(closing, build_lines(closing), as_json=as_json)


@app.command(epilog="Example:  opco rebuild")
def rebuild(
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="INSTANT",
            help="The clock of the build, for rebuilds that can be repeated. Default: now.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make everything again from the archive, test and publish it. Nothing is loaded.

    For a damaged build file or published file, and after an upgrade: the archive holds every accepted delivery, so
    losing the rest loses nothing.
    """
    from orchestration.clock import clock
    from orchestration.closing import build_closing, build_lines

    place = _enter(home)
    clock(as_of)
    made = _run(
        place,
        lambda: _definitions("warehouse"),
        "rebuild",
        {"dbt_models": {"as_of": as_of, "full_refresh": True}},
        debug=debug,
    )
    closing = build_closing(place, made, "rebuild")
    _close(closing, build_lines(closing), as_json=as_json)


@app.command(epilog="Examples:  opco rollback   ·   opco rollback 20261110T180000Z-1a2b3c4d")
def rollback(
    build_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[BUILD_ID]",
            help="The build to show again, as opco status lists it. Default: the one before that which is published.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show readers an earlier published build again, at once. Nothing is removed.

    Who has the other one open keeps it. The next build that passes its tests is published over both.
    """
    from orchestration.closing_published import rollback_closing, rollback_lines

    del debug
    closing = rollback_closing(_enter(home), build_id)
    _close(closing, rollback_lines(closing), as_json=as_json)


@app.command(epilog="Examples:  opco status   ·   opco status --check --json")
def status(
    check: Annotated[
        bool, typer.Option("--check", help="Read the published file whole and hold it against its checksum.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell what is published, how old it and its data are, what is kept, what was rejected, what ran and what is next.

    Exit code 1 where readers have no whole warehouse.
    """
    from datetime import UTC, datetime

    from orchestration.closing_published import status_closing, status_lines

    del debug
    closing = status_closing(_enter(home), datetime.now(UTC), to_the_last_byte=check)
    _close(closing, status_lines(closing), as_json=as_json)
    if not closing["ok"]:
        raise typer.Exit(1)


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
    from orchestration.closing import dry_run_closing, dry_run_lines, export_closing, export_lines
    from orchestration.export_request import ExportRequest, what_is_asked, with_files_read

    place = _enter(home, {"export.format": file_format, "export.dialect": dialect, "export.language": language})
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
        made = _run(place, lambda: _definitions("export"), "export", {"opco_export": config}, debug=debug)
        closing = export_closing(place, made.get("opco_export"))
        lines = export_lines(closing)
    _close(closing, lines, as_json=as_json)


@app.command(
    epilog="Examples:  opco attest S-2026-MGMT-09   ·   "
    "opco attest S-2026-MGMT-09 --output /tmp/attestations --issued-on 2026-11-10 --place Lyon"
)
def attest(
    session_id: Annotated[str, typer.Argument(metavar="SESSION_ID", help="The program session.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="A folder that gets a copy of the issue; an earlier copy of the same session in it is replaced.",
            show_default=False,
        ),
    ] = None,
    issued_on: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Date of issue, YYYY-MM-DD. Default: today in the display time zone.",
            show_default=False,
        ),
    ] = None,
    organisation_name: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Name of the training organisation.", show_default=False)
    ] = None,
    legal_representative: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Name of the legal representative.", show_default=False)
    ] = None,
    capacity: Annotated[
        str | None, typer.Option(metavar="TEXT", help="In which capacity they sign.", show_default=False)
    ] = None,
    place: Annotated[str | None, typer.Option(metavar="TEXT", help="Place of signing.", show_default=False)] = None,
    training_duration: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Duration of training sessions, printed as typed.", show_default=False),
    ] = None,
    footer: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Text at the foot of every page.", show_default=False)
    ] = None,
    logo: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Image of the letterhead, in the home's folder assets/.", show_default=False),
    ] = None,
    stamp: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Image of the stamp and signature, in assets/.", show_default=False),
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="LANGUAGE", help="fr or en.", show_default=False)] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USER",
            help="Make only this learner's anew: user_id or e-mail. Repeatable. Those of others stay as they are.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Make all anew, though nothing that is printed changed.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make the attestations of one session: a PDF per learner who played it, a ZIP and a manifest.

    Each making is a new issue in a folder of its own under var/attestations. A learner whose document would print the
    same keeps the earlier PDF and number; a changed one gets a new PDF that replaces it. Where nothing changed, the
    latest issue stays in force. An input not given is taken from the session's or the organisation's settings; an
    empty one ('') is left out of the document.
    """
    from orchestration.closing_attestations import attest_closing, attest_lines, check_output, copy_issue

    inputs = {
        "name": organisation_name,
        "legal_representative": legal_representative,
        "capacity": capacity,
        "place": place,
        "training_duration": training_duration,
        "footer": footer,
        "logo": logo,
        "stamp": stamp,
        "language": language,
    }
    where = _enter(home, {f"organisation.{name}": value for name, value in inputs.items()})
    check_output(where, session_id, output)
    made = _run(
        where,
        lambda: _definitions("attestations"),
        "attestations",
        {"opco_attestations": {**inputs, "issued_on": issued_on, "users": user or [], "force": force}},
        session_id=session_id,
        debug=debug,
    )
    issue = made["opco_attestations"]
    closing = attest_closing(where, session_id, issue, copy_issue(issue, output))
    _close(closing, attest_lines(closing), as_json=as_json)


@app.command(epilog="Examples:  opco nightly   ·   opco nightly --raw /data/lms --wait 120")
def nightly(
    raw: RawOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="INSTANT",
            help="The clock of the load, the build, the exports and the issues. Default: now.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[
        int, typer.Option(metavar="MINUTES", help="How long to wait for a build that is under way.", min=0)
    ] = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Do at once what a night does: load, build, test, publish, make the default exports, issue attestations.

    The settings of \\[nightly] say which exports, and how many days after a session's end its attestations are issued.
    What fails for one export or session keeps no other from being made, and ends the command with exit code 1.
    """
    from orchestration.closing_nightly import nightly_closing, nightly_lines, steps_of
    from orchestration.resources import WAIT_TAG

    place = _enter(home)
    made = _run(
        place,
        lambda: _definitions("raw", "warehouse", "export", "attestations", "nightly"),
        "nightly",
        steps_of(place, raw, as_of),
        tags={WAIT_TAG: str(wait)},
        goes_on=True,
        debug=debug,
    )
    closing = nightly_closing(place, made)
    _close(closing, nightly_lines(closing), as_json=as_json)


@app.command(epilog="Example:  opco issues S-2026-MGMT-09")
def issues(
    session_id: Annotated[str, typer.Argument(metavar="SESSION_ID", help="The program session.", show_default=False)],
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List what was issued for a session: each issue with its date, its data, and what it did."""
    from orchestration.closing_attestations import issues_closing, issues_lines

    del debug
    closing = issues_closing(_enter(home), session_id)
    _close(closing, issues_lines(closing), as_json=as_json)


@app.command(epilog="Examples:  opco verify attestations-S-2026-MGMT-09-issue-1.zip   ·   opco verify attestation.pdf")
def verify(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A PDF, the ZIP or folder of an issue, or a session's folder.", show_default=False
        ),
    ],
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell offline, with no warehouse, whether attestations are complete, unchanged, and add up.

    Files are held against the manifest that came with them, and the rows attached to each PDF against its printed
    total; of a PDF alone, the latter only. Exit code 1 where something is wrong.
    """
    from orchestration.closing_attestations import verify_closing, verify_lines
    from reports.attestation.verify import verify as verify_path

    del home, debug
    progress = TerminalProgress()
    with progress.shown():
        progress.stage("Verifying")
        closing = verify_closing(verify_path(path.expanduser(), progress.at))
    _close(closing, verify_lines(closing), as_json=as_json)
    raise typer.Exit(0 if closing["ok"] else 1)


@app.command(
    epilog="Examples:  opco why --user u-1012 --day 2026-10-13   ·   opco why --row course_connections/10.csv:14"
)
def why(
    user: Annotated[
        str | None, typer.Option(metavar="USER_ID", help="Rows of this learner.", show_default=False)
    ] = None,
    session: Annotated[
        str | None, typer.Option(metavar="SESSION_ID", help="Rows of this program session.", show_default=False)
    ] = None,
    course: Annotated[
        str | None, typer.Option(metavar="COURSE_ID", help="Rows of this course.", show_default=False)
    ] = None,
    day: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Rows of this day, YYYY-MM-DD, in the display time zone.", show_default=False
        ),
    ] = None,
    row: Annotated[
        str | None,
        typer.Option(
            metavar="ROW", help="One row: an event id, a connection id, or FILE:LINE of any table.", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Show this many rows at most.", min=1)] = 200,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell what became of raw rows, to the file and line, and why: the connection they went into, or the reason.

    Options hold together. It reads the last build, published or not; the instants it prints are UTC.
    """
    from orchestration.clock import calendar_day
    from orchestration.closing import why_closing, why_lines
    from warehouse.why import Question, explain

    del debug
    place = _enter(home)
    question = Question(user, session, course, calendar_day(day, "--day"), row)
    closing = why_closing(place, explain(place.build_file, question), limit)
    _close(closing, why_lines(closing), as_json=as_json)


@app.command(epilog="Examples:  opco alarms   ·   opco alarms --test   ·   opco alarms --run 4f1c6c0e-…")
def alarms(
    test: Annotated[
        bool, typer.Option("--test", help="Send a trial message to the recipients, to see that it arrives.")
    ] = False,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="RUN_ID", help="Print all that is on record of why this run failed.", show_default=False
        ),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service",
            metavar="UNIT",
            help="Send word that this service failed, as systemd's OnFailure= does.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell what is amiss now, who is told of it, and which messages wait to be sent.

    Failed runs that no person started, failed checks, loads with many rejects, stale data, and proof of what the LMS
    lost. The sensor `alarms` of opco dagster sends each cause once to the setting alarms.recipients.
    """
    from orchestration.closing_alarms import (
        alarms_closing,
        alarms_lines,
        run_closing,
        run_lines,
        service_closing,
        trial_closing,
    )

    del debug
    # A home whose disk has gone is no reason to be silent: the environment may say all that a message needs.
    place = _enter(home, must_exist=service is None)
    if run_id is not None:
        closing = run_closing(place, run_id)
        lines = run_lines(closing)
    else:
        if service is not None:
            closing = service_closing(place, service)
        else:
            closing = trial_closing(place) if test else alarms_closing(place)
        lines = alarms_lines(closing)
    _close(closing, lines, as_json=as_json)


@app.command(epilog="Example:  opco forget u-1004 --reason 'asked by letter of 2 March' --dry-run")
def forget(
    user_id: Annotated[str, typer.Argument(metavar="USER_ID", help="The learner, by id.", show_default=False)],
    reason: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Why, for the record; without the learner's name.", show_default=False),
    ],
    override: Annotated[
        bool, typer.Option("--override", help="Although the proof must still be kept (forgetting.retention_years).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what holds the data, and change nothing.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Take a learner's personal data out of the home: name, e-mail, custom fields, labels. Times stay under the id.

    Archive, build and published file are made anew without it, earlier published builds go, later deliveries bring
    nothing back. Export files and attestations that hold it are listed: they are for a person to decide about.
    """
    from orchestration.commands.forget import forget_closing, forget_lines

    place = _enter(home)
    closing = forget_closing(place, user_id, reason, override=override, dry_run=dry_run, debug=debug)
    _close(closing, forget_lines(closing), as_json=as_json)


@app.command(epilog="Examples:  opco clean --dry-run   ·   opco clean --issues-of S-2026-MGMT-09")
def clean(
    superseded_before: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Of the archive too: versions of delivered files that no build reads, last delivered before this day.",
            show_default=False,
        ),
    ] = None,
    issues_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SESSION_ID",
            help="Of the attestations too: documents of this session's superseded issues. Repeatable.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, with its size, and change nothing.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Remove earlier builds, exports past their retention, expired copies, leftovers, and old records of runs.

    The archive and the attestations lose nothing unless they are named, and then nothing that a build reads or that
    is in force; what went stays on record. The retentions are the settings of \\[cleaning].
    """
    from orchestration.commands.clean import clean_closing, clean_lines

    place = _enter(home)
    closing = clean_closing(place, superseded_before, issues_of or [], dry_run=dry_run)
    del debug
    _close(closing, clean_lines(closing), as_json=as_json)


@app.command(epilog="Example:  opco settings --home /srv/opco")
def settings(
    session: Annotated[
        str | None,
        typer.Option(
            metavar="SESSION_ID", help="Those in force for this program session's attestations.", show_default=False
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the settings in force, where each comes from and what it does.

    A command's option wins over the environment, the environment over opco.toml, opco.toml over the default.
    """
    from orchestration.settings import settings_in_force

    del debug
    place = _enter(home)
    in_force = settings_in_force(place, session)
    if as_json:
        described = {
            one.key: {
                "value": one.value,
                "origin": one.origin,
                "variable": one.variable,
                "description": one.description,
            }
            for one in in_force
        }
        print_json({"command": "settings", "ok": True, "home": str(place.folder), "settings": described})
        return
    print_lines([f"Home: {place.folder}", f"File: {place.settings_file}"])
    print_settings(in_force)


@app.command(epilog="Example:  OPCO_PORTAL__SECRET=… opco serve --port 8000")
def serve(
    port: Annotated[int, typer.Option(metavar="PORT", help="Port of the web server.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Serve the instructors' pages and the links that were sent by e-mail, under portal.base_url, until Ctrl-C.

    Needs the variable OPCO_PORTAL__SECRET, the one that signed the links. Put a server with TLS before it.
    """
    from orchestration.settings import load_settings
    from portal.server import serve as answer

    place = _enter(home)
    said = load_settings(place)
    if said.portal.secret is None or said.portal.base_url is None:
        raise UserError(
            "opco serve needs the setting portal.base_url and the variable OPCO_PORTAL__SECRET.\n"
            "A new secret: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if as_json:
        print_json({"command": "serve", "ok": True, "home": str(place.folder), "url": f"http://{host}:{port}"})
    answer(place, said, host=host, port=port, debug=debug)


@app.command(epilog="Example:  opco dagster --port 3001")
def dagster(
    port: Annotated[int, typer.Option(metavar="PORT", help="Port of the web server.", min=1, max=65535)] = 3000,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    only: Annotated[
        DagsterPart | None,
        typer.Option(help="Run this one alone, each as a service of its own. Default: both.", show_default=False),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Open Dagster's web server on this home: the same assets, runs and files, with a launchpad; and its daemon.

    Ends with Ctrl-C. Anyone who reaches the address can start runs: keep it on this machine or behind a proxy. The
    daemon starts what schedules and sensors ask for, and sends the alarms.
    """
    from orchestration.webserver import serve

    place = _enter(home)
    if as_json:
        print_json({"command": "dagster", "ok": True, "home": str(place.folder), "url": f"http://{host}:{port}"})
    raise typer.Exit(serve(place, only=only, host=host, port=port, debug=debug))


@app.command(epilog="Examples:  opco health webserver   ·   opco health daemon   ·   opco health serve --url http://…")
def health(
    service: Annotated[Service, typer.Argument(help="The service that is asked.", show_default=False)],
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of the web server. Default: http://127.0.0.1:3000, or :8000 with the path of "
            "portal.base_url for serve.",
            show_default=False,
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell whether a service of this home is well; exit code 1 where it is not.

    A web server is well when it answers; the daemon, when each of its parts showed itself in the last five minutes.
    """
    from orchestration.health import health_of

    del debug
    closing = health_of(_enter(home), service, url)
    _close(closing, [closing["said"]], as_json=as_json)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code: 0, 2 for a mistake of the user, 1 for a failure."""
    stderr = sys.stderr
    try:
        return _run_command(arguments)
    finally:
        # The settings may have had its lines made JSON.
        sys.stderr = stderr


def _run_command(arguments: list[str]) -> int:
    try:
        code = app(arguments, standalone_mode=False, prog_name="opco")
    except (OpcoError, typer.TyperException, typer.Abort, OSError) as error:
        return _said(arguments, error, _message(error), getattr(error, "exit_code", 1))
    except Exception as error:
        message = f"Something that was not foreseen went wrong: {type(error).__name__}: {error}\n"
        return _said(arguments, error, message + "Run the command again with --debug to see where.", 1)
    except BaseException as error:
        # Dagster raises an exception of its own for Ctrl-C and SIGTERM.
        if not isinstance(error, KeyboardInterrupt) and "Interrupted" not in type(error).__name__:
            raise
        return _said(arguments, error, INTERRUPTION, INTERRUPTED)
    if code == INTERRUPTED:
        # Ctrl-C outside of a run: Typer has made an exit code of it.
        return _said(arguments, KeyboardInterrupt(), INTERRUPTION, INTERRUPTED)
    return code if isinstance(code, int) else 0


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


def _message(error: BaseException) -> str:
    if isinstance(error, typer.TyperException):
        return f"{error.format_message()}\nopco --help, and --help after a command, tell what can be asked."
    return str(error)


def _said(arguments: list[str], error: BaseException, message: str, exit_code: int) -> int:
    from orchestration.home import HOME_VARIABLE
    from orchestration.room import want_of_room

    home = Path(os.environ.get(HOME_VARIABLE, "."))
    message = (want_of_room(error, home) if exit_code == 1 and home.is_dir() else None) or message
    if "--debug" in arguments:
        traceback.print_exception(error)
    print_error(message)
    if "--json" in arguments:
        print_json({"ok": False, "error": message, "exit_code": exit_code})
    return exit_code


def _enter(option: Path | None, options: Mapping[str, str | None] | None = None, *, must_exist: bool = True) -> Home:
    """Return the home, with its settings checked; processes that this one starts find it by OPCO_HOME."""
    from orchestration.home import HOME_VARIABLE, Home
    from orchestration.home_stamp import check_home
    from orchestration.log_lines import say_as_json
    from orchestration.settings import load_settings, variable_of

    if os.environ.get(variable_of("logs.format")) == "json":
        say_as_json()
    home = Home.find(option, must_exist=must_exist)
    check_home(home)
    os.environ[HOME_VARIABLE] = str(home.folder)
    if load_settings(home, options).logs.format == "json":
        say_as_json()
    return home


def _close(closing: Mapping[str, Any], lines: Iterable[str], *, as_json: bool) -> None:
    """Print what a command says at its end: one line of JSON, or lines for people."""
    if as_json:
        print_json(closing)
    else:
        print_lines(lines)


def _definitions(*domains: str) -> dg.Definitions:
    """Return the definitions of some domains only: dbt is not loaded where it is not needed."""
    from importlib import import_module

    import dagster as dg

    return dg.Definitions.merge(*(import_module(f"orchestration.defs.{domain}.assets").defs() for domain in domains))


def _run(
    home: Home,
    definitions: Callable[[], dg.Definitions],
    job: str,
    ops: Mapping[str, Any],
    *,
    tags: Mapping[str, str] | None = None,
    session_id: str | None = None,
    goes_on: bool = False,
    debug: bool,
) -> dict[str, dict[str, Any]]:
    from orchestration.room import check_room

    check_room(home)
    progress = TerminalProgress()
    with progress.shown(), contextlib.ExitStack() as stack:
        # dbt's words and those of the steps would stand between the closing lines.
        quiet = sys.stderr if debug else stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        stack.enter_context(contextlib.redirect_stdout(quiet))
        progress.stage("Starting")
        from orchestration.runs import open_instance, run_job

        instance = stack.enter_context(open_instance(home))
        key = None
        if session_id is not None:
            from orchestration.defs.attestations.partitions import add_session

            key = add_session(instance, home.warehouse, session_id)
        return run_job(
            home,
            definitions(),
            job,
            instance=instance,
            progress=progress,
            ops=ops,
            tags=tags,
            partition_key=key,
            goes_on=goes_on,
            debug=debug,
        )


if __name__ == "__main__":
    main()
