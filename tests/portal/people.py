"""A small portal for tests: a published file of a few people, the pages of signing in, and a probe behind each gate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
from httpx2 import Response as Answer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.testclient import TestClient

from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from portal import access, errors, limits, security
from portal.identity import pages
from portal.identity.outbox import SignInMail
from portal.identity.service import Identity
from portal.published import PublishedWarehouse
from portal.rendering import STATIC
from reports.delivery.smtp import MailServer

BASE_URL = "https://portal.exemple.fr/opco"
SECRET = "0123456789abcdef" * 2
PATH = "/opco"
CLAIRE, BRUNO, LEARNER, ADMIN = "claire@exemple.fr", "bruno@exemple.fr", "lea@exemple.fr", "admin@exemple.fr"

USERS = (
    # user_id, email, first name, last name, is_deleted, is_gone
    ("1", "Claire@Exemple.fr", "Claire", "Formatrice", False, False),
    ("2", BRUNO, "Bruno", "Moniteur", False, False),
    ("3", LEARNER, "Léa", "Apprenante", False, False),
    ("4", "partie@exemple.fr", "Paule", "Partie", True, False),
    ("5", "absent@exemple.fr", "Abel", "Absent", False, True),
)
INSTRUCTORS = (("S-1", "1"), ("S-2", "2"), ("S-2", "4"), ("S-3", "5"))


class Clock:
    """The portal's clock."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, **duration: float) -> None:
        self.time += timedelta(**duration)


@dataclass(frozen=True)
class Recorder(MailServer):
    """A mail server that keeps what it is given, or breaks down."""

    messages: list[EmailMessage] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)

    def send(
        self,
        message: EmailMessage,
        *,
        pauses: tuple[float, ...] = (),
        pause: Callable[[float, str], None] = lambda *_: None,
    ) -> None:
        if self.faults:
            raise self.faults.pop()
        self.messages.append(message)


def publish(
    home: Path,
    name: str = "one",
    users: Iterable[tuple[str, str | None, str, str, bool, bool]] = USERS,
    instructors: Iterable[tuple[str, str]] = INSTRUCTORS,
) -> None:
    """Publish a build of these people, as a build does: a new file, and the link to it replaced."""
    folder = home / "var" / "published"
    (folder / "builds").mkdir(parents=True, exist_ok=True)
    file = folder / "builds" / f"{name}.duckdb"
    with duckdb.connect(str(file)) as database:
        database.execute("create table warehouse_build (build_id varchar, rules_edition bigint)")
        database.execute("create table load_reconciliation (table_name varchar)")
        database.execute(
            "create table dim_learners (user_id varchar, email varchar, first_name varchar, last_name varchar, "
            "is_deleted boolean, is_gone boolean)"
        )
        database.executemany("insert into dim_learners values (?, ?, ?, ?, ?, ?)", [list(user) for user in users])
        database.execute("create table dim_program_sessions (session_id varchar)")
        database.execute("insert into dim_program_sessions values ('S-1'), ('S-2'), ('S-3'), ('S-4')")
        database.execute("create table bridge_session_instructors (session_id varchar, user_id varchar)")
        for session_id, user_id in instructors:
            database.execute("insert into bridge_session_instructors values (?, ?)", [session_id, user_id])
    new = folder / "opco.new"
    new.symlink_to(Path("builds") / file.name)
    new.replace(folder / "opco.duckdb")


@dataclass
class SmallPortal:
    """The portal of `home`: its application, clock, and what it sent."""

    home: Path
    app: Starlette
    identity: Identity
    clock: Clock
    server: Recorder

    def browser(self) -> TestClient:
        """Return a browser that knows nobody yet. What fails inside is answered as people would see it."""
        return TestClient(
            self.app, base_url="https://portal.exemple.fr", follow_redirects=False, raise_server_exceptions=False
        )

    def mails(self) -> list[EmailMessage]:
        """Return the messages, once all that were asked for are sent."""
        self.identity.outbox.wait()
        return self.server.messages

    def link_in(self, mail: EmailMessage) -> str:
        """Return the path that the message's link leads to."""
        found = re.search(rf"{re.escape(BASE_URL)}(/sign-in/link/\S+)", mail.get_content())
        assert found, mail.get_content()
        return PATH + found[1]

    def signed_in(self, email: str) -> TestClient:
        """Return a browser in which `email` is signed in, by a link."""
        browser = self.browser()
        count = len(self.mails())
        ask(browser, email)
        mails = self.mails()
        assert len(mails) == count + 1, f"no link for {email}"
        link = self.link_in(mails[-1])
        answer = post(browser, link, form=link)
        assert answer.status_code == 303, answer.text
        return browser


def token_of(page: str) -> str:
    """Return the token of the first form of a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def post(
    browser: TestClient, path: str, data: dict[str, str] | None = None, *, form: str = f"{PATH}/sign-in"
) -> Answer:
    """Fetch the page `form`, and send its form to `path`."""
    page = browser.get(form)
    return browser.post(path, data={"csrf_token": token_of(page.text), **(data or {})})


def ask(browser: TestClient, email: str, **data: str) -> Answer:
    """Ask for a sign-in link."""
    return post(browser, f"{PATH}/sign-in", {"email": email, **data})


def probes() -> list[BaseRoute]:
    """Return one route behind each gate, and some that go wrong."""

    def who(request: Request) -> Response:
        visible = access.visible_sessions(request.state.person)
        found = request.state.reading.db.execute(
            f"select session_id from ({visible.sql}) order by 1", visible.parameters
        ).fetchall()
        person = request.state.person
        return JSONResponse(
            {
                "email": person.email,
                "user_ids": list(person.user_ids),
                "name": person.name,
                "is_administrator": person.is_administrator,
                "sessions": [session_id for (session_id,) in found],
            }
        )

    def act(request: Request) -> Response:
        upload = request.state.form.get("file")
        size = len(upload.file.read()) if upload is not None and not isinstance(upload, str) else None
        return JSONResponse({"note": request.state.form.get("note"), "size": size})

    def mail_export(request: Request) -> Response:
        limits.check(request, limits.EMAILED_EXPORTS)
        return JSONResponse({})

    def form(request: Request) -> Response:
        return Response(f'<input name="csrf_token" value="{security.csrf_token(request)}">')

    def fail(request: Request) -> Response:
        raise request.app.state.fault

    return [
        access.route("/", who, who=access.signed_in),
        access.route("/sessions/{session_id}", who, who=access.session("session_id"), name="session"),
        access.route("/administration", who, who=access.administrator, name="administration"),
        access.route("/form", form, who=access.public),
        access.route("/act", act, who=access.signed_in, methods=["POST"]),
        access.route("/mail-export", mail_export, who=access.signed_in, methods=["POST"]),
        access.route("/fail", fail, who=access.public),
    ]


@contextmanager
def small_portal(home: Path, toml: str = "", **environment: str) -> Iterator[SmallPortal]:
    """Run the portal of `home`, whose opco.toml holds `toml` beside what every portal needs."""
    (home / "opco.toml").write_text(
        f'[portal]\nbase_url = "{BASE_URL}"\nadministrators = ["Admin@exemple.fr"]\n{toml}\n'
        '[email]\nhost = "127.0.0.1"\nsender = "portail@exemple.fr"\n',
        encoding="utf-8",
    )
    clock = Clock()
    place = Home(home)
    settings = load_settings(place)
    identity = Identity.of(place, settings, now=clock)
    server = Recorder("127.0.0.1", 587, "starttls")
    if identity.mail:
        identity = replace(identity, mail=SignInMail(server, identity.mail.sender, identity.mail.organisation))
    routes = [access.files("/static", STATIC, "static"), *pages.routes(), *probes()]
    path = urlsplit(identity.base_url).path
    app = Starlette(
        routes=[Mount(path, routes=routes)] if path else routes,
        middleware=security.middleware(identity.base_url, identity.secret, settings.portal.trusted_proxies),
        exception_handlers=errors.handlers(),
    )
    app.state.identity = identity
    app.state.warehouse = warehouse = PublishedWarehouse(place.warehouse)
    access.declared_routes(app.routes)
    try:
        yield SmallPortal(home, app, identity, clock, server)
    finally:
        identity.outbox.finish()
        warehouse.close()
