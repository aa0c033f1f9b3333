"""A session's documents beside its attestations: what each would hold, what a funder would send back, logs to sign."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from orchestration.defs.attestations.issuing import WHOLE, checked_month, issues_folder
from orchestration.defs.documents.preflight import funders, logs_folder, preflight
from orchestration.runs.background import DOCUMENT_KINDS, BackgroundRun
from portal import access, audit, limits
from portal.issues import Issue, read_issue
from portal.pages.common import PageRequest, found
from portal.previews import BusyError, Previews
from reports.attestation.kind import Scope
from reports.attestation.queries import read_session
from reports.attestation.wording import display_name
from reports.issuing.kinds import KINDS
from reports.issuing.manifest import issue_folders
from reports.issuing.sign_off import log_states, record_sign_off
from warehouse.archive import INSTANT
from warehouse.errors import OpcoError, UserError
from warehouse.what_if import WhatIf, what_if

MONTHS = """
select distinct strftime(connected_on, '%Y-%m') as month
from fct_opco_connections
where session_id = $session_id
union
select distinct strftime(timezone($zone, completed_at at time zone 'UTC'), '%Y-%m')
from fct_credited_activities
where session_id = $session_id and completed_at is not null
order by month
"""
MOST_CHARACTERS = 500


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages and files."""
    of_session = access.session("session_id")
    path = "/sessions/{session_id:key}/documents"
    return [
        access.route(path, documents, who=of_session),
        access.route(path, begin_documents, who=of_session, methods=["POST"]),
        access.route(f"{path}/sign-off", sign_off, who=of_session, methods=["POST"]),
        access.route(f"{path}/{{kind}}/{{period}}/{{number:int}}", documents_zip, who=of_session),
        access.route(f"{path}/runs/{{run_id}}", documents_run, who=of_session),
        access.route(f"{path}/runs/{{run_id}}/progress", documents_progress, who=of_session),
        access.route(f"{path}/runs/{{run_id}}/cancel", documents_cancel, who=of_session, methods=["POST"]),
    ]


def documents(request: Request) -> Response:
    """Show what can be made of the session, what is missing, and the logs to be signed."""
    return _page(PageRequest(request))


def begin_documents(request: Request) -> Response:
    """Begin to make the documents of a kind, of a month or of the whole session."""
    page = PageRequest(request)
    _require_offered(page)
    session_id, sent = request.path_params["session_id"], request.state.form
    kind = str(sent.get("kind") or "")
    if kind not in DOCUMENT_KINDS:
        raise HTTPException(422)
    try:
        month = checked_month(str(sent.get("month") or ""))
    except UserError as error:
        return _page(page, status=422, wrong=str(error))
    if kind == "log" and month is None:
        return _page(page, status=422, wrong=page.words.text("documents_month_needed"))
    limits.check(request, limits.STARTED_RUNS)
    config = {"month": month} if month else {}
    audit.record(request, "documents_asked_for", session_id=session_id, kind=kind, month=month)
    run = page.runs.start(kind, config, asked_by=page.person.email, session_id=session_id)
    return RedirectResponse(page.url("documents_run", session_id=session_id, run_id=run.order.run_id), 303)


def documents_zip(request: Request) -> Response:
    """Give the ZIP of an issue."""
    page, path = PageRequest(request), request.path_params
    one = found(_issue(page, path["kind"], path["period"], path["number"]))
    if not one.zip_path.is_file():
        raise HTTPException(404)
    if request.method == "GET":
        audit.record(
            request,
            "documents_downloaded",
            session_id=path["session_id"],
            kind=path["kind"],
            period=path["period"],
            issue_number=path["number"],
        )
    return FileResponse(one.zip_path, filename=one.zip_path.name, media_type="application/zip")


def documents_run(request: Request) -> Response:
    """Show how far the making is, or what came of it."""
    page = PageRequest(request)
    run = _run(page)
    result = dict(run.result or {})
    period = str(run.order.config.get("month") or WHOLE)
    issue = _issue(page, run.order.kind, period, result.get("issue_number", 0)) if result else None
    return page.render(
        "documents_run.html",
        session=page.session_figures,
        run=run,
        result=result,
        issue=issue,
        period=period,
        error=page.error_of(run),
        asked_at=page.asked_at(run),
        will_resume=page.runs.will_resume(run),
        may_cancel=page.may_cancel(run),
    )


def documents_progress(request: Request) -> Response:
    """Give the part of the page that changes."""
    page = PageRequest(request)
    return page.render("_progress.html", run=_run(page))


def documents_cancel(request: Request) -> Response:
    """End a making of documents."""
    page = PageRequest(request)
    run = _run(page)
    page.cancel(run)
    path = {"session_id": run.order.session_id, "run_id": run.order.run_id}
    return RedirectResponse(page.url("documents_run", **path), 303)


def sign_off(request: Request) -> Response:
    """Keep what came back of a log: the signed file, or why it was refused."""
    page = PageRequest(request)
    _require_offered(page)
    session_id, sent = request.path_params["session_id"], request.state.form
    user_id, month = str(sent.get("user") or ""), str(sent.get("month") or "")
    reason = str(sent.get("reason") or "").strip()[:MOST_CHARACTERS] or None
    upload = sent.get("signed")
    limits.check(request, limits.SENT_IMAGES)
    facts = {"session_id": session_id, "user_id": user_id, "month": month, "is_refused": bool(reason)}
    audit.record(request, "log_signed_off", **facts)
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = None
            if isinstance(upload, UploadFile) and upload.filename:
                file = Path(folder) / Path(upload.filename).name
                file.write_bytes(upload.file.read())
            record_sign_off(
                logs_folder(page.home, session_id),
                user_id,
                month,
                file=file,
                reason=reason,
                by=page.person.email,
                at=datetime.now(UTC).strftime(INSTANT),
            )
    except UserError as error:
        return _page(page, status=422, wrong=str(error))
    return RedirectResponse(f"{page.url('documents', session_id=session_id)}#logs", 303)


def _page(page: PageRequest, *, status: int = 200, wrong: str = "") -> Response:
    session_id, zone = page.request.path_params["session_id"], page.build.display_timezone
    figures = page.session_figures
    if not page.session_settings.attestations.offered:
        return page.render("attestations_off.html", session=figures, contact=page.session_settings.attestations.contact)
    funder = page.request.query_params.get("funder", "")
    known = funders(page.home, page.db)
    gaps = None
    if funder in {one.funder for one in known}:
        gaps = preflight(page.home, page.db, session_id, funder, page.session_settings)
    of_learner: dict[str, list[Any]] = {}
    for gap in gaps or ():
        of_learner.setdefault(display_name(gap.user_id, gap.last_name, gap.first_name), []).append(gap)
    scope = Scope(read_session(page.db, session_id, page.build), page.build, page.session_inputs.inputs)
    months = [month for (month,) in page.db.execute(MONTHS, {"session_id": session_id, "zone": zone}).fetchall()]
    compared, not_compared = _what_if(page) if "what_if" in page.request.query_params else (None, False)
    return page.render(
        "documents.html",
        status=status,
        compared=compared,
        not_compared=not_compared,
        session=figures,
        wrong=wrong,
        months=months,
        kinds=[_offered(page, kind, scope) for kind in DOCUMENT_KINDS],
        funders=known,
        funder=next((one for one in known if one.funder == funder), None),
        gaps=of_learner,
        is_checked=gaps is not None,
        sources=sorted({(one.source, one.read_on) for one in gaps or ()}),
        logs=log_states(logs_folder(page.home, session_id)),
        run=page.runs.under_way(session_id, DOCUMENT_KINDS),
    )


def _what_if(page: PageRequest) -> tuple[WhatIf | None, bool]:
    """Return the session at other inactivity timeouts, or None and that it cannot be told now."""
    previews: Previews = page.request.app.state.previews
    try:
        with previews.slot(f"what-if {page.person.email}"):
            return what_if(page.home.build_file, page.request.path_params["session_id"]), False
    except BusyError as error:
        raise HTTPException(429, headers={"Retry-After": "10"}) from error
    except OpcoError:
        # A build is at work, or was removed: what is published stays.
        return None, True


def _offered(page: PageRequest, kind: str, scope: Scope) -> dict[str, Any]:
    """Return what the page says of a kind: who would get one, who not and why, and what was issued."""
    learners = [] if kind == "log" else KINDS[kind].learners(page.db, scope)
    lacking = [
        {
            "name": display_name(one.user_id, one.last_name, one.first_name),
            "reason": one.lacks or "never_played",
            "detail": one.detail,
        }
        for one in learners
        if not one.has_played
    ]
    session_id = scope.session.session_id
    periods = sorted(issues_folder(page.home, session_id, kind).parent.glob("*"), reverse=True)
    latest = [last for period in periods for last in issue_folders(period)[-1:]]
    issues = [read_issue(session_id, number, folder) for number, folder in latest]
    return {
        "kind": kind,
        "count": len(learners) - len(lacking) if kind != "log" else None,
        "lacking": lacking,
        "issues": [one for one in issues if one is not None],
    }


def _issue(page: PageRequest, kind: str, period: str, number: int) -> Issue | None:
    """Return an issue; None where there is none. Only what issues are named becomes a path."""
    session_id = page.request.path_params["session_id"]
    try:
        month = None if period == WHOLE else checked_month(period)
    except UserError:
        return None
    if kind not in DOCUMENT_KINDS:
        return None
    return read_issue(session_id, number, issues_folder(page.home, session_id, kind, month) / f"issue-{number}")


def _require_offered(page: PageRequest) -> None:
    if not page.session_settings.attestations.offered:
        raise HTTPException(403)


def _run(page: PageRequest) -> BackgroundRun:
    run = found(page.runs.find(page.request.path_params["run_id"]))
    if run.order.session_id != page.request.path_params["session_id"] or run.order.kind not in DOCUMENT_KINDS:
        raise HTTPException(404)
    return run
