"""`opco forget`: a learner's personal data leaves the home."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import enter

app = typer.Typer()


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
    from orchestration.commands.forget.forgetting import forget_closing, forget_lines

    place = enter(home)
    closing = forget_closing(place, user_id, reason, override=override, dry_run=dry_run, debug=debug)
    close(closing, forget_lines(closing), as_json=as_json)
