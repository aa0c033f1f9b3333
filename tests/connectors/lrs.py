"""An LRS for tests, with faults, and statements with invented people."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CMI5 = "https://w3id.org/xapi/cmi5/context/categories/cmi5"
SESSION_ID = "https://w3id.org/xapi/cmi5/context/extensions/sessionid"
VIDEO_SESSION_ID = "https://w3id.org/xapi/video/extensions/session-id"
ZOE = {"objectType": "Agent", "name": "Zoé Lambert", "account": {"homePage": "https://lms.example.fr", "name": "12"}}
ZOE_ID = "https://lms.example.fr|12"
COURSE = {"id": "https://lms.example.fr/course/7", "definition": {"name": {"en": "Excel", "fr": "Excel, 1er niveau"}}}
SESSION = {"id": "https://lms.example.fr/session/3", "definition": {"name": {"fr": "Bureautique, octobre"}}}


def statement(verb: str = "interacted", at: str | None = "2026-10-13T12:00:00Z", **changes: Any) -> dict[str, Any]:
    """Return a statement of Zoé in a course of a session, with other properties; of None, without them."""
    told = {
        "id": str(uuid5(NAMESPACE_URL, f"{verb} {at}")),
        "actor": ZOE,
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}"},
        "object": COURSE,
        "context": {"contextActivities": {"parent": [SESSION]}},
        "timestamp": at,
        "stored": at,
        **changes,
    }
    return {key: value for key, value in told.items() if value is not None}


def cmi5(verb: str, at: str, session: str = "one", **changes: Any) -> dict[str, Any]:
    """Return a statement of a cmi5 session."""
    context = {
        "contextActivities": {"parent": [SESSION], "category": [{"id": CMI5}]},
        "extensions": {SESSION_ID: session},
    }
    return statement(verb, at, context=context, **changes)


def voiding(of: Mapping[str, Any], at: str = "2026-10-20T12:00:00Z") -> dict[str, Any]:
    """Return a statement that voids another one."""
    admin = {"account": {"homePage": "https://lms.example.fr", "name": "admin"}}
    return statement("voided", at, actor=admin, object={"objectType": "StatementRef", "id": of["id"]}, context=None)


def write_statements(path: Path, *statements: Any) -> None:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in statements), encoding="utf-8")


@dataclass
class StubLrs:
    """What the LRS has and what it was asked. `faults` are given, one a request, before it answers well."""

    statements: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 2
    password: str = "secret"
    consistent_through: str | None = None
    faults: deque[Response | None] = field(default_factory=deque)
    asked: list[Mapping[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Request) -> Response:
        """Give a page of statements, newest first whatever is asked: an LRS may not keep the order."""
        self.asked.append({**request.query_params, "version": request.headers.get("X-Experience-API-Version", "")})
        signed = base64.b64encode(f"opco:{self.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {signed}":
            return Response(status_code=401)
        if self.faults and (fault := self.faults.popleft()) is not None:
            return fault
        asked = request.query_params
        start, since, until = int(asked.get("start", 0)), asked.get("since", ""), asked.get("until", "9")
        found = [one for one in self.statements if since < one["stored"] <= until][::-1]
        size = min(self.page_size, int(asked.get("limit", self.page_size)))
        page = found[start : start + size]
        more = f"/xapi/statements?start={start + size}&since={since}&until={until}"
        headers = {"X-Experience-API-Consistent-Through": self.consistent_through} if self.consistent_through else {}
        return JSONResponse({"statements": page, "more": more if len(found) > start + size else ""}, headers=headers)


@contextmanager
def running(stub: StubLrs) -> Iterator[StubLrs]:
    """Run the LRS on a port of this machine."""
    routes = [Route("/xapi/statements", stub.answer)]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not (server.started and server.servers):
        time.sleep(0.01)
    stub.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/xapi"
    try:
        yield stub
    finally:
        server.should_exit = True
        thread.join()
