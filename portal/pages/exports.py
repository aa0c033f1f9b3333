"""Downloading statistics: the export's filters, how many lines that makes, the file now or by e-mail, past exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from orchestration.background import BackgroundRun
from portal import access, audit, limits, queries
from portal.media import media_type
from portal.pages.common import Asked, found
from portal.rendering import address
from reports.export.filters import ExportFilters
from reports.export.write import ExportCount, count_lines
from warehouse.errors import UserError

LISTS = ("sessions", "users", "groups", "custom_fields")
"""The filters that name things, in the form's order."""
DAYS = ("date_from", "date_to")
CHOICES = {"format": ("csv", "xlsx", "parquet"), "dialect": ("excel", "rfc4180"), "language": ("fr", "en")}
PAST_SHOWN = 20
MOST_VALUES = 100
"""So many values of one filter; an address grows with them."""


@dataclass(frozen=True)
class Wanted:
    """What the form says: `lists` are the ids chosen by filter, `searches` what is looked for by filter."""

    days: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]
    choices: Mapping[str, str]
    searches: Mapping[str, str]

    @classmethod
    def of(cls, asked: Asked, said: Any) -> Wanted:
        """Return what the query or the form `said` holds; what it does not say is as the settings have it."""
        defaults = asked.settings.export
        return cls(
            days={name: str(said.get(name) or "").strip()[:20] for name in DAYS},
            lists={kind: tuple(dict.fromkeys(str(one)[:500] for one in said.getlist(kind) if one)) for kind in LISTS},
            choices={
                name: str(said[name]) if said.get(name) in allowed else getattr(defaults, name)
                for name, allowed in CHOICES.items()
            },
            searches={kind: str(said.get(f"q_{kind}") or "").strip()[:200] for kind in LISTS},
        )

    @property
    def query(self) -> dict[str, Any]:
        """The address's query that says the same."""
        searches = {f"q_{kind}": text for kind, text in self.searches.items()}
        return {**self.days, **self.lists, **self.choices, **searches}

    def filters(self, sessions: Sequence[str]) -> ExportFilters:
        """Return the export's filters, limited to `sessions`. Raises UserError for what is no day."""
        days = {name: text for name, text in self.days.items() if text}
        return ExportFilters.model_validate({**self.lists, **days, "sessions": tuple(sessions)})


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
    ]


def download(request: Request) -> Response:
    """Show the form with what was chosen, how many lines that makes, and past exports."""
    asked = Asked(request)
    if not _sees_any(asked):
        return asked.page("no_sessions.html")
    return _form_page(asked, Wanted.of(asked, request.query_params))


def submit(request: Request) -> Response:
    """Begin an export, or show the form with what was added to it."""
    asked = Asked(request)
    wanted = Wanted.of(asked, request.state.form)
    action = request.state.form.get("action")
    if action not in ("file", "email"):
        return RedirectResponse(address(request, "download", wanted.query), 303)
    sessions = _sessions(asked, wanted)
    if _counted(asked, wanted, sessions, _named(asked, wanted))[0] is None:
        return _form_page(asked, wanted, status=422)
    filters = wanted.filters(sessions)
    config: dict[str, Any] = {**filters.model_dump(mode="json"), **wanted.choices, "recipients": []}
    if action == "email":
        if not _can_mail(asked):
            raise HTTPException(403)
        limits.check(request, limits.EMAILED_EXPORTS)
        config["recipients"] = [asked.person.email]
    limits.check(request, limits.STARTED_RUNS)
    audit.record(request, "export_asked_for", **config)
    run = asked.runs.start("export", config, asked_by=asked.person.email)
    return RedirectResponse(asked.url("export_run", run_id=run.order.run_id), 303)


def matches(request: Request) -> Response:
    """Give who or what matches a search, as the form's checkboxes."""
    asked = Asked(request)
    kind = request.query_params.get("kind", "")
    if kind not in LISTS:
        raise HTTPException(404)
    chosen = tuple(request.query_params.getlist("chosen"))
    search = asked.searched()
    matching = _matches(asked, kind, search, chosen) if search else None
    return asked.page("_matches.html", kind=kind, search=search, matches=matching)


def count(request: Request) -> Response:
    """Give how many lines the export would hold."""
    asked = Asked(request)
    wanted = Wanted.of(asked, request.query_params)
    counted, wrong = _counted(asked, wanted, _sessions(asked, wanted), _named(asked, wanted))
    return asked.page("_count.html", counted=counted, wrong=wrong)


def export_run(request: Request) -> Response:
    """Show how far an export is, or what came of it."""
    asked = Asked(request)
    run = _run(asked)
    result = run.result or {}
    return asked.page(
        "export_run.html",
        run=run,
        result=result,
        has_file=_file_of(asked, run) is not None,
        about=_about(asked, run),
        asked_at=asked.asked_at(run),
        will_resume=asked.runs.will_resume(run),
        error=run.error.replace(str(asked.home.folder), "…") if run.is_mistake or asked.person.is_administrator else "",
    )


def export_progress(request: Request) -> Response:
    """Give the part of the page that changes."""
    asked = Asked(request)
    return asked.page("_progress.html", run=_run(asked))


def export_file(request: Request) -> Response:
    """Give the file of an export."""
    asked = Asked(request)
    run = _run(asked)
    file = found(_file_of(asked, run))
    if request.method == "GET":
        audit.record(request, "export_downloaded", run_id=run.order.run_id, file=file.name)
    return FileResponse(file, filename=file.name, media_type=media_type(file.name))


def _form_page(asked: Asked, wanted: Wanted, *, status: int = 200) -> Response:
    named = _named(asked, wanted)
    counted, wrong = _counted(asked, wanted, _sessions(asked, wanted), named)
    return asked.page(
        "download.html",
        status=status,
        wanted=wanted,
        kinds=LISTS,
        named=named,
        matches={
            kind: _matches(asked, kind, wanted.searches[kind], wanted.lists[kind]) if wanted.searches[kind] else None
            for kind in LISTS
        },
        choices=CHOICES,
        counted=counted,
        wrong=wrong,
        can_mail=_can_mail(asked),
        past=[(run, _about(asked, run), _file_of(asked, run) is not None) for run in _past(asked)],
        asked_at=asked.asked_at,
    )


def _matches(asked: Asked, kind: str, search: str, chosen: Sequence[str]) -> queries.Matches:
    everything = asked.person.is_administrator
    return queries.find_matches(asked.connection, asked.visible, everything, kind, search, chosen)


def _sessions(asked: Asked, wanted: Wanted) -> tuple[str, ...]:
    """Return the session ids that an export is limited to, whoever asks. Raises HTTPException 404 for another's."""
    sessions = access.sessions_of_export(asked.connection, asked.person, wanted.lists["sessions"])
    if not asked.person.is_administrator:
        _refuse_namesakes(asked, sessions)
    return sessions


def _refuse_namesakes(asked: Asked, sessions: Sequence[str]) -> None:
    # A filter takes names too (E): the id of one's own session may be the name of another's.
    others = asked.connection.execute(
        """
        select 1
        from dim_program_sessions
        where session_name in (select unnest($own::varchar[])) and session_id not in (select unnest($own::varchar[]))
        """,
        {"own": list(sessions)},
    ).fetchone()
    if others is not None:
        raise HTTPException(404)


def _named(asked: Asked, wanted: Wanted) -> dict[str, list[queries.Row]]:
    """Return who and what is chosen, by filter, as far as the person may see it."""
    everything = asked.person.is_administrator
    return {
        kind: queries.find_named(asked.connection, asked.visible, everything, kind, ids)
        for kind, ids in wanted.lists.items()
    }


def _sees_any(asked: Asked) -> bool:
    """Tell whether there is any session for the person to see."""
    visible = asked.visible
    return asked.connection.execute(f"select 1 from ({visible.sql}) limit 1", visible.parameters).fetchone() is not None


def _counted(
    asked: Asked, wanted: Wanted, sessions: Sequence[str], named: Mapping[str, Sequence[queries.Row]]
) -> tuple[ExportCount | None, str]:
    """Return what the export would hold, or what is wrong with the filters: `_sessions` and `_named` of the form."""
    if any(len(ids) > MOST_VALUES for ids in wanted.lists.values()):
        return None, asked.words.text("download_too_many", most=MOST_VALUES)
    if any({row["id"] for row in named[kind]} != set(ids) for kind, ids in wanted.lists.items()):
        # Whoever may not be seen is not told from whoever does not exist.
        return None, asked.words.text("download_gone")
    try:
        return count_lines(asked.connection, wanted.filters(sessions)), ""
    except UserError:
        days = {name: _day(text) for name, text in wanted.days.items() if text}
        if None in days.values():
            return None, asked.words.text("download_no_day")
        first, last = days.get("date_from"), days.get("date_to")
        if first and last and last < first:
            return None, asked.words.text("download_days_swapped")
        return None, asked.words.text("download_gone")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _past(asked: Asked) -> list[BackgroundRun]:
    mine = (run for run in asked.runs.latest() if run.order.kind == "export" and _may_have(asked, run))
    return [run for _, run in zip(range(PAST_SHOWN), mine, strict=False)]


def _may_have(asked: Asked, run: BackgroundRun) -> bool:
    """Tell whether a person may see an export: their own, as long as they see all its sessions; administrators all."""
    if asked.person.is_administrator:
        return True
    if run.order.asked_by != asked.person.email or not run.order.config.get("sessions"):
        return False
    try:
        access.sessions_of_export(asked.connection, asked.person, run.order.config["sessions"])
    except HTTPException:
        return False
    return True


def _run(asked: Asked) -> BackgroundRun:
    run = found(asked.runs.find(asked.request.path_params["run_id"]))
    if run.order.kind != "export" or not _may_have(asked, run):
        raise HTTPException(404)
    return run


def _file_of(asked: Asked, run: BackgroundRun) -> Path | None:
    """Return the file of an export that is still there, and still the one it was."""
    if run.status != "done" or not run.result:
        return None
    file = Path(run.result["path"])
    if not file.resolve().is_relative_to(asked.home.exports.resolve()) or not file.is_file():
        return None
    return file if file.stat().st_size == run.result["bytes"] else None


def _about(asked: Asked, run: BackgroundRun) -> str:
    """Return what an export was asked for, in a line."""
    said, words = run.order.config, asked.words
    parts = []
    first, last = (date.fromisoformat(said[name]) if said.get(name) else None for name in DAYS)
    if first or last:
        parts.append(words.period(first, last))
    parts += [words.counted(f"about_{kind}", len(said[kind])) for kind in LISTS if said.get(kind)]
    return ", ".join(parts) or words.text("about_all")


def _can_mail(asked: Asked) -> bool:
    """Tell whether the settings allow a message to this person."""
    from orchestration.defs.export.delivery import prepare_mailing

    try:
        prepare_mailing(asked.home, asked.settings, (asked.person.email,))
    except UserError:
        return False
    return True
