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

from orchestration.background import BackgroundRun, BackgroundRuns
from orchestration.home import Home
from orchestration.settings import Settings, load_settings
from portal import queries, rendering
from portal.access import Visible, visible_sessions
from portal.identity.person import Person
from portal.issues import Issues
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
    """How old the data are: `count` of `unit` (`fresh_now`, `fresh_minutes`, `fresh_hours`, `fresh_days`)."""

    unit: str
    count: int
    is_old: bool


@dataclass(frozen=True)
class Asked:
    """A request behind the gate: who asks, of which build."""

    request: Request

    @property
    def person(self) -> Person:
        """Who signed in."""
        return cast("Person", self.request.state.person)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The build on which access was judged."""
        return cast("duckdb.DuckDBPyConnection", self.request.state.connection)

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

    @property
    def issues(self) -> Issues:
        """What was issued."""
        return cast("Issues", self.request.app.state.issues)

    @property
    def runs(self) -> BackgroundRuns:
        """What goes on in the background."""
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
        return read_build(self.connection)

    @property
    def visible(self) -> Visible:
        """The sessions that the person may see."""
        return visible_sessions(self.person)

    @property
    def issued(self) -> pa.Table:
        """The latest issue of each session."""
        return self.issues.latest(self.connection, self.build.build_id)

    @property
    def freshness(self) -> Freshness:
        """How old the data are."""
        age = self.now - self.build.data_as_of.replace(tzinfo=UTC)
        minutes = max(0, int(age.total_seconds() // 60))
        is_old = age > FRESH
        if minutes < 1:
            return Freshness("fresh_now", minutes, is_old)
        if minutes < 60:
            return Freshness("fresh_minutes", minutes, is_old)
        if minutes < 48 * 60:
            return Freshness("fresh_hours", minutes // 60, is_old)
        return Freshness("fresh_days", minutes // (24 * 60), is_old)

    @property
    def session_figures(self) -> queries.Row:
        """The figures of the session that the path names. Raises HTTPException 404 where there is none."""
        session_id = self.request.path_params["session_id"]
        return found(queries.read_session_figures(self.connection, session_id, self.build.display_timezone))

    def asked_at(self, run: BackgroundRun) -> str:
        """Return when a run was asked for, as a clock in the display time zone shows it."""
        at = run.order.instant.astimezone(ZoneInfo(self.build.display_timezone))
        return self.words.clock(at)

    def number(self, name: str = "page") -> int:
        """Return a number of the query; 1 where it is none."""
        said = self.request.query_params.get(name, "")
        return int(said) if said.isdecimal() and len(said) < 9 else 1

    def searched(self, name: str = "q") -> str:
        """Return what is searched for, cut where it is too long to be meant."""
        return self.request.query_params.get(name, "").strip()[:MOST_CHARACTERS]

    def url(self, name: str, **path: Any) -> str:
        """Return the path of a route."""
        return rendering.address(self.request, name, **path)

    def page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page with the build it was read from."""
        return rendering.page(
            self.request, template, status=status, build=self.build, freshness=self.freshness, **values
        )


def found(thing: Thing | None) -> Thing:
    """Return `thing`; raise HTTPException 404 where there is none."""
    if thing is None:
        raise HTTPException(404)
    return thing
