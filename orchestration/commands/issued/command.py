"""`opco issues`, `opco verify`: what was issued, and whether it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import enter

app = typer.Typer()


@app.command(epilog="Example:  opco issues S-2026-MGMT-09")
def issues(
    session_id: Annotated[str, typer.Argument(metavar="SESSION_ID", help="The program session.", show_default=False)],
    home: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List what was issued for a session: each issue with its date, its data, and what it did."""
    from orchestration.commands.issued.closing import issues_closing, issues_lines

    del debug
    closing = issues_closing(enter(home), session_id)
    close(closing, issues_lines(closing), as_json=as_json)


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
    from orchestration.commands.issued.closing import verify_closing, verify_lines
    from orchestration.terminal_progress import TerminalProgress
    from reports.attestation.verify import verify as verify_path

    del home, debug
    progress = TerminalProgress()
    with progress.shown():
        progress.stage("Verifying")
        closing = verify_closing(verify_path(path.expanduser(), progress.at))
    close(closing, verify_lines(closing), as_json=as_json)
    raise typer.Exit(0 if closing["ok"] else 1)
