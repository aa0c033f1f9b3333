"""`opco what-if`: what other inactivity timeouts would retain of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from opco.options import DebugOption, HomeOption, JsonOption, SessionArgument, app
from opco.running import open_home
from opco.terminal import HomeResult, print_result, table
from reports.language import duration
from warehouse.errors import UserError
from warehouse.what_if import TIMEOUTS, AtTimeout, LearnerWhatIf, what_if


@app.command("what-if", epilog="Example:  opco what-if S-2026-MGMT-09 --minutes 5,15,45")
def compare_timeouts(
    session_id: SessionArgument,
    minutes: Annotated[
        str, typer.Option(metavar="MINUTES", help="The timeouts to compare, with commas between them.")
    ] = ",".join(map(str, TIMEOUTS)),
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what other inactivity timeouts would retain of a session, learner by learner. It changes nothing.

    Beside each figure stands the difference to the timeout in force (rules.inactivity_timeout_minutes of the last
    build). All else is as in that build, published or not.
    """
    home = open_home(home_folder)
    found = what_if(home.build_file, session_id, _read_minutes(minutes))
    print_result(WhatIfResult(home.folder, **vars(found)), as_json=as_json)


@dataclass(frozen=True)
class WhatIfResult(HomeResult, command="what-if"):
    """A session at several inactivity timeouts: each learner, and all together."""

    session_id: str
    session_name: str
    minutes_in_force: int
    learners: tuple[LearnerWhatIf, ...]
    totals: tuple[AtTimeout, ...]

    def lines(self) -> list[str]:
        """Return one line a learner with a column a timeout, then the totals."""
        head = [f"{one.inactivity_timeout_minutes} min" for one in self.totals]
        rows = [["learner", "name", *head]]
        rows += [
            [one.user_id, " ".join(filter(None, (one.last_name, one.first_name))), *map(_shown, one.at_timeouts)]
            for one in self.learners
        ]
        return [
            f"{self.session_name} ({self.session_id}): retained time at other inactivity timeouts; "
            f"in force: {self.minutes_in_force} minutes",
            *table([*rows, ["all", "", *map(_shown, self.totals)]]),
        ]


def _shown(one: AtTimeout) -> str:
    difference = one.difference_seconds
    sign = "+" if difference > 0 else "-"
    return duration(one.retained_seconds) + (f" ({sign}{duration(abs(difference))})" if difference else "")


def _read_minutes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"--minutes {text!r} is no list of whole minutes. Write it like 5,10,15.") from error
