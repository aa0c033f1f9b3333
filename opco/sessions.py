"""`opco sessions`: the program sessions that can be attested and exported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, print_result, table
from orchestration.home.paths import Home
from reports.issuing.manifest import issue_folders
from reports.issuing.naming import session_folder
from reports.language import duration
from warehouse.errors import UserError
from warehouse.published import LAST_DAY, LOCAL_DAY, open_published
from warehouse.wording import counted


@app.command(epilog="Examples:  opco sessions   ·   opco sessions management")
def sessions(
    search: Annotated[
        str | None, typer.Argument(metavar="[WORDS]", help="Those alone whose name, ID or program template holds this.")
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the program sessions of the published warehouse with the IDs that attest and export take.

    Of each: its days, who played it, the time spent, the issue of its attestations in force. The latest first.
    """
    home = open_home(home_folder)
    print_result(SessionsResult(home.folder, find_sessions(home, search)), as_json=as_json)


@dataclass(frozen=True)
class Session:
    """A program session, what was played of it, and the issue of its attestations in force."""

    session_id: str
    session_name: str
    program_template_name: str
    starts_on: date | None
    ends_on: date | None
    learner_count: int
    connection_count: int
    retained_seconds: int
    issue_number: int | None


@dataclass(frozen=True)
class SessionsResult(HomeResult, command="sessions"):
    """Program sessions, the latest first."""

    sessions: list[Session]

    def lines(self) -> list[str]:
        """Return one line a session, its name last."""
        heads = ("Session ID", "From", "To", "Learners", "Connections", "Time spent", "Issue", "Name")
        rows = [
            (
                one.session_id,
                _day(one.starts_on),
                _day(one.ends_on),
                f"{one.learner_count:,}",
                f"{one.connection_count:,}",
                duration(one.retained_seconds),
                "–" if one.issue_number is None else str(one.issue_number),
                one.session_name,
            )
            for one in self.sessions
        ]
        first = self.sessions[0].session_id
        return [
            *table([heads, *rows], right=range(3, 7)),
            f"{counted(len(self.sessions), 'session')}. Attest one with: opco attest {first}",
        ]


def _day(day: date | None) -> str:
    return "–" if day is None else f"{day:%d/%m/%Y}"


QUERY = f"""
    select
        session_id,
        session_name,
        program_template_name,
        {LOCAL_DAY.format("starts_at")} as starts_on,
        {LAST_DAY} as ends_on,
        played_count as learner_count,
        connection_count,
        retained_seconds
    from fct_program_sessions
    where
        $search is null
        or contains(
            lower(strip_accents(concat_ws(' ', session_id, session_name, program_template_name))),
            lower(strip_accents($search))
        )
    order by starts_on desc nulls last, length(session_id), session_id
"""


def find_sessions(home: Home, search: str | None) -> list[Session]:
    """Return the sessions whose name, ID or template holds `search`, any case, accents aside; all of them for None.

    Raises UserError when there is none, or nothing was published yet.
    """
    with open_published(home.warehouse) as db:
        ((zone,),) = db.execute("select display_timezone from warehouse_build").fetchall()
        rows = db.execute(QUERY, {"search": search, "zone": zone}).fetchall()
    if not rows:
        raise UserError(
            "The published warehouse holds no program session."
            if search is None
            else f"No program session's name, ID or template holds {search!r}. `opco sessions` lists them all."
        )
    return [Session(*(*row, _latest_issue(home, row[0]))) for row in rows]


def _latest_issue(home: Home, session_id: str) -> int | None:
    issues = issue_folders(session_folder(home.attestations, session_id))
    return issues[-1][0] if issues else None
