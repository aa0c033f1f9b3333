"""`opco status`, `opco rollback`: what is published and kept, and which of it readers see."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import enter

app = typer.Typer()


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
    from orchestration.commands.published.closing import rollback_closing, rollback_lines

    del debug
    closing = rollback_closing(enter(home), build_id)
    close(closing, rollback_lines(closing), as_json=as_json)


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

    from orchestration.commands.published.closing import status_closing, status_lines

    del debug
    closing = status_closing(enter(home), datetime.now(UTC), to_the_last_byte=check)
    close(closing, status_lines(closing), as_json=as_json)
    if not closing["ok"]:
        raise typer.Exit(1)
