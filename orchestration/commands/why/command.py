"""`opco why`: what became of raw rows."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.commands.closing import close
from orchestration.commands.options import DebugOption, HomeOption, JsonOption
from orchestration.commands.running import enter

app = typer.Typer()


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
    from orchestration.commands.why.closing import why_closing, why_lines
    from warehouse.why import Question, explain

    del debug
    place = enter(home)
    question = Question(user, session, course, calendar_day(day, "--day"), row)
    closing = why_closing(place, explain(place.build_file, question), limit)
    close(closing, why_lines(closing), as_json=as_json)
