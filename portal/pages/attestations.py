"""Making a session's attestations: the form with its preview, the run, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from orchestration.home.clock import calendar_day
from orchestration.runs.background import BackgroundRun
from portal import access, audit, limits
from portal.pages.common import PageRequest, found
from portal.previews import BusyError, Previews
from portal.rendering import address
from portal.uploads import UPLOADED, keep_image
from reports.attestation.inputs import IMAGES, TEXTS, AttestationInputs
from reports.attestation.queries import read_findings, read_session_learners
from reports.attestation.wording import display_name
from reports.days import read_day
from reports.issuing.issue import WHO_ATTESTS, Foresight, foresee
from reports.issuing.naming import session_folder
from reports.printing.fonts import LACK
from reports.printing.images import read_image
from warehouse.errors import OpcoError, UserError

MOST_CHARACTERS = 2000
IMAGES_AT_ONCE = 4
BUSY_SECONDS = 10
"""After which it is worth trying again, where the same person has something under way."""


@dataclass
class Form:
    """What stands in the form: texts and names of images as `inputs`, the date, and what was wrong by field.

    `reason` is why an administrator dates the documents otherwise than from the day of the data to today.
    """

    inputs: dict[str, str]
    issued_on: str
    learner: str
    force: bool
    wrong: dict[str, str]
    reason: str = ""


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages, pictures and files."""
    of_session = access.session("session_id")
    path = "/sessions/{session_id:key}/attestations"
    return [
        access.route(path, attestations, who=of_session),
        access.route(path, submit, who=of_session, methods=["POST"]),
        access.route(f"{path}/image/{{file:key}}", image, who=of_session),
        access.route(f"{path}/preview/{{key}}.png", preview_picture, who=of_session),
        access.route(f"{path}/preview/{{key}}.pdf", preview_pdf, who=of_session),
        access.route(f"{path}/runs/{{run_id}}", attestations_run, who=of_session),
        access.route(f"{path}/runs/{{run_id}}/progress", attestations_progress, who=of_session),
        access.route(f"{path}/runs/{{run_id}}/cancel", attestations_cancel, who=of_session, methods=["POST"]),
    ]


def attestations(request: Request) -> Response:
    """Show the form, as the issue in force or the settings fill it, or as it was sent for a run."""
    page = PageRequest(request)
    if page.session_settings.attestations.offered:
        _previews(request).warm()
    return _form_page(page, _sent_before(page) or _defaults(page))


def submit(request: Request) -> Response:
    """Preview one learner's document, or begin to make all."""
    page = PageRequest(request)
    if not page.session_settings.attestations.offered:
        raise HTTPException(403)
    action = request.state.form.get("action")
    try:
        # OK is pressed while the preview of what was typed last is being made.
        kind = "make" if action == "make" else "preview"
        with _previews(request).slot(f"{kind} {page.person.email}"):
            return _submitted(page, action)
    except BusyError as error:
        if action == "live":
            return JSONResponse({"error": page.words.text("preview_busy")}, 429)
        raise HTTPException(429, headers={"Retry-After": str(BUSY_SECONDS)}) from error


def _submitted(page: PageRequest, action: object) -> Response:
    """Answer the form: the images that were sent with it are decoded here, within limits of their own."""
    request, form = page.request, _sent(page)
    if form.wrong:
        if action == "live":
            return JSONResponse({"error": " ".join(dict.fromkeys(form.wrong.values()))}, 422)
        return _form_page(page, form, status=422)
    if action == "make":
        foresight = _foresight(page, form)
        if foresight and request.state.form.get("confirmed") != _digest(form):
            return _form_page(page, form, foresight=foresight)
        return _begin(page, form)
    key, error = _preview(page, form)
    if action == "live":
        if key is None:
            return JSONResponse({"error": error}, 422)
        path = {"session_id": request.path_params["session_id"], "key": key}
        differing = _differing(page, form)
        return JSONResponse(
            {
                "picture": page.url("preview_picture", **path),
                "pdf": page.url("preview_pdf", **path),
                "differing": _differing_words(page, differing),
                "seen": " ".join(differing),
            }
        )
    return _form_page(page, form, status=422 if error else 200, preview=key, preview_error=error)


def image(request: Request) -> Response:
    """Give an image that the form shows: the session's own, or one that was sent."""
    page = PageRequest(request)
    name = request.path_params["file"]
    if not _may_use(page, name):
        raise HTTPException(404)
    try:
        with _previews(request).slot(f"image {page.person.email}", IMAGES_AT_ONCE):
            checked = read_image(page.home.assets, name, "image")
    except BusyError as error:
        raise HTTPException(429, headers={"Retry-After": str(BUSY_SECONDS)}) from error
    except UserError as error:
        raise HTTPException(404) from error
    return Response(checked.content, media_type=checked.mime_type)


def preview_picture(request: Request) -> Response:
    """Give the first page of a preview."""
    return Response(_kept_preview(request).picture, media_type="image/png")


def preview_pdf(request: Request) -> Response:
    """Give a preview as PDF."""
    preview = _kept_preview(request)
    # It is a whole document but for what marks it as a preview.
    audit.record(request, "attestation_previewed", session_id=request.path_params["session_id"])
    headers = {"Content-Disposition": "inline; filename=preview.pdf"}
    return Response(preview.pdf, media_type="application/pdf", headers=headers)


def attestations_run(request: Request) -> Response:
    """Show how far the making is, or what came of it."""
    page = PageRequest(request)
    run = _run(page)
    if run.is_over:
        page.issues.forget()
    result = dict(run.result or {})
    if "zip_path" in result:
        zip_path = Path(result["zip_path"])
        result["zip_bytes"] = zip_path.stat().st_size if zip_path.exists() else 0
    issue = page.issues.find(run.order.session_id or "", result.get("issue_number", 0)) if result else None
    return page.render(
        "attestations_run.html",
        session=page.session_figures,
        run=run,
        result=result,
        issue=issue,
        error=page.error_of(run),
        lacks_letters=run.is_mistake and LACK in run.error,
        asked_at=page.asked_at(run),
        is_refused="refused" in page.request.query_params,
        will_resume=page.runs.will_resume(run),
        may_cancel=page.may_cancel(run),
    )


def attestations_progress(request: Request) -> Response:
    """Give the part of the page that changes."""
    page = PageRequest(request)
    return page.render("_progress.html", run=_run(page))


def attestations_cancel(request: Request) -> Response:
    """End a making of attestations."""
    page = PageRequest(request)
    run = _run(page)
    page.cancel(run)
    path = {"session_id": run.order.session_id, "run_id": run.order.run_id}
    return RedirectResponse(page.url("attestations_run", **path), 303)


def _begin(page: PageRequest, form: Form) -> Response:
    session_id = page.request.path_params["session_id"]
    differing = _differing(page, form)
    sent = page.request.state.form
    if sent.get("confirmed") != _digest(form) and set(differing) - set(str(sent.get("seen") or "").split()):
        # Named before it is done: the page says so, and OK is pressed once more.
        return _form_page(page, form)
    config = {**form.inputs, "issued_on": form.issued_on, "force": form.force}
    if form.reason:
        config["issued_on_reason"] = form.reason
    limits.check(page.request, limits.STARTED_RUNS)
    facts = {"session_id": session_id, "inputs": config, "differs_from_settings": list(differing)}
    audit.record(page.request, "attestations_asked_for", **facts)
    run = page.runs.start("attestations", config, asked_by=page.person.email, session_id=session_id)
    # Somebody else was faster, or one pressed OK twice with other inputs: theirs, not these, are made.
    query = {"refused": "yes"} if run.order.config != config else {}
    path = {"session_id": session_id, "run_id": run.order.run_id}
    return RedirectResponse(address(page.request, "attestations_run", query, **path), 303)


def _foresight(page: PageRequest, form: Form) -> Foresight | None:
    """Return what OK would do to documents in force, where it would cancel or replace any; None elsewhere.

    What cannot be foreseen is left to the run, which says what is wrong.
    """
    session_id = page.request.path_params["session_id"]
    try:
        foresight = foresee(
            page.db,
            session_id,
            _sent_inputs(page, form),
            folder=session_folder(page.home.attestations, session_id),
            assets=page.home.assets,
            force=form.force,
        )
    except OpcoError:
        return None
    return foresight if foresight and (foresight.replaced or foresight.cancelled) else None


def _digest(form: Form) -> str:
    """Return what tells whether the form that is confirmed is the one that was shown."""
    content = json.dumps([form.inputs, form.issued_on, form.force], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _sent_inputs(page: PageRequest, form: Form) -> AttestationInputs:
    """Return the inputs of the form; what it does not ask for is as where it was filled from."""
    return AttestationInputs(**dict(page.session_inputs.inputs) | form.inputs)


def _preview(page: PageRequest, form: Form) -> tuple[str | None, str]:
    """Return the key of a preview, or None and what went wrong."""
    session_id = page.request.path_params["session_id"]
    issues = page.issues.of_session(session_id)
    try:
        key = _previews(page.request).make(
            page.person.email,
            session_id,
            warehouse=page.home.warehouse.resolve(),
            user_id=form.learner,
            inputs=_sent_inputs(page, form),
            assets=page.home.assets,
            issue_number=issues[0].number + 1 if issues else 1,
            issued_on=read_day(form.issued_on),
        )
    except BusyError:
        raise
    except OpcoError as error:
        if "footer" in str(error):
            return None, page.words.text("preview_footer")
        return None, page.words.text("preview_failed")
    return key, ""


def _form_page(
    page: PageRequest,
    form: Form,
    *,
    status: int = 200,
    preview: str | None = None,
    preview_error: str = "",
    foresight: Foresight | None = None,
) -> Response:
    session_id = page.request.path_params["session_id"]
    figures = page.session_figures
    if not page.session_settings.attestations.offered:
        return page.render("attestations_off.html", session=figures, contact=page.session_settings.attestations.contact)
    learners = [
        {"user_id": one.user_id, "name": display_name(one.user_id, one.last_name, one.first_name)}
        for one in read_session_learners(page.db, session_id)
        if one.has_played and not one.only_instructs
    ]
    names = Counter(one["name"] for one in learners)
    for one in learners:
        if names[one["name"]] > 1:
            one["name"] += f" ({one['user_id']})"
    if not form.learner and learners:
        form.learner = learners[0]["user_id"]
    issues = page.issues.of_session(session_id)
    differing = _differing(page, form)
    return page.render(
        "attestations.html",
        status=status,
        locked=_locked(page),
        days=_days(page),
        differing=differing,
        differing_words=_differing_words(page, differing),
        session=figures,
        form=form,
        texts=TEXTS,
        images=IMAGES,
        learners=learners,
        findings=read_findings(page.db, session_id, [one["user_id"] for one in learners]),
        latest=issues[0] if issues else None,
        run=page.runs.under_way(session_id),
        preview=preview,
        preview_error=preview_error,
        foresight=foresight,
        changed_inputs=[page.words.text(f"form_{name}") for name in foresight.inputs] if foresight else [],
        confirmed=_digest(form) if foresight else "",
    )


def _defaults(page: PageRequest) -> Form:
    inputs = {name: getattr(page.session_inputs.inputs, name) or "" for name in (*TEXTS, *IMAGES, "language")}
    return Form(inputs, _today(page).isoformat(), "", force=False, wrong={})


def _sent_before(page: PageRequest) -> Form | None:
    """Return what was typed for the run that the query names: it outlives a run that failed. None for no such run."""
    run_id, session_id = page.request.query_params.get("run", ""), page.request.path_params["session_id"]
    run = page.runs.find(run_id) if run_id else None
    if run is None or run.order.kind != "attestations" or run.order.session_id != session_id:
        return None
    form, config = _defaults(page), run.order.config
    form.inputs |= {name: config[name] for name in form.inputs if isinstance(config.get(name), str)}
    form.inputs |= {name: _usual(page)[name] for name in _locked(page)}
    form.issued_on, form.force = str(config.get("issued_on") or form.issued_on), bool(config.get("force"))
    return form


def _usual(page: PageRequest) -> dict[str, str]:
    """Return the inputs as the settings say."""
    return {name: getattr(page.session_inputs.usual, name) or "" for name in (*TEXTS, *IMAGES)}


def _locked(page: PageRequest) -> tuple[str, ...]:
    """Return the inputs that the person may not change."""
    if page.person.is_administrator:
        return ()
    may_change = page.session_settings.attestations.instructors_may_change
    return tuple(name for name in (*TEXTS, *IMAGES) if name not in may_change)


def _differing(page: PageRequest, form: Form) -> tuple[str, ...]:
    """Return the inputs of those that say who attests that are not as the settings say."""
    usual = _usual(page)
    return tuple(name for name in WHO_ATTESTS if form.inputs[name] != usual[name])


def _differing_words(page: PageRequest, differing: Sequence[str]) -> str:
    names = ", ".join(page.words.text(f"form_{name}") for name in differing)
    return page.words.text("form_differing", names=names) if names else ""


def _days(page: PageRequest) -> tuple[date, date]:
    """Return the first and the last day of which documents may be: that of the data, and today."""
    return page.build.data_as_of_local.date(), _today(page)


def _today(page: PageRequest) -> date:
    """Return the day on which the run would date its documents: today in the display time zone."""
    return page.now.astimezone(ZoneInfo(page.build.display_timezone)).date()


def _sent(page: PageRequest) -> Form:
    """Return the form that was sent, its images kept, with what is wrong by field."""
    sent = page.request.state.form
    wrong: dict[str, str] = {}
    inputs: dict[str, str] = {}
    for name in TEXTS:
        text = str(sent.get(name) or "").replace("\r\n", "\n").strip()
        inputs[name] = text[:MOST_CHARACTERS]
        if len(text) > MOST_CHARACTERS:
            wrong[name] = page.words.text("form_too_long", count=page.words.number(MOST_CHARACTERS))
    inputs["language"] = "en" if sent.get("language") == "en" else "fr"
    locked, usual = _locked(page), _usual(page)
    for part in IMAGES:
        if part in locked:
            upload, none = sent.get(f"{part}_upload"), usual[part] and sent.get(f"{part}_choice") == "none"
            is_sent = isinstance(upload, UploadFile) and upload.filename
            inputs[part] = "" if none or is_sent else str(sent.get(f"{part}_kept") or usual[part])
            continue
        inputs[part], error = _image(page, part)
        if error:
            wrong[part] = error
    for name in locked:
        if inputs[name] != usual[name] and (name in IMAGES or name in sent):
            wrong[name] = page.words.text("form_locked")
        inputs[name] = usual[name]
    issued_on = str(sent.get("issued_on") or "")
    reason = str(sent.get("reason") or "").strip()[:MOST_CHARACTERS] if page.person.is_administrator else ""
    (first, last), day = _days(page), None
    try:
        day = calendar_day(issued_on or None, "The date of issue") or last
    except UserError:
        wrong["issued_on"] = page.words.text("form_no_day")
    if day is not None and not (first <= day <= last or day == last or reason):
        days = {"first": page.words.day(first), "last": page.words.day(last)}
        wrong["issued_on"] = page.words.text("form_other_day", **days)
    learner = str(sent.get("learner") or "")[:MOST_CHARACTERS]
    return Form(inputs, issued_on or last.isoformat(), learner, bool(sent.get("force")), wrong, reason)


def _image(page: PageRequest, part: str) -> tuple[str, str]:
    """Return the name of the image that was chosen for a part, or what is wrong with the one that was sent."""
    sent = page.request.state.form
    kept = str(sent.get(f"{part}_kept") or "")
    kept = kept if _may_use(page, kept) else ""
    upload = sent.get(f"{part}_upload")
    if isinstance(upload, UploadFile) and upload.filename:
        try:
            return keep_image(
                page.home.assets, upload.file, part, lambda: limits.check(page.request, limits.SENT_IMAGES)
            ), ""
        except UserError:
            return kept, page.words.text("form_bad_image")
    if not kept or sent.get(f"{part}_choice") == "none":
        return "", ""
    try:
        read_image(page.home.assets, kept, part)
    except UserError:
        return kept, page.words.text("form_image_gone")
    return kept, ""


def _may_use(page: PageRequest, name: str) -> bool:
    """Tell whether an image is one of the session's settings, or one that was sent."""
    inputs = page.session_inputs.inputs
    return bool(name) and (name in (inputs.logo, inputs.stamp) or UPLOADED.fullmatch(name) is not None)


def _run(page: PageRequest) -> BackgroundRun:
    run = found(page.runs.find(page.request.path_params["run_id"]))
    if run.order.session_id != page.request.path_params["session_id"]:
        raise HTTPException(404)
    return run


def _previews(request: Request) -> Previews:
    previews: Previews = request.app.state.previews
    return previews


def _kept_preview(request: Request) -> Any:
    page = PageRequest(request)
    path = request.path_params
    return found(_previews(request).find(page.person.email, path["session_id"], path["key"]))
