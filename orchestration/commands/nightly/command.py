"""`opco nightly`: what a night does, at once."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption, RawOption
from orchestration.commands.running import definitions_of, enter, run

app = typer.Typer()


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
    from orchestration.commands.nightly.closing import nightly_closing, nightly_lines, steps_of
    from orchestration.resources import WAIT_TAG

    place = enter(home)
    made = run(
        place,
        lambda: definitions_of("raw", "warehouse", "export", "attestations", "nightly"),
        "nightly",
        steps_of(place, raw, as_of),
        tags={WAIT_TAG: str(wait)},
        goes_on=True,
        debug=debug,
    )
    closing = nightly_closing(place, made)
    close(closing, nightly_lines(closing), as_json=as_json)
