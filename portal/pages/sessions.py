"""The program sessions, one of them, and the lines behind its flags."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portal import access, queries
from portal.charts import column_chart, shares
from portal.pages.common import PageRequest
from portal.pages.issues import listed

COLUMNS = (
    ("name", False),
    ("template", False),
    ("starts", False),
    ("ends", False),
    ("learners", True),
    ("connections", True),
    ("time", True),
    ("activity", False),
    ("issued", False),
)
"""The columns of the list, each a key of `queries.SESSION_SORTS`, and whether it holds a number."""


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages."""
    of_session = access.session("session_id")
    return [
        access.route("/sessions", sessions, who=access.signed_in),
        access.route("/sessions/{session_id:key}", session, who=of_session),
        access.route("/sessions/{session_id:key}/flags/{flag}", flag, who=of_session),
    ]


def sessions(request: Request) -> Response:
    """List the sessions that the person may see."""
    page = PageRequest(request)
    search = page.searched()
    sort = request.query_params.get("sort", "")
    if sort not in queries.SESSION_SORTS:
        sort = "activity"
    order = "asc" if request.query_params.get("order") == "asc" else "desc"
    only = request.query_params.get("only")
    if only not in queries.ONLY:
        only = None
    listed_sessions = queries.list_sessions(
        page.db,
        page.visible,
        page.issued,
        search=search,
        sort=sort,
        descending=order == "desc",
        page=page.number(),
        only=only,
        now=page.now,
    )

    def issued_on(session_id: str, number: int) -> str:
        issue = page.issues.find(session_id, number)
        return page.words.day(issue.issued_on if issue else None)

    return page.render(
        "sessions.html",
        list=listed_sessions,
        search=search,
        sort=sort,
        order=order,
        only=only,
        columns=COLUMNS,
        issued_on=issued_on,
    )


def session(request: Request) -> Response:
    """Show a session: its figures, its pictures, what is worth a look, its issues, its learners."""
    page = PageRequest(request)
    session_id, zone = request.path_params["session_id"], page.build.display_timezone
    figures = page.session_figures
    days = queries.read_days(page.db, session_id)
    courses = queries.list_courses(page.db, session_id)
    for course, share in zip(courses, shares([one["retained_seconds"] for one in courses]), strict=True):
        course["share"] = share
    issues = page.issues.of_session(session_id)
    documents = issues[0].manifest.documents if issues and not issues[0].removal else ()
    return page.render(
        "session.html",
        session=figures,
        days=days,
        chart=column_chart(days, figures["starts_on"], figures["ends_on"]),
        courses=courses,
        flags=queries.read_flags(page.db, session_id),
        flag_words=page.codes("connection_flags", "flag"),
        issues=[listed(issue, issues[0], zone) for issue in issues],
        documents={one.user_id: one.file for one in documents},
        learners=queries.list_learners(page.db, session_id, page.number()),
        run=page.runs.under_way(session_id),
    )


def flag(request: Request) -> Response:
    """List the connections of a session that carry a flag."""
    page = PageRequest(request)
    session_id, zone = request.path_params["session_id"], page.build.display_timezone
    words = page.codes("connection_flags", "flag")
    code = request.path_params["flag"]
    if code not in words:
        raise HTTPException(404)
    return page.render(
        "flag.html",
        session=page.session_figures,
        flag=code,
        flag_words=words,
        lines=queries.list_flag_lines(page.db, session_id, code, zone, page.words.language, page.number()),
    )
