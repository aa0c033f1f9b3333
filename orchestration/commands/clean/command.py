"""`opco clean`: what the home may lose without losing anything."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import enter

app = typer.Typer()


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
    from orchestration.commands.clean.cleaning import clean_closing, clean_lines

    place = enter(home)
    closing = clean_closing(place, superseded_before, issues_of or [], dry_run=dry_run)
    del debug
    close(closing, clean_lines(closing), as_json=as_json)
