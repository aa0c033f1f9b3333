"""`opco attest`: the attestations of one session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import definitions_of, enter, run

app = typer.Typer()


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
    from orchestration.commands.attest.closing import attest_closing, attest_lines, check_output, copy_issue

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
    where = enter(home, {f"organisation.{name}": value for name, value in inputs.items()})
    check_output(where, session_id, output)
    made = run(
        where,
        lambda: definitions_of("attestations"),
        "attestations",
        {"opco_attestations": {**inputs, "issued_on": issued_on, "users": user or [], "force": force}},
        session_id=session_id,
        debug=debug,
    )
    issue = made["opco_attestations"]
    closing = attest_closing(where, session_id, issue, copy_issue(issue, output))
    close(closing, attest_lines(closing), as_json=as_json)
