"""`opco why`: what became of raw rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, print_result
from orchestration.home.clock import calendar_day
from warehouse.why import Answer, Question, explain
from warehouse.wording import counted


@app.command(
    epilog="Examples:  opco why --user u-1012 --day 2026-10-13   ·   opco why --row course_connections/10.csv:14"
)
def why(
    user: Annotated[str | None, typer.Option(metavar="USER_ID", help="Rows of this learner.")] = None,
    session: Annotated[str | None, typer.Option(metavar="SESSION_ID", help="Rows of this program session.")] = None,
    course: Annotated[str | None, typer.Option(metavar="COURSE_ID", help="Rows of this course.")] = None,
    day: Annotated[
        str | None, typer.Option(metavar="DATE", help="Rows of this day, DD/MM/YYYY, in the display time zone.")
    ] = None,
    row: Annotated[
        str | None,
        typer.Option(metavar="ROW", help="One row: an event id, a connection id, or FILE:LINE of any table."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="Show this many rows at most.", min=1)] = 200,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Explain what became of raw rows, to the file and line, and why: the connection they went into, or the reason.

    Options hold together. It reads the last build, published or not; the instants it prints are UTC.
    """
    question = Question(user, session, course, calendar_day(day, "--day"), row)
    home = open_home(home_folder)
    answers = explain(home.build_file, question)
    result = WhyResult(
        home.folder,
        rows=len(answers),
        connections=len({answer.connection_id for answer in answers if answer.outcome == "connection"}),
        outcomes=dict(sorted(Counter(answer.outcome for answer in answers).items())),
        answers=answers[:limit],
    )
    print_result(result, as_json=as_json)


@dataclass(frozen=True)
class WhyResult(HomeResult, command="why"):
    """What became of raw rows: how many of each outcome, and the first of them."""

    rows: int
    connections: int
    outcomes: dict[str, int]
    answers: list[Answer]

    def lines(self) -> list[str]:
        """Return one line a raw row, then how many of each outcome."""
        if not self.rows:
            return ["No raw row answers to that. Ids are case-sensitive; a day is one in the display time zone."]
        lines = [_line(answer) for answer in self.answers]
        if self.rows > len(lines):
            lines.append(f"and {counted(self.rows - len(lines), 'more row')} (--limit shows more)")
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in self.outcomes.items())
        return [*lines, f"{counted(self.rows, 'row')}: {outcomes}; {counted(self.connections, 'connection')}"]


def _line(answer: Answer) -> str:
    parts = [f"{answer.happened_at}Z" if answer.happened_at else "", f"{answer.file}:{answer.line}"]
    parts += [answer.row_id or "", answer.outcome, f"({answer.detail})" if answer.detail else ""]
    if answer.connection_id:
        seconds = answer.retained_seconds
        until = "open" if seconds is None else f"until {answer.disconnected_at}Z, {seconds} s retained"
        word = "by" if answer.outcome == "superseded" else "=>"
        parts.append(
            f"{word} {answer.connection_id} of {answer.connected_at}Z: {until}, {answer.end_kind}, "
            f"{answer.evidence_level}"
        )
    return "  ".join(part for part in parts if part)
