"""What runs and what needs attention today, and the rows that were rejected."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from orchestration.home.settings import home_sources
from orchestration.home.sources import source_states
from portal import access, dashboard_queries, queries
from portal.charts import week_chart
from portal.failed_runs import FailedRuns
from portal.identity.person import left_administrators
from portal.identity.service import Identity
from portal.pages.common import PageRequest
from portal.pages.learners import proof_levels

SHOWN = 10
"""So many lines of each list; each leads to all of them."""


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages."""
    return [
        access.route("/", dashboard, who=access.signed_in),
        access.route("/rejected-rows", rejected, who=access.administrator),
    ]


def dashboard(request: Request) -> Response:
    """Show the sessions that run, whom to chase, the hours, what they rest on, and what needs attention."""
    page = PageRequest(request)
    identity: Identity = request.app.state.identity
    zone = page.build.display_timezone
    asked_for = [
        run
        for run in page.runs.latest(SHOWN * 5)
        if run.order.asked_by == page.person.email and (run.status in ("failed", "stopped") or not run.is_over)
    ][:SHOWN]
    totals = dashboard_queries.read_totals(page.db, page.visible, page.now)
    failed = None
    if page.person.is_administrator:
        runs: FailedRuns = request.app.state.failed_runs
        latest = runs.latest()
        failed = (
            None
            if latest is None
            else [
                {
                    "job": run.job,
                    "run_id": run.run_id,
                    "session_id": run.session_id,
                    "reason": run.reason,
                    "at": _local(run.at, zone),
                }
                for run in latest[:SHOWN]
            ]
        )
    left: list[str] = []
    if page.person.is_administrator:
        left = page.reading.once("left", lambda db: left_administrators(db, identity.administrators))
    return page.render(
        "dashboard.html",
        sources=[
            {
                "name": one.name,
                "last_activity_local": _local(one.last_activity, zone),
                "pulled_local": _local(one.pulled_at, zone),
            }
            for one in source_states(page.home, home_sources(page.home))
        ],
        totals=totals,
        levels=proof_levels(totals),
        running=dashboard_queries.list_running_sessions(page.db, page.visible, page.now, zone, SHOWN),
        to_chase=dashboard_queries.list_to_chase(page.db, page.visible, page.now, SHOWN),
        chart=week_chart(dashboard_queries.read_weeks(page.db, page.visible, page.now, zone)),
        weeks=dashboard_queries.WEEKS,
        ending_days=queries.ENDING_DAYS,
        waiting=queries.list_waiting_sessions(page.db, page.visible, page.issued, page.now, SHOWN),
        asked_for=asked_for,
        failed=failed,
        left=left,
        rejected=_rejected(page) if page.person.is_administrator else [],
    )


def _local(instant: datetime | None, zone: str) -> datetime | None:
    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if instant else None


def rejected(request: Request) -> Response:
    """List the rejected rows and the nulled cells, to the file and line."""
    page = PageRequest(request)
    table, reason = (request.query_params.get(name) or None for name in ("table", "reason"))
    return page.render(
        "rejected.html",
        table=table,
        reason=reason,
        lines=queries.list_rejected(page.db, page.words.language, table, reason, page.number()),
        counts=_rejected(page),
    )


def _rejected(page: PageRequest) -> list[queries.Row]:
    language = page.words.language
    return page.reading.once(("rejected", language), lambda db: queries.read_rejected(db, language))
