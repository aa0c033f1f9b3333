"""What needs attention today, and the rows that were rejected."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from orchestration.home.settings import home_sources
from orchestration.home.sources import source_states
from portal import access, queries
from portal.failed_runs import FailedRuns
from portal.identity.person import left_administrators
from portal.identity.service import Identity
from portal.pages.common import PageRequest

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
    page = PageRequest(request)
    identity: Identity = request.app.state.identity
    zone = page.build.display_timezone
    latest_runs = list(page.runs.latest(FAILED_SHOWN * 5))
    own = [
        run for run in latest_runs if run.status in ("failed", "stopped") and run.order.asked_by == page.person.email
    ][:FAILED_SHOWN]
    under_way = [run for run in latest_runs[:20] if not run.is_over and run.order.asked_by == page.person.email]
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
                for run in latest[:FAILED_SHOWN]
            ]
        )
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
        waiting=queries.list_waiting_sessions(page.db, page.visible, page.issued, zone, page.now, WAITING_SHOWN),
        own=own,
        under_way=under_way,
        failed=failed,
        left=left_administrators(page.db, identity.administrators) if page.person.is_administrator else [],
        rejected=queries.read_rejected(page.db, page.words.language) if page.person.is_administrator else [],
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
        counts=queries.read_rejected(page.db, page.words.language),
    )
