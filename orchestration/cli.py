"""`opco`: a thin face over the assets.

It starts fast: Dagster and the reports are imported by the command that needs them.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.terminal import TerminalProgress, print_error, print_json, print_lines, print_settings
from warehouse.errors import OpcoError, UserError

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.home import Home

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
    raw: Annotated[
        Path | None,
        typer.Option(
            "--raw",
            metavar="FOLDER",
            help="The raw folder: one file or folder a table. Default: the setting build.raw_folder.",
            show_default=False,
        ),
    ] = None,
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
    if as_json:
        print_json(closing)
    else:
        print_lines(build_lines(closing))


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
    if as_json:
        print_json(closing)
    else:
        print_lines(lines)


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
        str | None, typer.Option(metavar="DATE", help="Date of issue, YYYY-MM-DD. Default: today.", show_default=False)
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
    if as_json:
        print_json(closing)
    else:
        print_lines(attest_lines(closing))


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
    if as_json:
        print_json(closing)
    else:
        print_lines(issues_lines(closing))


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
    if as_json:
        print_json(closing)
    else:
        print_lines(verify_lines(closing))
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
    if as_json:
        print_json(closing)
    else:
        print_lines(why_lines(closing))


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
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Open Dagster's web server on this home: the same assets, runs and files, with a launchpad.

    Ends with Ctrl-C. Anyone who reaches the address can start runs: keep it on this machine or behind a proxy.
    """
    from orchestration.webserver import serve

    place = _enter(home)
    if as_json:
        print_json({"command": "dagster", "ok": True, "home": str(place.folder), "url": f"http://{host}:{port}"})
    raise typer.Exit(serve(place, host=host, port=port, debug=debug))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code: 0, 2 for a mistake of the user, 1 for a failure."""
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
    if "--debug" in arguments:
        traceback.print_exception(error)
    print_error(message)
    if "--json" in arguments:
        print_json({"ok": False, "error": message, "exit_code": exit_code})
    return exit_code


def _enter(option: Path | None, options: Mapping[str, str | None] | None = None) -> Home:
    """Return the home, with its settings checked; processes that this one starts find it by OPCO_HOME."""
    from orchestration.home import HOME_VARIABLE, Home
    from orchestration.settings import load_settings

    home = Home.find(option)
    os.environ[HOME_VARIABLE] = str(home.folder)
    load_settings(home, options)
    return home


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
    session_id: str | None = None,
    debug: bool,
) -> dict[str, dict[str, Any]]:
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
            partition_key=key,
            debug=debug,
        )


if __name__ == "__main__":
    main()
