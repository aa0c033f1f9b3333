"""`opco runs`: what was asked for on the portal's pages and is not over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, print_result, table
from orchestration.home.audit import AuditLog
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.runs.background import BackgroundRun, BackgroundRuns
from orchestration.runs.supervision import used_seconds
from warehouse.account import account
from warehouse.errors import UserError


@app.command(epilog="Examples:  opco runs   ·   opco runs --cancel 20261125T035501000000-0123456789abcdef")
def runs(
    cancel: Annotated[
        str | None, typer.Option("--cancel", metavar="ID", help="End this run; it is not started again.")
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the runs that people asked for on the portal's pages and that are at work or wait, or end one of them.

    A run that is cancelled leaves what one leaves that was killed: nothing half-issued, and no file half-written.
    """
    home = open_home(home_folder)
    background = BackgroundRuns(home, load_settings(home).runs)
    if cancel is not None:
        print_result(CancelResult(home.folder, _facts(home, _cancelled(home, background, cancel))), as_json=as_json)
        return
    found = [run for run in background.latest() if not run.is_over or background.will_resume(run)]
    print_result(RunsResult(home.folder, [_facts(home, run) for run in reversed(found)]), as_json=as_json)


@dataclass(frozen=True)
class RunFacts:
    """A run: what it is, who asked for it, and how long it has been at work."""

    run_id: str
    kind: str
    status: str
    session_id: str | None
    asked_by: str
    asked_at: str
    used_seconds: float


@dataclass(frozen=True)
class RunsResult(HomeResult, command="runs"):
    """The runs that are at work, wait, or begin again when the portal does, in the order of their orders."""

    runs: list[RunFacts]

    def lines(self) -> list[str]:
        """Return a line a run."""
        if not self.runs:
            return ["No run is at work, and none waits."]
        rows = [
            (
                one.run_id,
                one.status,
                f"{one.kind} {one.session_id or ''}".strip(),
                one.asked_by,
                one.asked_at,
                f"{one.used_seconds:,.0f} s",
            )
            for one in self.runs
        ]
        return table([("Run", "Status", "What", "Asked by", "Asked at (UTC)", "At work"), *rows])


@dataclass(frozen=True)
class CancelResult(HomeResult, command="runs"):
    """What became of a run that was to end."""

    cancelled: RunFacts

    def lines(self) -> list[str]:
        """Return whether it ended before it was done."""
        run = self.cancelled
        if run.status == "cancelled":
            return [f"Cancelled {run.run_id}: nothing half-made was issued, and it is not started again."]
        return [f"The run {run.run_id} was faster: {run.status}."]


def _cancelled(home: Home, background: BackgroundRuns, run_id: str) -> BackgroundRun:
    """End a run, and return what became of it. Raises UserError where there is none, or it is over already."""
    run = background.find(run_id)
    if run is None:
        raise UserError(f"No run has the id {run_id!r}. List those that are not over with: opco runs")
    if run.is_over and not background.will_resume(run):
        raise UserError(f"The run {run_id} is over already ({run.status}): there is nothing to cancel.")
    by = f"account {account()}"
    order = run.order
    facts = {"run_id": run_id, "kind": order.kind, "session_id": order.session_id, "asked_by": order.asked_by}
    # What cannot be recorded does not happen.
    AuditLog.of(home).add("run_cancelled", email=None, client=by, **facts)
    return background.cancel(run, by=by)


def _facts(home: Home, run: BackgroundRun) -> RunFacts:
    order = run.order
    used = used_seconds(home.background_runs / order.run_id)
    return RunFacts(order.run_id, order.kind, run.status, order.session_id, order.asked_by, order.asked_at, used)
