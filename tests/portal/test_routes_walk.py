"""All routes, as everybody: nobody, a stranger, another session's instructor, the right one, an administrator.

The routes are those of the application itself: one that is added without saying here what everybody gets fails.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest
from httpx2 import Response as Answer
from starlette.applications import Starlette
from starlette.testclient import TestClient

from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.runs.background import BackgroundRuns, Order
from orchestration.runs.supervision import RESULT
from portal import access
from portal.addresses import key
from portal.app import make_app
from portal.identity.outbox import SignInMail
from portal.identity.service import Identity
from portal.limits import Limits
from portal.pages import exports
from portal.pages.attestations import Form, _digest
from portal.previews import Previews
from portal.security import cookie_name
from reports.attestation.inputs import IMAGES, TEXTS
from reports.delivery.links import Signer
from reports.delivery.store import DeliveryStore
from reports.issuing.manifest import read_manifest
from reports.issuing.preview import Preview
from tests.commands import result_of, run_opco
from tests.portal.people import PATH, SECRET, Recorder, token_of
from warehouse.errors import OpcoError
from warehouse.files import sha256_of

pytestmark = pytest.mark.xdist_group("demo")

# Of the demo campus: each has instructors whom the other has not.
SESSION, OTHER_SESSION = "S-2026-MGMT-09", "S-2026-CYB-09"
# Of the first session alone, and of both.
LEARNER, LEARNER_OF_BOTH = "u-1004", "u-1014"
BASE_URL = f"https://portal.exemple.fr{PATH}"
ADMIN = "admin@exemple.fr"
# Without any input of the issue in force, which is asked for once more.
BARE = Form({**dict.fromkeys((*TEXTS, *IMAGES), ""), "language": "fr"}, "2026-11-10", "", force=False, wrong={})
MAKE = {
    "action": "make",
    "issued_on": BARE.issued_on,
    "language": "fr",
    "confirmed": _digest(BARE),
    "seen": "name legal_representative capacity stamp",
}
ROLES = ("nobody", "stranger", "other", "right", "administrator")


class IdleRuns(BackgroundRuns):
    """Background runs that are ordered and never begin."""

    def _launch(self, order: Order) -> None:
        del order


class ReadyPreviews(Previews):
    """Previews that are there without being made."""

    def _started(self) -> ProcessPoolExecutor:
        class Ready:
            def submit(self, *_: object, **__: object) -> Future[Preview]:
                made: Future[Preview] = Future()
                made.set_result(Preview(b"%PDF-1.7", b"\x89PNG", 1))
                return made

        return cast("ProcessPoolExecutor", Ready())


@dataclass
class Campus:
    """The portal of the demo campus, and what was made there."""

    home: Home
    app: Starlette
    people: dict[str, str | None]
    link_token: str
    document: str
    runs: list[str] = field(default_factory=list)

    @property
    def export_run(self) -> str:
        """The id of an export that is over."""
        return self.runs[0]

    @property
    def attest_run(self) -> str:
        """The id of a making of attestations that is over."""
        return self.runs[1]

    @property
    def document_run(self) -> str:
        """The id of a making of certificates that is over."""
        return self.runs[2]

    @property
    def identity(self) -> Identity:
        return cast("Identity", self.app.state.identity)

    def browser(self, role: str) -> TestClient:
        """Return a browser in which somebody of this role is signed in."""
        browser = TestClient(self.app, base_url="https://portal.exemple.fr", follow_redirects=False)
        email = self.people[role]
        if email:
            stay = self.identity.store.begin_stay(email, "link", self.identity.now())
            browser.cookies.set(cookie_name(BASE_URL, "stay"), stay, domain="portal.exemple.fr", path="/")
        return browser

    def preview(self) -> str:
        """Return the key of a preview that the right instructor asked for."""
        previews: Previews = self.app.state.previews
        return previews.make(str(self.people["right"]), SESSION)


@pytest.fixture(scope="module")
def campus(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campus]:
    home = Home(tmp_path_factory.mktemp("walk"))
    home.published.mkdir(parents=True)
    home.warehouse.symlink_to(Home(demo_home).warehouse.resolve())
    shutil.copytree(demo_home / "assets", home.assets)
    (home.folder / "opco.toml").write_text(
        (demo_home / "opco.toml").read_text(encoding="utf-8")
        + f'[portal]\nbase_url = "{BASE_URL}"\nadministrators = ["{ADMIN}"]\n'
        + '[email]\nhost = "127.0.0.1"\nsender = "portail@exemple.fr"\nallowed_recipients = ["trois-rives.example"]\n',
        encoding="utf-8",
    )
    made = result_of(run_opco("attest", SESSION, "--json", home=home.folder))
    run_opco("document", "log", SESSION, "--month", "2026-09", home=home.folder)
    manifest = read_manifest(next((home.attestations / SESSION).glob("issue-*")))
    assert made["ok"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPCO_PORTAL__SECRET", SECRET)
        settings = load_settings(home)
        app = make_app(home, settings, now=app_now)
        # Nothing is sent, begun or rendered: the walk is of the gates.
        identity: Identity = app.state.identity
        app.state.identity = replace(
            identity,
            mail=SignInMail(Recorder("127.0.0.1", 587, "starttls"), "portail@exemple.fr", None),
        )
        app.state.runs = IdleRuns(home)
        patch.setattr(exports, "MOST_LINES_AT_ONCE", -1)
        app.state.previews = ReadyPreviews()
        with duckdb.connect(str(home.warehouse.resolve()), read_only=True) as warehouse:
            people = addresses(warehouse)
        store = DeliveryStore(home.deliveries)
        delivery = store.keep(
            home.folder / "opco.toml", sha256_of(home.folder / "opco.toml"), app_now() + timedelta(days=1)
        )
        campus = Campus(home, app, people, Signer(SECRET).token(delivery.link), manifest.documents[0].file)
        leave_runs(campus)
        yield campus
        app.state.identity.outbox.finish()
        app.state.warehouse.close()


def app_now() -> datetime:
    return datetime(2026, 11, 10, 19, tzinfo=UTC)


def addresses(warehouse: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    """Return somebody of each role, as the demo campus has them."""

    def one(query: str) -> str:
        (email,) = warehouse.execute(query).fetchall()[0]
        return str(email)

    instructs = "select user_id from bridge_session_instructors where session_id = '{}'"
    return {
        "nobody": None,
        "stranger": one(
            "select email from dim_learners anti join bridge_session_instructors using (user_id) "
            "where email is not null and not is_deleted and not is_gone order by user_id limit 1"
        ),
        "other": one(
            f"select email from dim_learners where user_id in ({instructs.format(OTHER_SESSION)}) "
            f"and user_id not in ({instructs.format(SESSION)})"
        ),
        "right": one(
            f"select email from dim_learners where user_id in ({instructs.format(SESSION)}) "
            f"and user_id not in ({instructs.format(OTHER_SESSION)}) order by user_id"
        ),
        "administrator": ADMIN,
    }


def leave_runs(campus: Campus) -> None:
    """Leave an export and makings of documents that the right instructor asked for, and that are over."""
    file = campus.home.exports / "export.csv"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"Nom\r\n")
    results: dict[tuple[str, str], dict[str, Any]] = {
        ("POST", f"{PATH}/statistics"): {
            "path": str(file), "bytes": 5, "dagster/row_count": 0, "format": "csv", "sha256": "0" * 64, "learners": 0,
            "sessions": 0, "cut_cells": 0, "data_as_of": "2026-11-10T18:00:00Z", "build_id": "x",
        },
        ("POST", f"{IN_SESSION}/attestations"): {
            "issue_number": 1, "is_new": True, "documents": 3, "states": {}, "warnings": [], "left_out": [],
            "zip_path": str(campus.home.folder / "gone.zip"),
        },
        ("POST", f"{IN_SESSION}/documents"): {
            "issue_number": 1, "is_new": True, "documents": 3, "states": {}, "warnings": [],
        },
    }  # fmt: skip
    for route, result in results.items():
        answer = asked(campus, "right", *route, EXPECTED[route])
        run_id = answer.headers["location"].rpartition("/")[2]
        said = {"ok": True, "result": result}
        (campus.home.background_runs / run_id / RESULT).write_text(json.dumps(said), encoding="utf-8")
        campus.runs.append(run_id)


@dataclass(frozen=True)
class Expected:
    """What the five roles get, in the order of `ROLES`; `path` and `form` fill in what a route needs."""

    statuses: tuple[int, int, int, int, int]
    path: Callable[[Campus], dict[str, str]] = lambda campus: {}
    form: dict[str, str] | None = None
    query: str = ""


def everybody(status: int, **more: Any) -> Expected:
    return Expected((status,) * 5, **more)


def of_the_session(**more: Any) -> Expected:
    """What only the session's instructors and administrators get."""
    path = more.pop("path", lambda campus: {})
    return Expected((401, 404, 404, 200, 200), lambda campus: {"session_id": SESSION, **path(campus)}, **more)


SIGNED_IN = Expected((401, 200, 200, 200, 200))
INSTRUCTORS = Expected((401, 404, 200, 200, 200))
OWN_EXPORT = Expected((401, 404, 404, 200, 200), lambda campus: {"run_id": campus.export_run})
IN_SESSION = f"{PATH}/sessions/{{session_id:key}}"

EXPECTED: dict[tuple[str, str], Expected] = {
    # Keys themselves, or nobody's secret.
    ("GET", f"{PATH}/download/{{token}}"): everybody(200, path=lambda campus: {"token": campus.link_token}),
    ("GET", f"{PATH}/download/{{path:path}}"): everybody(404, path=lambda campus: {"path": "a/b"}),
    ("GET", f"{PATH}/health"): everybody(200),
    ("GET", f"{PATH}/static"): everybody(200, path=lambda campus: {"": "/portal.css"}),
    ("GET", f"{PATH}/sign-in"): everybody(200),
    ("POST", f"{PATH}/sign-in"): everybody(200, form={"email": "somebody@exemple.fr"}),
    ("GET", f"{PATH}/sign-in/link/{{key}}"): everybody(200, path=lambda campus: {"key": link(campus)}),
    ("POST", f"{PATH}/sign-in/link/{{key}}"): everybody(303, path=lambda campus: {"key": link(campus)}, form={}),
    ("GET", f"{PATH}/sign-in/provider"): everybody(404),
    ("GET", f"{PATH}/sign-in/provider/back"): everybody(404),
    ("POST", f"{PATH}/sign-out"): everybody(303, form={}),
    ("POST", f"{PATH}/sign-out-everywhere"): Expected((401, 303, 303, 303, 303), form={}),
    # Everybody's own.
    ("GET", f"{PATH}/"): SIGNED_IN,
    ("GET", f"{PATH}/sessions"): SIGNED_IN,
    ("GET", f"{PATH}/rejected-rows"): Expected((401, 403, 403, 403, 200)),
    # A learner's: of who instructs one of their sessions.
    ("GET", f"{PATH}/learners"): SIGNED_IN,
    ("GET", f"{PATH}/learners/{{user_id:key}}"): Expected(
        (401, 404, 404, 200, 200), lambda campus: {"user_id": LEARNER}
    ),
    ("GET", f"{PATH}/learners/{{user_id:key}}/rows"): Expected(
        (401, 403, 403, 403, 200), lambda campus: {"user_id": LEARNER}
    ),
    # A session's.
    ("GET", IN_SESSION): of_the_session(),
    ("GET", f"{IN_SESSION}/flags/{{flag}}"): of_the_session(path=lambda campus: {"flag": "overlap"}),
    ("GET", f"{IN_SESSION}/issues/{{number:int}}"): of_the_session(path=lambda campus: {"number": "1"}),
    ("GET", f"{IN_SESSION}/issues/{{number:int}}/zip"): of_the_session(path=lambda campus: {"number": "1"}),
    ("GET", f"{IN_SESSION}/issues/{{number:int}}/documents/{{file}}"): of_the_session(
        path=lambda campus: {"number": "1", "file": campus.document}
    ),
    ("GET", f"{IN_SESSION}/attestations"): of_the_session(),
    ("POST", f"{IN_SESSION}/attestations"): Expected(
        (401, 404, 404, 303, 303),
        lambda campus: {"session_id": SESSION},
        form=MAKE,
    ),
    ("GET", f"{IN_SESSION}/attestations/image/{{file:key}}"): of_the_session(path=lambda campus: {"file": "logo.svg"}),
    # A preview is its maker's alone.
    ("GET", f"{IN_SESSION}/attestations/preview/{{key}}.png"): Expected(
        (401, 404, 404, 200, 404), lambda campus: {"session_id": SESSION, "key": campus.preview()}
    ),
    ("GET", f"{IN_SESSION}/attestations/preview/{{key}}.pdf"): Expected(
        (401, 404, 404, 200, 404), lambda campus: {"session_id": SESSION, "key": campus.preview()}
    ),
    ("GET", f"{IN_SESSION}/attestations/runs/{{run_id}}"): of_the_session(
        path=lambda campus: {"run_id": campus.attest_run}
    ),
    ("GET", f"{IN_SESSION}/attestations/runs/{{run_id}}/progress"): of_the_session(
        path=lambda campus: {"run_id": campus.attest_run}
    ),
    ("POST", f"{IN_SESSION}/attestations/runs/{{run_id}}/cancel"): Expected(
        (401, 404, 404, 303, 303), lambda campus: {"session_id": SESSION, "run_id": campus.attest_run}, form={}
    ),
    # Its other documents.
    ("GET", f"{IN_SESSION}/documents"): of_the_session(query="funder=opco"),
    ("POST", f"{IN_SESSION}/documents"): Expected(
        (401, 404, 404, 303, 303), lambda campus: {"session_id": SESSION}, form={"kind": "certificate", "month": ""}
    ),
    ("POST", f"{IN_SESSION}/documents/sign-off"): Expected(
        (401, 404, 404, 303, 303),
        lambda campus: {"session_id": SESSION},
        form={"user": "u-1001", "month": "2026-09", "reason": "absent"},
    ),
    ("GET", f"{IN_SESSION}/documents/{{kind}}/{{period}}/{{number:int}}"): of_the_session(
        path=lambda campus: {"kind": "log", "period": "2026-09", "number": "1"}
    ),
    ("GET", f"{IN_SESSION}/documents/runs/{{run_id}}"): of_the_session(
        path=lambda campus: {"run_id": campus.document_run}
    ),
    ("GET", f"{IN_SESSION}/documents/runs/{{run_id}}/progress"): of_the_session(
        path=lambda campus: {"run_id": campus.document_run}
    ),
    ("POST", f"{IN_SESSION}/documents/runs/{{run_id}}/cancel"): Expected(
        (401, 404, 404, 303, 303), lambda campus: {"session_id": SESSION, "run_id": campus.document_run}, form={}
    ),
    # Exports.
    ("GET", f"{PATH}/statistics"): replace(
        INSTRUCTORS, query=f"sessions={SESSION}", statuses=(401, 200, 404, 200, 200)
    ),
    ("POST", f"{PATH}/statistics"): Expected(
        (401, 404, 404, 303, 303), form={"action": "file", "sessions": SESSION, "format": "csv"}
    ),
    ("GET", f"{PATH}/statistics/matches"): replace(SIGNED_IN, query="kind=users&q=a"),
    ("GET", f"{PATH}/statistics/count"): Expected((401, 404, 404, 200, 200), query=f"sessions={SESSION}"),
    ("GET", f"{PATH}/exports/{{run_id}}"): OWN_EXPORT,
    ("GET", f"{PATH}/exports/{{run_id}}/progress"): OWN_EXPORT,
    ("GET", f"{PATH}/exports/{{run_id}}/file"): OWN_EXPORT,
    ("POST", f"{PATH}/exports/{{run_id}}/cancel"): replace(OWN_EXPORT, statuses=(401, 404, 404, 303, 303), form={}),
}


def link(campus: Campus) -> str:
    """Return the key of a new sign-in link."""
    return campus.identity.store.keep_link(str(campus.people["other"]), f"{PATH}/", campus.identity.now())


def declared(campus: Campus) -> list[tuple[str, str]]:
    """Return every method and path of the application; HEAD stands with GET."""
    return [
        (method, path)
        for path, route in access.declared_routes(campus.app.routes)
        for method in sorted(getattr(route, "methods", None) or {"GET"})
        if method != "HEAD"
    ]


def filled(path: str, values: dict[str, str]) -> str:
    """Return the path with its parts filled in."""
    for name, value in values.items():
        part = key(value) if f"{{{name}:key}}" in path else value
        path = re.sub(rf"{{{name}(:\w+)?}}", lambda _, part=part: part, path) if name else path + value  # type: ignore[misc]
    assert "{" not in path, path
    return path


def asked(campus: Campus, role: str, method: str, path: str, expected: Expected) -> Answer:
    """Do as somebody of this role would: with the form's token, and a query where the route wants one."""
    # The walk is of gates; limits have tests of their own.
    campus.app.state.identity = replace(campus.identity, limits=Limits())
    browser = campus.browser(role)
    address = filled(path, expected.path(campus)) + (f"?{expected.query}" if expected.query else "")
    if method == "GET":
        return browser.get(address)
    token = token_of(browser.get(f"{PATH}/sign-in").text)
    return browser.request(method, address, data={"csrf_token": token, **(expected.form or {})})


def test_every_route_as_everybody(campus: Campus) -> None:
    routes = declared(campus)
    assert sorted(routes) == sorted(EXPECTED), "a route is new or gone: say in EXPECTED who gets what"
    found = {
        route: tuple(asked(campus, role, *route, EXPECTED[route]).status_code for role in ROLES) for route in routes
    }
    assert found == {route: expected.statuses for route, expected in EXPECTED.items()}
    print(f"{len(routes)} routes as {len(ROLES)} roles: {len(routes) * len(ROLES)} answers")


def test_the_head_of_every_page_as_everybody(campus: Campus) -> None:
    for (method, path), expected in EXPECTED.items():
        if method == "GET":
            address = filled(path, expected.path(campus)) + (f"?{expected.query}" if expected.query else "")
            heads = [campus.browser(role).head(address) for role in ROLES]
            assert tuple(head.status_code for head in heads) == expected.statuses, path
            assert not any(head.content for head in heads)


def test_no_form_counts_without_its_token(campus: Campus) -> None:
    for (method, path), expected in EXPECTED.items():
        if method == "GET":
            continue
        for role in ROLES:
            campus.app.state.identity = replace(campus.identity, limits=Limits())
            answer = campus.browser(role).request(method, filled(path, expected.path(campus)), data=expected.form)
            is_closed = role == "nobody" and expected.statuses[0] == 401
            assert answer.status_code == (401 if is_closed else 403), (path, role)


def test_no_route_takes_another_method(campus: Campus) -> None:
    tried = 0
    for path in sorted({path for _, path in EXPECTED}):
        taken = {method for method, one in EXPECTED if one == path}
        expected = next(expected for (_, one), expected in EXPECTED.items() if one == path)
        address = filled(path, expected.path(campus))
        for method in {"POST", "PUT", "PATCH", "DELETE"} - taken:
            for role in ("nobody", "administrator"):
                assert campus.browser(role).request(method, address).status_code == 405, (method, path, role)
                tried += 1
    assert tried > 150


FORGED = (
    "S-9999", "s-2026-mgmt-09", " S-2026-MGMT-09", "S-2026-MGMT-09 ", "S-2026-MGMT-09\0", "%", "*", "..", ".",
    "../S-2026-CYB-09", "S-2026-MGMT-09' or '1'='1", "S-2026-MGMT-09/../S-2026-CYB-09",
    "é" * 50, "x" * 3000, "<script>alert(1)</script>",
)  # fmt: skip


def test_forged_ids_lead_nowhere(campus: Campus) -> None:
    browsers = {role: campus.browser(role) for role in ("other", "administrator")}
    for (method, path), expected in EXPECTED.items():
        if method != "GET" or "{session_id:key}" not in path:
            continue
        for forged in FORGED:
            for role, browser in browsers.items():
                address = filled(path, {**expected.path(campus), "session_id": forged})
                answer = browser.get(address)
                assert answer.status_code == 404, (path, forged, role)
                assert "<script>alert" not in answer.text
    for run_id in ("x", campus.attest_run, campus.export_run[:-1] + "g", "20261110T180000000000-" + "../" * 5 + "a"):
        for part in ("", "/progress", "/file"):
            assert browsers["administrator"].get(f"{PATH}/exports/{run_id}{part}").status_code == 404, run_id
    session, other = f"{PATH}/sessions/{key(SESSION)}", f"{PATH}/sessions/{key(OTHER_SESSION)}"
    images = ("../opco.toml", "/etc/passwd", "uploads/../../opco.toml", "nothing.png")
    for address in (
        f"{session}/issues/2",
        f"{session}/issues/0",
        f"{session}/issues/99999999999999999999/zip",
        f"{session}/issues/1/documents/manifest.json",
        f"{session}/issues/1/documents/..%2F..%2Fopco.toml",
        f"{session}/issues/1/documents/%2Fetc%2Fpasswd",
        *(f"{session}/attestations/image/{key(image)}" for image in images),
        f"{session}/attestations/runs/{campus.export_run}",
        f"{session}/attestations/runs/..%2F{campus.attest_run}",
        f"{session}/attestations/preview/{'0' * 32}.png",
        f"{session}/flags/nothing",
        f"{other}/attestations/runs/{campus.attest_run}",
        f"{other}/issues/1",
        f"{PATH}/static/../app.py",
        f"{PATH}/static/..%2Fapp.py",
        f"{PATH}/static/%2e%2e/app.py",
    ):
        assert browsers["administrator"].get(address).status_code == 404, address


FOREIGN = """
    with own as (
        select session_id, session_name
        from dim_program_sessions
        semi join (
            from bridge_session_instructors semi join (from dim_learners where email = $email) using (user_id)
        ) using (session_id)
    ),
    own_people as (
        select user_id, last_name
        from dim_learners
        where email = $email or user_id in (select user_id from fct_learner_sessions semi join own using (session_id))
    )
    select session_id from dim_program_sessions anti join own using (session_id)
    union all
    select session_name from dim_program_sessions anti join own using (session_name)
    union all
    select email from dim_learners anti join own_people using (user_id) where email is not null
    union all
    select last_name from dim_learners anti join own_people using (last_name) where length(last_name) > 4
"""


def test_a_page_names_nobody_and_nothing_of_other_sessions(campus: Campus) -> None:
    """What an instructor reads, wherever they look, holds no session and no learner of others."""
    with duckdb.connect(str(campus.home.warehouse.resolve()), read_only=True) as warehouse:
        rows = warehouse.execute(FOREIGN, {"email": campus.people["other"]}).fetchall()
    foreign = {text for (text,) in rows}
    assert len(foreign) > 20
    own = f"{PATH}/sessions/{key(OTHER_SESSION)}"
    letters = "abcdefghijklmnopqrstuvwxyz"
    pages = [
        f"{PATH}/",
        f"{PATH}/sessions",
        f"{PATH}/sessions?q=S-2026",
        f"{PATH}/learners",
        f"{PATH}/learners/{LEARNER_OF_BOTH}",
        f"{PATH}/learners/{LEARNER_OF_BOTH}?session={OTHER_SESSION}",
        f"{PATH}/statistics",
        f"{PATH}/statistics/count",
        own,
        f"{own}/attestations",
        *(f"{own}/flags/{flag}" for flag in ("overlap", "long_connection", "outside_session_dates")),
        *(f"{PATH}/statistics/matches?kind={kind}&q={letter}" for kind in ("users", "sessions") for letter in letters),
    ]
    browser = campus.browser("other")
    read = 0
    for page in pages:
        answer = browser.get(page)
        assert answer.status_code in (200, 404), page
        read += answer.status_code == 200
        leaked = [text for text in foreign if re.search(rf"(?<!\w){re.escape(text)}(?!\w)", answer.text)]
        assert not leaked, (page, leaked)
    assert read >= len(pages) - 3


def test_a_run_is_cancelled_by_who_asked_for_it_and_by_administrators(campus: Campus) -> None:
    place = f"{PATH}/sessions/{key(SESSION)}/attestations"
    right, administrator = campus.browser("right"), campus.browser("administrator")
    audit = campus.home.portal / "audit.jsonl"

    def cancelled(browser: TestClient, page: str) -> int:
        token = token_of(browser.get(f"{PATH}/sessions").text)
        return int(browser.post(f"{page}/cancel", data={"csrf_token": token}).status_code)

    def begun(browser: TestClient) -> str:
        form = {**MAKE, "csrf_token": token_of(browser.get(f"{PATH}/sessions").text)}
        page = browser.post(place, data=form).headers["location"].partition("?")[0]
        assert "Annuler" in browser.get(page).text
        return str(page)

    of_administrator = begun(administrator)
    assert "Annuler" not in right.get(of_administrator).text
    assert cancelled(right, of_administrator) == 403
    assert administrator.post(f"{of_administrator}/cancel", data={}).status_code == 403
    assert not list(campus.home.background_runs.glob("*/cancelled.json"))
    assert cancelled(administrator, of_administrator) == 303
    of_right = begun(right)
    assert cancelled(administrator, of_right) == 303
    page = right.get(of_right).text
    assert f"annulée par {ADMIN}" in unescape(page)
    assert "Annuler" not in page
    lines = [json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines()]
    told = [(one["email"], one["asked_by"]) for one in lines if one["action"] == "run_cancelled"]
    assert told == [(ADMIN, ADMIN), (ADMIN, campus.people["right"])]
    # What is over is left as it is, and is no line.
    assert cancelled(administrator, of_right) == 303
    assert len(audit.read_text(encoding="utf-8").splitlines()) == len(lines)


def test_an_export_of_anothers_session_is_never_begun(campus: Campus) -> None:
    def runs() -> int:
        return len(list(campus.home.background_runs.glob("*-*")))

    before = runs()
    browser = campus.browser("other")
    token = token_of(browser.get(f"{PATH}/sign-in").text)
    for forged in ({"sessions": SESSION}, {"sessions": [OTHER_SESSION, SESSION]}):
        answer = browser.post(f"{PATH}/statistics", data={"csrf_token": token, "action": "file", **forged})
        assert answer.status_code == 404
    assert runs() == before
    # Asked for nothing in particular, they get their own sessions, not all.
    assert browser.post(f"{PATH}/statistics", data={"csrf_token": token, "action": "file"}).status_code == 303
    latest = next(iter(cast("BackgroundRuns", campus.app.state.runs).latest()))
    assert latest.order.config["sessions"] == [OTHER_SESSION]


def test_few_lines_are_given_at_once_and_to_nobody_else(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_LINES_AT_ONCE", 50_000)
    campus.app.state.identity = replace(campus.identity, limits=Limits())
    asked = {"action": "file", "format": "csv", "sessions": SESSION}

    def answer(role: str) -> Answer:
        browser = campus.browser(role)
        token = token_of(browser.get(f"{PATH}/sign-in").text)
        return browser.post(f"{PATH}/statistics", data={**asked, "csrf_token": token})

    assert [answer(role).status_code for role in ("nobody", "stranger", "other")] == [401, 404, 404]
    given = answer("right")
    assert given.headers["content-disposition"].startswith("attachment; ")
    assert given.headers["cache-control"] == "private, no-store"
    run = next(iter(cast("BackgroundRuns", campus.app.state.runs).latest()))
    assert (run.status, run.order.asked_by) == ("done", campus.people["right"])
    assert run.order.config["sessions"] == [SESSION]
    assert run.result is not None
    assert (run.result["bytes"], run.result["path"]) == (
        len(given.content),
        str(campus.home.exports / given.headers["content-disposition"].split('"')[1]),
    )
    log = [json.loads(line) for line in (campus.home.portal / "audit.jsonl").read_text("utf-8").splitlines()]
    assert [(one["action"], one.get("run_id")) for one in log[-2:]] == [
        ("export_asked_for", None),
        ("export_downloaded", run.order.run_id),
    ]
    # What cannot be made here is left to a run, which says why; so is what comes on top of others.
    monkeypatch.setattr(exports, "make_at_once", lambda *_: (_ for _ in ()).throw(OpcoError("no room")))
    assert answer("right").status_code == 303
    monkeypatch.undo()
    monkeypatch.setattr(exports, "MOST_LINES_AT_ONCE", 50_000)
    with exports.AT_ONCE, exports.AT_ONCE:
        assert answer("right").status_code == 303
    # One line too many.
    monkeypatch.setattr(exports, "MOST_LINES_AT_ONCE", run.result["dagster/row_count"] - 1)
    assert answer("right").status_code == 303


def test_who_is_unknown_and_who_is_not_ones_own_look_alike(campus: Campus) -> None:
    browser = campus.browser("other")
    token = token_of(browser.get(f"{PATH}/sign-in").text)
    with duckdb.connect(str(campus.home.warehouse.resolve()), read_only=True) as warehouse:
        foreign = {
            "users": "select email from dim_learners anti join ({own}) using (user_id) where email is not null",
            "groups": "select group_id from dim_groups anti join (from bridge_group_members semi join ({own}) using "
            "(user_id)) using (group_id)",
        }
        own = f"select user_id from fct_learner_sessions where session_id = '{OTHER_SESSION}'"
        asked_for = {
            kind: [
                *(value for (value,) in warehouse.execute(query.format(own=own) + " limit 2").fetchall()),
                "nobody@x.fr",
            ]
            for kind, query in foreign.items()
        }
    for kind, values in asked_for.items():
        counted = [browser.get(f"{PATH}/statistics/count", params={kind: value}).text for value in values]
        sent = [
            browser.post(f"{PATH}/statistics", data={"csrf_token": token, "action": "file", kind: value}).status_code
            for value in values
        ]
        assert len(set(counted)) == 1, (kind, values, counted)
        assert set(sent) == {422}, (kind, values)


def test_nobody_begins_any_number_of_runs(campus: Campus) -> None:
    campus.app.state.identity = replace(campus.identity, limits=Limits())
    browser = campus.browser("right")
    token = token_of(browser.get(f"{PATH}/sign-in").text)
    data = {"csrf_token": token, "action": "file", "sessions": SESSION}
    assert [browser.post(f"{PATH}/statistics", data=data).status_code for _ in range(21)] == [303] * 20 + [429]
    route = ("POST", f"{IN_SESSION}/attestations")
    form = {"csrf_token": token, **(EXPECTED[route].form or {})}
    assert browser.post(filled(route[1], {"session_id": SESSION}), data=form).status_code == 429


HOSTILE = """ <script>alert('x')</script>"'><img src=x onerror=alert(1)>{{ 7919*104729 }}{name} %s\r\nSet-Cookie: a=b"""
USER_TEXTS = (
    "session_name", "program_template_name", "course_name", "assessment_name", "group_name", "first_name", "last_name",
    "username", "additional_information", "employer", "title", "objectives", "value",
)  # fmt: skip


class Inline(HTMLParser):
    """What a page would run or load of its own, which no page of ours does."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if (tag == "script" and "src" not in names) or tag in ("style", "base", "object", "embed") or "style" in names:
            self.found.append(tag)
        self.found += [name for name in names if name.startswith("on")]
        self.found += [
            f"{name}={value}"
            for name, value in attrs
            if name in ("href", "src", "action") and (value or "")[:1] not in "/#"
        ]


@pytest.fixture
def hostile(campus: Campus, tmp_path: Path) -> Iterator[None]:
    """A build in which everything that people type is hostile."""
    before, file = campus.home.warehouse.resolve(), tmp_path / "hostile.duckdb"
    shutil.copyfile(before, file)
    file.chmod(0o600)
    with duckdb.connect(str(file)) as warehouse:
        texts = warehouse.execute(
            "select table_name, column_name from duckdb_columns() where data_type = 'VARCHAR' and not internal "
            "and list_contains($names::varchar[], column_name) "
            "and table_name in (select table_name from duckdb_tables())",
            {"names": list(USER_TEXTS)},
        ).fetchall()
        assert len(texts) > 20
        for table, column in texts:
            warehouse.execute(f'update "{table}" set "{column}" = "{column}" || $hostile', {"hostile": HOSTILE})
    switch(campus, file)
    yield
    switch(campus, before)


def switch(campus: Campus, file: Path) -> None:
    new = campus.home.published / "new"
    new.symlink_to(file)
    new.replace(campus.home.warehouse)


@pytest.mark.usefixtures("hostile")
def test_what_people_type_never_runs(campus: Campus) -> None:
    read = 0
    for (method, path), expected in EXPECTED.items():
        if method != "GET" or expected.statuses[4] != 200:
            continue
        for query in {
            expected.query,
            "kind=groups&q=a",
            "kind=custom_fields&q=a",
            "kind=sessions&q=a",
            "kind=users&q=a",
        }:
            answer = campus.browser("administrator").get(filled(path, expected.path(campus)) + f"?{query}")
            assert answer.status_code == 200, path
            assert "a" not in answer.cookies
            if "text/html" in answer.headers["content-type"]:
                page = Inline()
                page.feed(answer.text)
                assert not page.found, (path, page.found)
                assert "829348951" not in answer.text
                read += "alert(" in answer.text
    assert read > 15
