"""Exporting statistics: the export's filters, how many lines that makes, the file now or by e-mail, past exports."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from orchestration.defs.export.file import SUMMARY, make_at_once
from orchestration.runs.background import BackgroundRun
from portal import access, audit, limits, queries
from portal.media import media_type
from portal.pages.common import PageRequest, found
from portal.rendering import address
from portal.wording import LANGUAGES
from reports.days import read_day
from reports.export.filters import ExportFilters
from reports.export.write import ExportCount, count_lines
from reports.export.writers import Format
from reports.export.writers.csv import Dialect
from warehouse.errors import OpcoError, UserError

logger = logging.getLogger("portal")

LISTS = ("sessions", "users", "groups", "where", "custom_fields")
"""The filters that name things, in the form's order."""
DAYS = ("date_from", "date_to")
# The workbook first: its times add up as they are.
FORMATS: tuple[Format, ...] = ("xlsx", "csv", "parquet")
CHOICES = {"format": FORMATS, "dialect": get_args(Dialect), "language": LANGUAGES}
PAST_SHOWN = 20
MOST_LINES_AT_ONCE = 50_000
"""An export of so many lines takes less than a second, and is given as the answer; of more, a run makes it."""
AT_ONCE = threading.BoundedSemaphore(2)
MOST_VALUES = 100
"""So many values of one filter; an address grows with them."""


@dataclass(frozen=True)
class Wanted:
    """What the form says: `lists` are the ids chosen by filter, `searches` what is looked for by filter."""

    days: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, str]
    searches: Mapping[str, str]
    decimal_hours: bool

    @classmethod
    def of(cls, page: PageRequest, sent: Any) -> Wanted:
        """Return what the query or the form `sent` holds.

        What it does not say is as the settings were given; else a workbook, in the language of the page.
        """
        settings = page.settings.export
        defaults = {"format": FORMATS[0], "dialect": settings.dialect, "language": page.words.language}
        defaults |= settings.model_dump(include=settings.model_fields_set)
        return cls(
            days={name: str(sent.get(name) or "").strip()[:20] for name in DAYS},
            lists={kind: tuple(dict.fromkeys(str(one)[:500] for one in sent.getlist(kind) if one)) for kind in LISTS},
            choices={
                name: str(sent[name]) if sent.get(name) in allowed else defaults[name]
                for name, allowed in CHOICES.items()
            },
            searches={kind: str(sent.get(f"q_{kind}") or "").strip()[:200] for kind in LISTS},
            decimal_hours=bool(sent.get("decimal_hours")),
        )

    @property
    def query(self) -> dict[str, Any]:
        """The address's query that says the same."""
        searches = {f"q_{kind}": text for kind, text in self.searches.items()}
        hours = {"decimal_hours": "yes"} if self.decimal_hours else {}
        return {**self.days, **self.lists, **self.choices, **searches, **hours}

    def filters(self, sessions: Sequence[str]) -> ExportFilters:
        """Return the export's filters, limited to `sessions`. Raises UserError for what is no day.

        What was chosen are ids: what merely has one of them as its name is not meant.
        """
        days = {name: text for name, text in self.days.items() if text}
        return ExportFilters.model_validate({**self.lists, **days, "sessions": tuple(sessions), "by_id": True})


def routes() -> list[access.GuardedRoute]:
    """Return the routes of these pages and files."""
    return [
        access.route("/statistics", download, who=access.signed_in),
        access.route("/statistics", submit, who=access.signed_in, methods=["POST"]),
        access.route("/statistics/matches", matches, who=access.signed_in),
        access.route("/statistics/count", count, who=access.signed_in),
        access.route("/exports/{run_id}", export_run, who=access.signed_in),
        access.route("/exports/{run_id}/progress", export_progress, who=access.signed_in),
        access.route("/exports/{run_id}/file", export_file, who=access.signed_in),
        access.route("/exports/{run_id}/cancel", export_cancel, who=access.signed_in, methods=["POST"]),
    ]


def download(request: Request) -> Response:
    """Show the form with what was chosen, how many lines that makes, and past exports."""
    page = PageRequest(request)
    if not _sees_any(page):
        return page.render("no_sessions.html")
    return _form_page(page, Wanted.of(page, request.query_params))


def submit(request: Request) -> Response:
    """Begin an export, or show the form with what was added to it."""
    page = PageRequest(request)
    wanted = Wanted.of(page, request.state.form)
    action = request.state.form.get("action")
    if action not in ("file", "email"):
        return RedirectResponse(address(request, "download", wanted.query), 303)
    sessions = _sessions(page, wanted)
    counted, _ = _counted(page, wanted, sessions, _named(page, wanted))
    if counted is None:
        return _form_page(page, wanted, status=422)
    filters = wanted.filters(sessions)
    config: dict[str, Any] = {**filters.model_dump(mode="json"), **wanted.choices, "recipients": []}
    config["decimal_hours"] = wanted.decimal_hours
    if action == "email":
        if not _can_mail(page):
            raise HTTPException(403)
        limits.check(request, limits.EMAILED_EXPORTS)
        config["recipients"] = [page.person.email]
    limits.check(request, limits.STARTED_RUNS)
    audit.record(request, "export_asked_for", **config)
    if action == "file" and counted.rows <= MOST_LINES_AT_ONCE and (answer := _made_at_once(page, config)):
        return answer
    run = page.runs.start("export", config, asked_by=page.person.email)
    return RedirectResponse(page.url("export_run", run_id=run.order.run_id), 303)


def _made_at_once(page: PageRequest, config: dict[str, Any]) -> Response | None:
    """Make an export of few lines and give its file, the run on record; None where a run of its own is to make it.

    That is where others are being made, and where it cannot be made here: the run tells why.
    """
    if not AT_ONCE.acquire(blocking=False):
        return None
    try:
        page.request.app.state.warehouse.require_as_published(page.db)
        summary, facts = make_at_once(page.db, page.home, config)
    except OpcoError:
        logger.exception("an export could not be made at once")
        return None
    finally:
        AT_ONCE.release()
    made = SUMMARY.dump_json(summary).decode()
    run = page.runs.keep("export", config, facts, made, asked_by=page.person.email)
    audit.record(page.request, "export_downloaded", run_id=run.order.run_id, file=summary.path.name)
    return FileResponse(summary.path, filename=summary.path.name, media_type=media_type(summary.path.name))


def matches(request: Request) -> Response:
    """Give who or what matches a search, as the form's checkboxes."""
    page = PageRequest(request)
    kind = request.query_params.get("kind", "")
    if kind not in LISTS:
        raise HTTPException(404)
    chosen = tuple(request.query_params.getlist("chosen"))
    search = page.searched()
    matching = _matches(page, kind, search, chosen) if search else None
    return page.render("_matches.html", kind=kind, search=search, matches=matching)


def count(request: Request) -> Response:
    """Give how many lines the export would hold."""
    page = PageRequest(request)
    wanted = Wanted.of(page, request.query_params)
    counted, wrong = _counted(page, wanted, _sessions(page, wanted), _named(page, wanted))
    return page.render("_count.html", counted=counted, wrong=wrong)


def export_run(request: Request) -> Response:
    """Show how far an export is, or what came of it."""
    page = PageRequest(request)
    run = _run(page)
    result = run.result or {}
    return page.render(
        "export_run.html",
        run=run,
        result=result,
        has_file=_file_of(page, run) is not None,
        about=_about(page, run),
        asked_at=page.asked_at(run),
        will_resume=page.runs.will_resume(run),
        may_cancel=page.may_cancel(run),
        error=page.error_of(run),
    )


def export_progress(request: Request) -> Response:
    """Give the part of the page that changes."""
    page = PageRequest(request)
    return page.render("_progress.html", run=_run(page))


def export_cancel(request: Request) -> Response:
    """End an export."""
    page = PageRequest(request)
    run = _run(page)
    page.cancel(run)
    return RedirectResponse(page.url("export_run", run_id=run.order.run_id), 303)


def export_file(request: Request) -> Response:
    """Give the file of an export."""
    page = PageRequest(request)
    run = _run(page)
    file = found(_file_of(page, run))
    if request.method == "GET":
        audit.record(request, "export_downloaded", run_id=run.order.run_id, file=file.name)
    return FileResponse(file, filename=file.name, media_type=media_type(file.name))


def _form_page(page: PageRequest, wanted: Wanted, *, status: int = 200) -> Response:
    named = _named(page, wanted)
    counted, wrong = _counted(page, wanted, _sessions(page, wanted), named)
    return page.render(
        "download.html",
        status=status,
        wanted=wanted,
        kinds=LISTS,
        named=named,
        matches={
            kind: _matches(page, kind, wanted.searches[kind], wanted.lists[kind]) if wanted.searches[kind] else None
            for kind in LISTS
        },
        choices=CHOICES,
        counted=counted,
        wrong=wrong,
        can_mail=_can_mail(page),
        past=[(run, _about(page, run), _file_of(page, run) is not None) for run in _past(page)],
        asked_at=page.asked_at,
    )


def _matches(page: PageRequest, kind: str, search: str, chosen: Sequence[str]) -> queries.Matches:
    return queries.find_matches(page.db, page.visible, kind, search, chosen)


def _sessions(page: PageRequest, wanted: Wanted) -> tuple[str, ...]:
    """Return the session ids that an export is limited to, whoever asks. Raises HTTPException 404 for another's."""
    return access.sessions_of_export(page.db, page.person, wanted.lists["sessions"])


def _named(page: PageRequest, wanted: Wanted) -> dict[str, list[queries.Row]]:
    """Return who and what is chosen, by filter, as far as the person may see it."""
    return {kind: queries.find_named(page.db, page.visible, kind, ids) for kind, ids in wanted.lists.items()}


def _sees_any(page: PageRequest) -> bool:
    """Tell whether there is any session for the person to see."""
    visible = page.visible
    return page.db.execute(f"select 1 from ({visible.sql}) limit 1", visible.parameters).fetchone() is not None


def _counted(
    page: PageRequest, wanted: Wanted, sessions: Sequence[str], named: Mapping[str, Sequence[queries.Row]]
) -> tuple[ExportCount | None, str]:
    """Return what the export would hold, or what is wrong with the filters: `_sessions` and `_named` of the form."""
    if any(len(ids) > MOST_VALUES for ids in wanted.lists.values()):
        return None, page.words.text("download_too_many", most=MOST_VALUES)
    if any({row["id"] for row in named[kind]} != set(ids) for kind, ids in wanted.lists.items()):
        # Whoever may not be seen is not told from whoever does not exist.
        return None, page.words.text("download_gone")
    try:
        return count_lines(page.db, wanted.filters(sessions)), ""
    except UserError:
        days = {name: _day(text) for name, text in wanted.days.items() if text}
        if None in days.values():
            return None, page.words.text("download_no_day")
        first, last = days.get("date_from"), days.get("date_to")
        if first and last and last < first:
            return None, page.words.text("download_days_swapped")
        return None, page.words.text("download_gone")


def _day(text: str) -> date | None:
    try:
        return read_day(text)
    except ValueError:
        return None


def _past(page: PageRequest) -> list[BackgroundRun]:
    mine = (run for run in page.runs.latest() if run.order.kind == "export" and _may_have(page, run))
    return [run for _, run in zip(range(PAST_SHOWN), mine, strict=False)]


def _may_have(page: PageRequest, run: BackgroundRun) -> bool:
    """Tell whether a person may see an export: their own, as long as they see all its sessions; administrators all."""
    if page.person.is_administrator:
        return True
    if run.order.asked_by != page.person.email or not run.order.config.get("sessions"):
        return False
    try:
        access.sessions_of_export(page.db, page.person, run.order.config["sessions"])
    except HTTPException:
        return False
    return True


def _run(page: PageRequest) -> BackgroundRun:
    run = found(page.runs.find(page.request.path_params["run_id"]))
    if run.order.kind != "export" or not _may_have(page, run):
        raise HTTPException(404)
    return run


def _file_of(page: PageRequest, run: BackgroundRun) -> Path | None:
    """Return the file of an export that is still there, and still the one it was."""
    if run.status != "done" or not run.result:
        return None
    file = Path(run.result["path"])
    if not file.resolve().is_relative_to(page.home.exports.resolve()) or not file.is_file():
        return None
    return file if file.stat().st_size == run.result["bytes"] else None


def _about(page: PageRequest, run: BackgroundRun) -> str:
    """Return what an export was asked for, in a line."""
    config, words = run.order.config, page.words
    parts = []
    first, last = (read_day(config[name]) if config.get(name) else None for name in DAYS)
    if first or last:
        parts.append(words.period(first, last))
    parts += [words.counted(f"about_{kind}", len(config[kind])) for kind in LISTS if config.get(kind)]
    return ", ".join(parts) or words.text("about_all")


def _can_mail(page: PageRequest) -> bool:
    """Tell whether the settings allow a message to this person."""
    from orchestration.defs.export.delivery import prepare_mailing

    try:
        prepare_mailing(page.home, page.settings, (page.person.email,))
    except UserError:
        return False
    return True
