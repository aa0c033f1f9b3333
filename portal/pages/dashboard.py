"""What needs attention today, and the rows that were rejected."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from portal import access, queries
from portal.failed_runs import FailedRuns
from portal.pages.common import Asked

WAITING_SHOWN = 10
FAILED_SHOWN = 10


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages."""
    return [
        access.route("/", dashboard, who=access.signed_in),
        access.route("/rejected-rows", rejected, who=access.administrator),
    ]


def dashboard(request: Request) -> Response:
    """Show how fresh the data are, what failed, which sessions wait for attestations, what was rejected."""
    asked = Asked(request)
    zone = asked.build.display_timezone
    latest_runs = list(asked.runs.latest(FAILED_SHOWN * 5))
    own = [
        run for run in latest_runs if run.status in ("failed", "stopped") and run.order.asked_by == asked.person.email
    ][:FAILED_SHOWN]
    under_way = [run for run in latest_runs[:20] if not run.is_over and run.order.asked_by == asked.person.email]
    failed = None
    if asked.person.is_administrator:
        runs: FailedRuns = request.app.state.failed_runs
        latest = runs.latest()
        failed = (
            None
            if latest is None
            else [
                {
                    "job": run.job,
                    "partition": run.partition,
                    "at": run.at.astimezone(ZoneInfo(zone)).replace(tzinfo=None),
                }
                for run in latest[:FAILED_SHOWN]
            ]
        )
    return asked.page(
        "dashboard.html",
        waiting=queries.list_waiting_sessions(
            asked.connection, asked.visible, asked.issued, zone, asked.now, WAITING_SHOWN
        ),
        own=own,
        under_way=under_way,
        failed=failed,
        rejected=queries.read_rejected(asked.connection, asked.words.language) if asked.person.is_administrator else [],
    )


def rejected(request: Request) -> Response:
    """List the rejected rows and the emptied cells, to the file and line."""
    asked = Asked(request)
    table, reason = (request.query_params.get(name) or None for name in ("table", "reason"))
    return asked.page(
        "rejected.html",
        table=table,
        reason=reason,
        lines=queries.list_rejected(asked.connection, asked.words.language, table, reason, asked.number()),
        counts=queries.read_rejected(asked.connection, asked.words.language),
    )
