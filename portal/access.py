"""Who may do what: every route says it, and the same gate asks it of every request.

A gate judges and answers on one and the same build: the one that is published when the request comes in.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import duckdb
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from portal.identity.person import Person
from portal.published import Reading
from portal.security import SAFE_METHODS, check_form
from warehouse.errors import OpcoError
from warehouse.sql import rows_of

Endpoint = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Who:
    """Who may use a route; `parameter` names the part of its path that is the id of the session or the learner."""

    kind: Literal["public", "signed", "signed_in", "administrator", "session", "learner"]
    parameter: str = ""


public = Who("public")
"""Everybody, known or not: sign-in, links that are keys themselves, static files."""
signed = Who("signed")
"""Machines whose requests carry a signature, which the endpoint itself verifies; they have no form of ours."""
signed_in = Who("signed_in")
"""Everybody who signed in; what they see is up to the page, by `visible_sessions`."""
administrator = Who("administrator")
"""The addresses that the setting portal.administrators names."""


def session(parameter: str) -> Who:
    """Return who may see the session whose id is `parameter` in the route's path."""
    return Who("session", parameter)


def learner(parameter: str) -> Who:
    """Return who may see the learner whose id is `parameter` in the route's path.

    Of a learner, who is no administrator sees what was done in the sessions of `visible_sessions`: that is up to the
    page.
    """
    return Who("learner", parameter)


@dataclass(frozen=True)
class Visible:
    """SQL of a relation of one column, `session_id`, each once, with its named parameters (`$name`).

    `is_all` says that it has every session, so that what has a session need not be looked up in it.
    """

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)
    is_all: bool = False

    @property
    def limit(self) -> str:
        """The SQL that leaves of the table before it the rows of these sessions; nothing where there are no others."""
        return "" if self.is_all else f"semi join ({self.sql}) as visible using (session_id)"


def visible_sessions(person: Person) -> Visible:
    """Return the program sessions that `person` may see: an administrator all, an instructor their own."""
    if person.is_administrator:
        return Visible("select session_id from dim_program_sessions", is_all=True)
    return Visible(
        """
        select session_id
        from dim_program_sessions
        semi join (
            from bridge_session_instructors where list_contains($person_user_ids::varchar[], user_id)
        ) using (session_id)
        """,
        {"person_user_ids": list(person.user_ids)},
    )


def may_see(db: duckdb.DuckDBPyConnection, person: Person, session_id: str) -> bool:
    """Tell whether `person` may see the program session `session_id`, which may not exist."""
    visible = visible_sessions(person)
    found = db.execute(
        f"select 1 from ({visible.sql}) where session_id = $asked_session",
        {**visible.parameters, "asked_session": session_id},
    ).fetchone()
    return found is not None


def find_learner(db: duckdb.DuckDBPyConnection, person: Person, user_id: str) -> dict[str, Any] | None:
    """Return the row of the learner `user_id` in `prepared.people`; None where `person` may not see them, or none is.

    An administrator sees all, an instructor the learners of their sessions.
    """
    visible = visible_sessions(person)
    query, parameters = "from prepared.people where user_id = $asked_learner", {"asked_learner": user_id}
    if not visible.is_all:
        query += f" and exists (from prepared.learners {visible.limit} where user_id = $asked_learner)"
    found = rows_of(db, query, {**visible.parameters, **parameters})
    return found[0] if found else None


def sessions_of_export(db: duckdb.DuckDBPyConnection, person: Person, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the session ids that an export of `person` is to be limited to; `asked` are session ids.

    Only an administrator who asks for none gets none, which means every session. Raises HTTPException 404 when one
    that is asked for is not to be seen, or when there is none to see.
    """
    if person.is_administrator and not asked:
        return ()
    visible = visible_sessions(person)
    seen = {
        session_id
        for (session_id,) in db.execute(f"select session_id from ({visible.sql})", visible.parameters).fetchall()
    }
    if not seen or not seen.issuperset(asked):
        raise HTTPException(404)
    return tuple(asked) or tuple(sorted(seen))


class GuardedRoute(Route):
    """A route that says who may use it. Made by `route`."""

    def __init__(self, path: str, endpoint: Endpoint, who: Who, methods: Sequence[str], name: str | None) -> None:
        self.who = who
        super().__init__(path, _guarded(endpoint, who), methods=list(methods), name=name or endpoint.__name__)


class LastingFiles(StaticFiles):
    """Static files that browsers keep: their addresses change with their content."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """Return the answer for a file."""
        answer = super().file_response(*arguments, **named)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


class GuardedFiles(Mount):
    """Static files, which everybody may fetch. Made by `files`."""

    who = public


def route(
    path: str, endpoint: Endpoint, *, who: Who, methods: Sequence[str] = ("GET",), name: str | None = None
) -> GuardedRoute:
    """Return the route of `endpoint`, behind its gate.

    `endpoint` is called with `request.state.form` (of an unsafe method, its CSRF token checked), and where `who` is
    not `public` also with `request.state.person` and `request.state.reading`, the build on which access was judged,
    and where it is a learner's with `request.state.learner`, the row that was found. A plain function runs in a thread,
    together with its gate; a coroutine function is for public routes and signed ones alone, as a cursor is one
    thread's.
    """
    if inspect.iscoroutinefunction(endpoint) and who.kind not in ("public", "signed"):
        raise TypeError(f"{endpoint.__name__} asks the warehouse: make it a plain function.")
    return GuardedRoute(path, endpoint, who, methods, name)


def files(path: str, folder: Path, name: str) -> GuardedFiles:
    """Return the mount of a folder of static files."""
    return GuardedFiles(path, app=LastingFiles(directory=folder), name=name)


def declared_routes(routes: Iterable[BaseRoute], prefix: str = "") -> list[tuple[str, GuardedRoute | GuardedFiles]]:
    """Return every route with its whole path. Raises OpcoError naming the first that does not say who may use it."""
    found: list[tuple[str, GuardedRoute | GuardedFiles]] = []
    for one in routes:
        path = prefix + str(getattr(one, "path", ""))
        if isinstance(one, (GuardedRoute, GuardedFiles)):
            found.append((path, one))
        elif isinstance(one, Mount) and one.routes:
            found.extend(declared_routes(one.routes, path))
        else:
            raise OpcoError(f"The route {path or one!r} does not say who may use it: make it with portal.access.route.")
    return found


def _guarded(endpoint: Endpoint, who: Who) -> Callable[[Request], Awaitable[Response]]:
    def admitted(request: Request) -> Response:
        """Judge and, where the endpoint is a plain function, answer: in one thread, on one cursor."""
        if who.kind == "public":
            return cast("Response", endpoint(request))
        with request.app.state.warehouse.reading() as reading:
            _admit(request, reading, who)
            return cast("Response", endpoint(request))

    async def gate(request: Request) -> Response:
        if who.kind == "signed":
            return await cast("Awaitable[Response]", endpoint(request))
        # What nobody sends is not even read.
        if (
            who.kind != "public"
            and request.method not in SAFE_METHODS
            and await run_in_threadpool(request.app.state.identity.email, request) is None
        ):
            raise HTTPException(401)
        async with check_form(request):
            if inspect.iscoroutinefunction(endpoint):
                return cast("Response", await endpoint(request))
            return await run_in_threadpool(admitted, request)

    return gate


def _admit(request: Request, reading: Reading, who: Who) -> None:
    """Put into the request's state who asks, the build, and the learner. Raises HTTPException for who may not pass."""
    person: Person | None = request.app.state.identity.person(request, reading)
    if person is None:
        raise HTTPException(401)
    request.state.person = person
    request.state.reading = reading
    if who.kind == "administrator" and not person.is_administrator:
        raise HTTPException(403)
    # As for one that does not exist: a guessed id tells nothing.
    if who.kind == "session" and not may_see(reading.db, person, request.path_params[who.parameter]):
        raise HTTPException(404)
    if who.kind == "learner":
        request.state.learner = find_learner(reading.db, person, request.path_params[who.parameter])
        if request.state.learner is None:
            raise HTTPException(404)
