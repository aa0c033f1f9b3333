"""What every page finds in its request, and what several show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from orchestration.defs.attestations.inputs import SessionInputs, session_inputs
from orchestration.home.paths import Home
from orchestration.home.settings import Settings, load_settings
from orchestration.runs.background import BackgroundRun, BackgroundRuns
from portal import audit, queries, rendering
from portal.access import Visible, visible_sessions
from portal.identity.person import Person
from portal.issues import Issues
from portal.published import Reading
from portal.wording import Words
from reports.attestation.model import Build
from reports.attestation.queries import read_build

Thing = TypeVar("Thing")

FRESH = timedelta(hours=36)
"""A build of every night is never older, not even when one night fails to come early."""
MOST_CHARACTERS = 200
"""Of what is searched for."""


@dataclass(frozen=True)
class Freshness:
    """How old the data are: `count` of `unit` (`fresh_now`, `fresh_minutes`, `fresh_hours`, `fresh_days`).

    `last_activity_local` is the last beginning or end of a connection, as a clock in the display time zone shows it.
    `is_old` tells that no build came when one should have, `is_silent` that the data hold nothing recent.
    """

    unit: str
    count: int
    is_old: bool
    last_activity_local: datetime | None
    is_silent: bool


@dataclass(frozen=True)
class PageRequest:
    """A request behind the gate: who asks, of which build."""

    request: Request

    @property
    def person(self) -> Person:
        """Who signed in."""
        return cast("Person", self.request.state.person)

    @property
    def db(self) -> duckdb.DuckDBPyConnection:
        """The build on which access was judged."""
        return self.reading.db

    @property
    def reading(self) -> Reading:
        """The same build, with what is kept of it."""
        return cast("Reading", self.request.state.reading)

    @property
    def home(self) -> Home:
        """The portal's home."""
        return cast("Home", self.request.app.state.home)

    @property
    def settings(self) -> Settings:
        """The settings that the portal was started with."""
        return cast("Settings", self.request.app.state.settings)

    @cached_property
    def session_settings(self) -> Settings:
        """The settings as they are now for the session that the path names: what was just edited counts at once.

        Errors as `load_settings`.
        """
        return load_settings(self.home, session_id=self.request.path_params["session_id"])

    @cached_property
    def session_inputs(self) -> SessionInputs:
        """The inputs of the session's next issue where nothing is given. Errors as `session_inputs`."""
        return session_inputs(self.home, self.request.path_params["session_id"], self.session_settings)

    @property
    def issues(self) -> Issues:
        """What was issued."""
        return cast("Issues", self.request.app.state.issues)

    @property
    def runs(self) -> BackgroundRuns:
        """The background runs."""
        return cast("BackgroundRuns", self.request.app.state.runs)

    @property
    def now(self) -> datetime:
        """The portal's clock, UTC."""
        return cast("datetime", self.request.app.state.now())

    @cached_property
    def words(self) -> Words:
        """The reader's language."""
        return rendering.words_of(self.request)

    @cached_property
    def build(self) -> Build:
        """The build that is published."""
        return self.reading.once("build", read_build)

    def codes(self, table: str, code: str, order: str = "code") -> dict[str, queries.Row]:
        """Return the words of a code list by code, in the reader's language, as `queries.read_codes`."""
        language = self.words.language
        return self.reading.once((table, language), lambda db: queries.read_codes(db, table, code, language, order))

    @property
    def visible(self) -> Visible:
        """The sessions that the person may see."""
        return visible_sessions(self.person)

    @property
    def issued(self) -> pa.Table:
        """The latest issue of each session."""
        return self.issues.latest(self.db, self.build.build_id)

    @cached_property
    def freshness(self) -> Freshness:
        """How old the data are, and whether anything recent is in them: loaded today may be silent for weeks."""
        age = self.now - self.build.data_as_of.replace(tzinfo=UTC)
        minutes = max(0, int(age.total_seconds() // 60))
        if minutes < 1:
            unit, count = "fresh_now", minutes
        elif minutes < 60:
            unit, count = "fresh_minutes", minutes
        elif minutes < 48 * 60:
            unit, count = "fresh_hours", minutes // 60
        else:
            unit, count = "fresh_days", minutes // (24 * 60)
        last = self.reading.once("last activity", queries.read_last_activity)
        days = self.settings.alerts.stale_days
        is_silent = days is not None and (last is None or self.now - last >= timedelta(days=days))
        local = last.astimezone(ZoneInfo(self.build.display_timezone)).replace(tzinfo=None) if last else None
        return Freshness(unit, count, age > FRESH, local, is_silent)

    @property
    def session_figures(self) -> queries.Row:
        """The figures of the session that the path names. Raises HTTPException 404 where there is none."""
        session_id = self.request.path_params["session_id"]
        return found(queries.read_session_figures(self.db, session_id))

    def asked_at(self, run: BackgroundRun) -> str:
        """Return when a run was asked for, as a clock in the display time zone shows it."""
        at = run.order.instant.astimezone(ZoneInfo(self.build.display_timezone))
        return self.words.clock(at)

    def error_of(self, run: BackgroundRun) -> str:
        """Return what the person may read of a run's error: a mistake of theirs in full, a failure as administrator."""
        if not run.error or not (run.is_mistake or self.person.is_administrator):
            return ""
        return run.error.replace(str(self.home.folder), "…")

    def may_cancel(self, run: BackgroundRun) -> bool:
        """Tell whether the person may cancel a run: who asked for it, and administrators."""
        return self.person.is_administrator or run.order.asked_by == self.person.email

    def cancel(self, run: BackgroundRun) -> None:
        """Cancel a run that is not over, and keep who did. Raises HTTPException 403 for one of somebody else."""
        if not self.may_cancel(run):
            raise HTTPException(403)
        if run.is_over and not self.runs.will_resume(run):
            return
        order = run.order
        facts = {"run_id": order.run_id, "kind": order.kind, "session_id": order.session_id, "asked_by": order.asked_by}
        audit.record(self.request, "run_cancelled", **facts)
        self.runs.cancel(run, by=self.person.email)

    def number(self, name: str = "page") -> int:
        """Return a number of the query; 1 where it is none."""
        text = self.request.query_params.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 9 else 1

    def searched(self, name: str = "q") -> str:
        """Return what is searched for, cut where it is too long to be meant."""
        return self.request.query_params.get(name, "").strip()[:MOST_CHARACTERS]

    def url(self, name: str, **path: Any) -> str:
        """Return the path of a route."""
        return rendering.address(self.request, name, **path)

    def render(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page with the build it was read from."""
        return rendering.page(
            self.request, template, status=status, build=self.build, freshness=self.freshness, **values
        )


def found(thing: Thing | None) -> Thing:
    """Return `thing`; raise HTTPException 404 where there is none."""
    if thing is None:
        raise HTTPException(404)
    return thing
