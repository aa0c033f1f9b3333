"""Making a session's attestations: the form with its preview, the run, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from orchestration.background import BackgroundRun
from orchestration.clock import calendar_day
from portal import access, audit, limits
from portal.pages.common import Asked, found
from portal.previews import BusyError, Previews
from portal.rendering import address
from portal.uploads import UPLOADED, keep_image
from reports.attestation.images import read_image
from reports.attestation.model import AttestationInputs
from reports.attestation.naming import display_name
from reports.attestation.queries import read_session_learners
from warehouse.errors import OpcoError, UserError

TEXTS = ("name", "legal_representative", "capacity", "place", "training_duration", "footer")
IMAGES = ("logo", "stamp")
MOST_CHARACTERS = 2000


@dataclass
class Form:
    """What stands in the form: texts and names of images as `inputs`, the date, and what was wrong by field."""

    inputs: dict[str, str]
    issued_on: str
    learner: str
    force: bool
    wrong: dict[str, str]


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages, pictures and files."""
    of_session = access.session("session_id")
    place = "/sessions/{session_id:key}/attestations"
    return [
        access.route(place, attestations, who=of_session),
        access.route(place, submit, who=of_session, methods=["POST"]),
        access.route(f"{place}/image/{{file:key}}", image, who=of_session),
        access.route(f"{place}/preview/{{key}}.png", preview_picture, who=of_session),
        access.route(f"{place}/preview/{{key}}.pdf", preview_pdf, who=of_session),
        access.route(f"{place}/runs/{{run_id}}", attestations_run, who=of_session),
        access.route(f"{place}/runs/{{run_id}}/progress", attestations_progress, who=of_session),
    ]


def attestations(request: Request) -> Response:
    """Show the form, as the session's and the organisation's settings fill it."""
    asked = Asked(request)
    if asked.session_settings.attestations.offered:
        _previews(request).warm()
    return _form_page(asked, _defaults(asked))


def submit(request: Request) -> Response:
    """Preview one learner's document, or begin to make all."""
    asked = Asked(request)
    if not asked.session_settings.attestations.offered:
        raise HTTPException(403)
    form = _sent(asked)
    action = request.state.form.get("action")
    if form.wrong:
        if action == "live":
            return JSONResponse({"error": " ".join(dict.fromkeys(form.wrong.values()))}, 422)
        return _form_page(asked, form, status=422)
    if action == "make":
        return _begin(asked, form)
    key, error = _preview(asked, form)
    if action == "live":
        if key is None:
            return JSONResponse({"error": error}, 422)
        place = {"session_id": request.path_params["session_id"], "key": key}
        return JSONResponse(
            {"picture": asked.url("preview_picture", **place), "pdf": asked.url("preview_pdf", **place)}
        )
    return _form_page(asked, form, status=422 if error else 200, preview=key, preview_error=error)


def image(request: Request) -> Response:
    """Give an image that the form shows: the session's own, or one that was sent."""
    asked = Asked(request)
    name = request.path_params["file"]
    if not _may_use(asked, name):
        raise HTTPException(404)
    try:
        checked = read_image(asked.home.assets, Path(name), "image")
    except UserError as error:
        raise HTTPException(404) from error
    return Response(checked.content, media_type=checked.mime_type)


def preview_picture(request: Request) -> Response:
    """Give the first page of a preview."""
    return Response(_kept_preview(request).picture, media_type="image/png")


def preview_pdf(request: Request) -> Response:
    """Give a preview as PDF."""
    headers = {"Content-Disposition": "inline; filename=preview.pdf"}
    return Response(_kept_preview(request).pdf, media_type="application/pdf", headers=headers)


def attestations_run(request: Request) -> Response:
    """Show how far the making is, or what came of it."""
    asked = Asked(request)
    run = _run(asked)
    if run.is_over:
        asked.issues.forget()
    result = dict(run.result or {})
    if "zip_path" in result:
        zip_path = Path(result["zip_path"])
        result["zip_bytes"] = zip_path.stat().st_size if zip_path.exists() else 0
    issue = asked.issues.find(run.order.session_id or "", result.get("issue_number", 0)) if result else None
    return asked.page(
        "attestations_run.html",
        session=asked.session_figures,
        run=run,
        result=result,
        issue=issue,
        error=_shown(asked, run),
        asked_at=asked.asked_at(run),
        is_refused="refused" in asked.request.query_params,
        will_resume=asked.runs.will_resume(run),
    )


def attestations_progress(request: Request) -> Response:
    """Give the part of the page that changes."""
    asked = Asked(request)
    return asked.page("_progress.html", run=_run(asked))


def _begin(asked: Asked, form: Form) -> Response:
    session_id = asked.request.path_params["session_id"]
    config = {**form.inputs, "issued_on": form.issued_on, "force": form.force}
    limits.check(asked.request, limits.STARTED_RUNS)
    audit.record(asked.request, "attestations_asked_for", session_id=session_id, inputs=config)
    run = asked.runs.start("attestations", config, asked_by=asked.person.email, session_id=session_id)
    # Somebody else was faster, or one pressed OK twice with other inputs: theirs, not these, are made.
    query = {"refused": "yes"} if run.order.config != config else {}
    path = {"session_id": session_id, "run_id": run.order.run_id}
    return RedirectResponse(address(asked.request, "attestations_run", query, **path), 303)


def _preview(asked: Asked, form: Form) -> tuple[str | None, str]:
    """Return the key of a preview, or None and what went wrong."""
    session_id = asked.request.path_params["session_id"]
    said = form.inputs
    inputs = AttestationInputs(
        organisation_name=said["name"] or None,
        **{name: said[name] or None for name in TEXTS if name != "name"},  # type: ignore[arg-type]
        language="en" if said["language"] == "en" else "fr",
        **{part: Path(said[part]) if said[part] else None for part in IMAGES},  # type: ignore[arg-type]
    )
    issues = asked.issues.of_session(session_id)
    try:
        key = _previews(asked.request).make(
            asked.person.email,
            session_id,
            warehouse=asked.home.warehouse.resolve(),
            user_id=form.learner,
            inputs=inputs,
            assets=asked.home.assets,
            issue_number=issues[0].number + 1 if issues else 1,
            issued_on=date.fromisoformat(form.issued_on),
        )
    except BusyError:
        return None, asked.words.text("preview_busy")
    except OpcoError as error:
        if "footer" in str(error):
            return None, asked.words.text("preview_footer")
        return None, asked.words.text("preview_failed")
    return key, ""


def _form_page(
    asked: Asked, form: Form, *, status: int = 200, preview: str | None = None, preview_error: str = ""
) -> Response:
    session_id = asked.request.path_params["session_id"]
    figures = asked.session_figures
    if not asked.session_settings.attestations.offered:
        return asked.page("attestations_off.html", session=figures, contact=asked.session_settings.attestations.contact)
    learners = [
        {"user_id": one.user_id, "name": display_name(one.user_id, one.last_name, one.first_name)}
        for one in read_session_learners(asked.connection, session_id)
        if one.has_played
    ]
    names = Counter(one["name"] for one in learners)
    for one in learners:
        if names[one["name"]] > 1:
            one["name"] += f" ({one['user_id']})"
    if not form.learner and learners:
        form.learner = learners[0]["user_id"]
    issues = asked.issues.of_session(session_id)
    return asked.page(
        "attestations.html",
        status=status,
        session=figures,
        form=form,
        texts=TEXTS,
        images=IMAGES,
        learners=learners,
        latest=issues[0] if issues else None,
        run=asked.runs.under_way(session_id),
        preview=preview,
        preview_error=preview_error,
    )


def _defaults(asked: Asked) -> Form:
    said = asked.session_settings.organisation
    inputs = {name: str(getattr(said, name) or "") for name in (*TEXTS, *IMAGES, "language")}
    return Form(inputs, _today(asked).isoformat(), "", force=False, wrong={})


def _today(asked: Asked) -> date:
    """Return the day on which the run would date its documents: today in the display time zone."""
    return asked.now.astimezone(ZoneInfo(asked.build.display_timezone)).date()


def _sent(asked: Asked) -> Form:
    """Return the form that was sent, its images kept, with what is wrong by field."""
    sent = asked.request.state.form
    wrong: dict[str, str] = {}
    inputs: dict[str, str] = {}
    for name in TEXTS:
        text = str(sent.get(name) or "").replace("\r\n", "\n").strip()
        inputs[name] = text[:MOST_CHARACTERS]
        if len(text) > MOST_CHARACTERS:
            wrong[name] = asked.words.text("form_too_long", count=asked.words.number(MOST_CHARACTERS))
    inputs["language"] = "en" if sent.get("language") == "en" else "fr"
    for part in IMAGES:
        inputs[part], error = _image(asked, part)
        if error:
            wrong[part] = error
    issued_on = str(sent.get("issued_on") or "")
    try:
        calendar_day(issued_on or None, "The date of issue")
    except UserError:
        wrong["issued_on"] = asked.words.text("form_no_day")
    learner = str(sent.get("learner") or "")[:MOST_CHARACTERS]
    return Form(inputs, issued_on or _today(asked).isoformat(), learner, bool(sent.get("force")), wrong)


def _image(asked: Asked, part: str) -> tuple[str, str]:
    """Return the name of the image that was chosen for a part, or what is wrong with the one that was sent."""
    sent = asked.request.state.form
    kept = str(sent.get(f"{part}_kept") or "")
    kept = kept if _may_use(asked, kept) else ""
    upload = sent.get(f"{part}_upload")
    if isinstance(upload, UploadFile) and upload.filename:
        try:
            return keep_image(
                asked.home.assets, upload.file, part, lambda: limits.check(asked.request, limits.KEPT_IMAGES)
            ), ""
        except UserError:
            return kept, asked.words.text("form_bad_image")
    if not kept or sent.get(f"{part}_choice") == "none":
        return "", ""
    try:
        read_image(asked.home.assets, Path(kept), part)
    except UserError:
        return kept, asked.words.text("form_image_gone")
    return kept, ""


def _may_use(asked: Asked, name: str) -> bool:
    """Tell whether an image is one of the session's settings, or one that was sent."""
    said = asked.session_settings.organisation
    return bool(name) and (name in (said.logo, said.stamp) or UPLOADED.fullmatch(name) is not None)


def _run(asked: Asked) -> BackgroundRun:
    run = found(asked.runs.find(asked.request.path_params["run_id"]))
    if run.order.session_id != asked.request.path_params["session_id"]:
        raise HTTPException(404)
    return run


def _shown(asked: Asked, run: BackgroundRun) -> str:
    """Return what a person may read of a run's error: a mistake of the input in full, a failure by administrators."""
    if not run.error or not (run.is_mistake or asked.person.is_administrator):
        return ""
    return run.error.replace(str(asked.home.folder), "…")


def _previews(request: Request) -> Previews:
    previews: Previews = request.app.state.previews
    return previews


def _kept_preview(request: Request) -> Any:
    asked = Asked(request)
    path = request.path_params
    return found(_previews(request).find(asked.person.email, path["session_id"], path["key"]))
