"""A platform that answers as 360Learning's API v2 does, with invented people, and the faults that one may have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx2
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from warehouse.project import PROJECT_DIR

HOST = "https://app.360learning.com"
SECRET = "s3cret-of-the-stub"
KINDS = ("field", "group", "user", "path", "session", "course", "enrollment", "attempt")
_DEFINITIONS = json.loads((PROJECT_DIR / "tests/data/learning360/schemas.json").read_text(encoding="utf-8"))["$defs"]

Fault = Callable[[Request], Response]


def is_described(kind: str, content: Any) -> None:
    """Raise where an object is not as the API's description has it."""
    Draft202012Validator({"$defs": _DEFINITIONS, "$ref": f"#/$defs/{kind}"}).validate(content)


def oid(kind: str, number: int) -> str:
    """Return the id of an object: 24 hexadecimal digits."""
    return f"{KINDS.index(kind) + 1:x}{number:023x}"


def user(number: int, first: str, last: str, mail: str | None, **more: Any) -> dict[str, Any]:
    told = {"_id": oid("user", number), "firstName": first, "lastName": last, "status": "active", "lang": "fr"}
    return told | ({"mail": mail} if mail else {}) | more


def path(number: int, name: str, steps: Iterable[tuple[str, str]] = (), **more: Any) -> dict[str, Any]:
    return {
        "_id": oid("path", number),
        "name": name,
        **dict.fromkeys(("authorId", "groupId"), oid("user", 9)),
        "coAuthorIds": [],
        "options": {},
        "translations": [],
        "status": "published",
        **dict.fromkeys(("createdAt", "modifiedAt"), "2026-09-01T08:00:00.000Z"),
        **dict.fromkeys(("defaultLang", "sourceLang"), "fr"),
        "steps": [{"_id": resource, "type": kind, "options": {"optional": False}} for kind, resource in steps],
    } | more


def session(number: int, name: str, of_path: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "_id": oid("session", number),
        "name": name,
        "pathId": oid("path", of_path),
        "groupId": oid("group", 1),
        "mainInstructorId": oid("user", 9),
        "instructorIds": [],
        "isAudienceBuilder": False,
        "registrationRequestValidation": "disabled",
        "startDate": "2026-10-01T00:00:00.000Z",
        "endDate": "2026-10-31T22:59:00.000Z",
        **dict.fromkeys(("createdAt", "modifiedAt"), "2026-09-01T08:00:00.000Z"),
    } | more


def course(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "_id": oid("course", number),
        "name": name,
        **dict.fromkeys(("authorId", "groupId"), oid("user", 9)),
        "coAuthorIds": [],
        "translations": [],
        "status": "published",
        "type": "native",
        **dict.fromkeys(("createdAt", "modifiedAt"), "2026-09-01T08:00:00.000Z"),
        **dict.fromkeys(("defaultLang", "sourceLang"), "fr"),
    } | more


def enrollment(number: int, of_user: int, in_session: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "_id": oid("enrollment", number),
        "userId": oid("user", of_user),
        "pathId": oid("path", 1),
        "sessionId": oid("session", in_session),
        "progress": 40,
        "timeSpent": 1,
        "selfEnrolled": False,
        "status": {"type": "onTime"},
        "enrolledAt": "2026-09-20T10:00:00.000Z",
    } | more


def attempt(
    number: int,
    first: str | None,
    last: str | None,
    minutes: float,
    *,
    of_user: int = 1,
    in_session: int | None = 1,
    of_course: int = 1,
    **more: Any,
) -> dict[str, Any]:
    """Return an attempt; instants as `2026-10-13T07:05` in UTC."""
    return {
        "_id": oid("attempt", number),
        "userId": oid("user", of_user),
        "courseId": oid("course", of_course),
        "lang": "fr",
        "progress": 50,
        "timeSpent": minutes * 60_000,
        **({"firstActivityAt": f"{first}:00.000Z"} if first else {}),
        **({"lastActivityAt": f"{last}:00.000Z"} if last else {}),
        **({"pathId": oid("path", 1), "pathSessionId": oid("session", in_session)} if in_session else {}),
    } | more


@dataclass
class Stub:
    """The platform. `faults` are given instead of an answer, one a request, by the end of the request's path."""

    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    values: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    roles: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page_size: int = 500
    link: str = "{url}"
    faults: dict[str, list[Fault | Exception]] = field(default_factory=dict)
    token_uses: int = 1_000
    requests: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    _uses: dict[str, int] = field(default_factory=dict)

    def transport(self) -> httpx2.BaseTransport:
        """Return what stands in for the network."""
        return _Transport(self)

    def asked(self, part: str) -> list[str]:
        """Return the requests whose path and query hold a text."""
        return [one for one in self.requests if part in one]

    def app(self) -> Starlette:
        paths = {
            "/api/v2/custom-fields": "custom-fields",
            "/api/v2/groups": "groups",
            "/api/v2/users": "users",
            "/api/v2/paths": "paths",
            "/api/v2/paths/sessions": "sessions",
            "/api/v2/courses": "courses",
            "/api/v2/paths/stats": "path-stats",
            "/api/v2/courses/stats": "course-stats",
        }
        return Starlette(
            routes=[
                Route("/api/v2/oauth2/token", self._token, methods=["POST"]),
                *(Route(one, self._list(kind)) for one, kind in paths.items()),
                Route("/api/v2/users/{id}/custom-fields/values", self._values),
                Route("/api/v2/groups/{id}/roles", self._roles),
            ]
        )

    async def _token(self, request: Request) -> Response:
        body = await request.json()
        is_described("credentials", body)
        if body["client_secret"] != SECRET:
            return error_text(401, "invalid_client")
        token = f"stub-token-{len(self._uses) + 1}"
        self._uses[token] = self.token_uses
        answer = {"token_type": "Bearer", "access_token": token, "expires_in": 3600}
        is_described("token", answer)
        return JSONResponse(answer)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("360-api-version") != "v2.0":
            return error_text(400, "missing_version")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._uses.get(token, 0) <= 0:
            return error_text(401, "invalid_token")
        self._uses[token] -= 1
        return None

    def _list(self, kind: str) -> Callable[[Request], Response]:
        return lambda request: self._refusal(request) or self._page(request, kind, self._filtered(request, kind))

    def _filtered(self, request: Request, kind: str) -> list[dict[str, Any]]:
        since = request.query_params.get("modifiedAt[gte]")
        target = request.query_params.get("targetType[eq]")
        return [
            one
            for one in self.lists.get(kind, [])
            if (not since or one["modifiedAt"] >= since) and (not target or one["targetType"] == target)
        ]

    def _page(self, request: Request, kind: str, rows: list[dict[str, Any]]) -> Response:
        after = int(request.query_params.get("after", "0"))
        page = rows[after : after + self.page_size]
        for one in page:
            is_described(kind, one)
        headers = {}
        if after + self.page_size < len(rows):
            query = request.url.include_query_params(after=after + self.page_size).query
            url = self.link.format(url=f"{HOST}{request.url.path}?{query}", path=request.url.path, query=query)
            headers["Link"] = f'<{url}>; rel="next"'
        return JSONResponse(page, headers=headers)

    def _values(self, request: Request) -> Response:
        of_user = request.path_params["id"]
        refusal = self._refusal(request)
        if refusal is None and of_user not in {one["_id"] for one in self.lists["users"]}:
            refusal = error_object(404, "not_found", "No such user.")
        return refusal or self._page(request, "values", self.values.get(of_user, []))

    def _roles(self, request: Request) -> Response:
        return self._refusal(request) or self._page(request, "roles", self.roles.get(request.path_params["id"], []))


class _Transport(httpx2.BaseTransport):
    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._client = TestClient(_with_faults(stub), base_url=HOST, follow_redirects=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        assert str(request.url).startswith(HOST), "the token went elsewhere"
        self._stub.requests.append(request.url.raw_path.decode())
        end = next((one for one in self._stub.faults if request.url.path.endswith(one)), None)
        waiting = self._stub.faults.get(end, []) if end else []
        fault = waiting[0] if waiting else None
        if isinstance(fault, Exception):
            waiting.pop(0)
            raise fault
        content = request.read()
        answer = self._client.request(request.method, str(request.url), headers=dict(request.headers), content=content)
        return httpx2.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)


def _with_faults(stub: Stub) -> Any:
    app = stub.app()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        end = next((one for one in stub.faults if scope.get("path", "").endswith(one)), None)
        waiting = stub.faults.get(end, []) if end else []
        fault = waiting.pop(0) if waiting else None
        if callable(fault):
            await fault(Request(scope, receive))(scope, receive, send)
        else:
            await app(scope, receive, send)

    return answer


def error_text(status: int, text: str, **headers: str) -> Response:
    content = {"error": text}
    is_described("error-text", content)
    return JSONResponse(content, status, headers)


def error_object(status: int, code: str, message: str) -> Response:
    content = {"error": {"code": code, "message": message}}
    is_described("error-object", content)
    return JSONResponse(content, status)


def campus() -> Stub:
    """Return a platform with two learners, one instructor, two courses, and a session with a part of its own."""
    return Stub(
        lists={
            "custom-fields": [
                {"_id": oid("field", 1), "name": "Financeur", "targetType": "users", "type": "string"},
                {"_id": oid("field", 2), "name": "Entrée le", "targetType": "users", "type": "date"},
                {"_id": oid("field", 3), "name": "Niveau", "targetType": "contents", "type": "string"},
            ],
            "groups": [
                {"_id": oid("group", 1), "name": "Campus", "public": False},
                {"_id": oid("group", 2), "name": "Nantes", "public": False, "parentId": oid("group", 1)},
            ],
            "users": [
                user(1, "Zoé", "Lambert", "Zoe.Lambert@exemple.fr", custom="Salariée", organization="Atelier Lambert"),
                user(2, "Karim", "Benali", "karim@exemple.fr", username="kbenali"),
                user(3, "Marc", "Petit", None, status="deleted", deletedAt=["2026-08-01T10:00:00.000Z"]),
                user(8, "Anne", "Morel", "anne@exemple.fr"),
                user(9, "Paul", "Roche", "paul@exemple.fr"),
            ],
            "paths": [
                path(
                    1,
                    "Excel",
                    [("course", oid("course", 1)), ("assessment", oid("course", 8)), ("path", oid("path", 2))],
                    estimatedDuration={"unit": "hour", "value": 1.5},
                ),
                path(2, "Tableaux", [("course", oid("course", 2))], estimatedDuration={"unit": "month", "value": 1}),
            ],
            "sessions": [
                session(1, "Excel, octobre"),
                session(2, "Tableaux, octobre", 2, rootSessionId=oid("session", 1), mainInstructorId=oid("user", 8)),
            ],
            "courses": [course(1, "Formules", duration=45), course(2, "Tableaux")],
            "path-stats": [
                enrollment(1, 1, score=80, completedAt="2026-10-20T09:00:00.000Z"),
                enrollment(2, 2, unenrolledAt="2026-10-15T08:00:00.000Z"),
                enrollment(3, 1, 2, progress=10),
            ],
            "course-stats": [
                attempt(1, "2026-10-13T07:05", "2026-10-13T07:35", 25.5, score=70),
                attempt(2, "2026-10-13T07:05", "2026-11-01T09:00", 90, of_user=2),
            ],
        },
        values={
            oid("user", 1): [{"customFieldId": oid("field", 1), "type": "string", "value": "AKTO"}],
            oid("user", 2): [{"customFieldId": oid("field", 2), "type": "date", "value": "2025-01-27"}],
        },
    )
