"""`opco serve`, `opco sign-in-link`, `opco dagster`, `opco health`: what runs until it is stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from opco.options import DebugOption, HomeOption, HostOption, JsonOption, PortOption, app
from opco.running import open_home
from opco.terminal import HomeResult, print_json, print_result
from orchestration.home.paths import HOME_VARIABLE, IDENTITY_VARIABLE, Home, open_to_others
from orchestration.home.settings import load_settings
from reports.delivery.recipients import checked_address
from warehouse.account import account
from warehouse.errors import OpcoError, UserError
from warehouse.project import PROJECT_DIR
from warehouse.published import open_published

Part = Literal["webserver", "daemon"]
Service = Literal["webserver", "daemon", "serve"]
SECONDS_TO_END = 10
ANSWER_SECONDS = 10
# A part of the daemon shows itself every half minute.
HEARTBEAT_SECONDS = 300


@app.command(epilog="Example:  OPCO_PORTAL__SECRET=… opco serve --port 8000")
def serve(
    port: PortOption = 8000,
    host: HostOption = "127.0.0.1",
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Serve the instructors' pages and the links that were sent by e-mail, under portal.base_url, until Ctrl-C.

    Needs the variable OPCO_PORTAL__SECRET, the one that signed the links. Put a server with TLS before it.
    """
    # Loads WeasyPrint, for the pages that preview attestations.
    from portal.server import serve as serve_portal

    home = open_home(home_folder)
    settings = load_settings(home)
    if settings.portal.secret is None or settings.portal.base_url is None:
        raise UserError(
            "opco serve needs the setting portal.base_url and the variable OPCO_PORTAL__SECRET.\n"
            "A new secret: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if as_json:
        print_json(_listening("serve", home, host, port))
    serve_portal(home, settings, host=host, port=port, debug=debug)


def _listening(command: str, home: Home, host: str, port: int) -> dict[str, object]:
    return {"command": command, "ok": True, "home": home.folder, "url": f"http://{host}:{port}"}


@app.command(name="sign-in-link", epilog="Example:  opco sign-in-link claire.morel@exemple.fr")
def sign_in_link(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", help="E-mail address of an instructor, or of an administrator of the settings."
        ),
    ],
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print a link that signs this person in to the portal: where no mail server is set, or its mail does not arrive.

    It is used once, within 15 minutes; the audit log says who made it. Whoever has it is that person to the portal.
    Needs the variable OPCO_PORTAL__SECRET of opco serve.
    """
    print_result(make_sign_in_link(open_home(home_folder), address), as_json=as_json)


@dataclass(frozen=True)
class SignInLink(HomeResult, command="sign-in-link"):
    """A link by which an address signs in once."""

    address: str
    link: str
    until: str

    def lines(self) -> list[str]:
        """Return the link, and for whom it is."""
        return [self.link, f"For {self.address}, once, until {self.until}; opco serve answers it."]


def make_sign_in_link(home: Home, address: str) -> SignInLink:
    """Return a link by which `address` signs in once, kept and on the audit log as one that is sent by mail.

    Raises UserError for an address for which there is nothing on the portal, and when its settings are not set.
    """
    # The portal takes half a second to load.
    from portal.identity.person import may_sign_in, person_of
    from portal.identity.service import Identity
    from portal.identity.store import LINK_LIFETIME

    email = checked_address(address, "The address").lower()
    identity = Identity.of(home, load_settings(home))
    with open_published(home.warehouse) as db:
        person = person_of(db, email, identity.administrators)
        if person is None or not may_sign_in(db, person):
            raise UserError(
                f"{email} is the address of no instructor in the published warehouse, and of no administrator.\n"
                "Name an instructor's as the LMS has it, or add it to the setting portal.administrators."
            )
    now = identity.now()
    path = urlsplit(identity.base_url).path
    key = identity.store.keep_link(email, f"{path}/", now)
    identity.audit.add("sign_in_link_made", email=email, client=f"account {account()}")
    until = f"{now + LINK_LIFETIME:%Y-%m-%dT%H:%M:%SZ}"
    return SignInLink(home.folder, email, f"{identity.base_url}/sign-in/link/{key}", until)


@app.command(epilog="Example:  opco dagster --port 3001")
def dagster(
    port: PortOption = 3000,
    host: HostOption = "127.0.0.1",
    only: Annotated[
        Part | None, typer.Option(help="Run this one alone, each as a service of its own. Default: both.")
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Open Dagster's web server on this home: the same assets, runs and files, with a launchpad; and its daemon.

    Ends with Ctrl-C. Anyone who reaches the address can start runs: keep it on this machine or behind a proxy. What
    pages of other sites ask of it is refused. The daemon starts what schedules and sensors ask for, and sends alerts.
    """
    home = open_home(home_folder)
    if as_json:
        print_json(_listening("dagster", home, host, port))
    raise typer.Exit(serve_dagster(home, only=only, host=host, port=port, debug=debug))


def serve_dagster(home: Home, *, only: Part | None, host: str, port: int, debug: bool) -> int:
    """Run Dagster's web server and daemon, or one of them, until they are stopped, and return their exit code.

    Where both run, one that ends takes the other with it. Raises OpcoError when the address cannot be listened on, as
    the daemon would go on without its web server, and when Dagster's database cannot be reached.
    """
    from orchestration.runs.instigators import forget_renamed, repair_clock
    from orchestration.runs.jobs import open_instance
    from portal.server import listen

    if only != "daemon":
        listen(host, port).close()
    # Its tables are made here, before two services could make them at once.
    with open_instance(home) as instance:
        forget_renamed(instance)
        for name in repair_clock(instance, datetime.now(UTC)) if only != "webserver" else ():
            sys.stderr.write(f"{name} was silent, as the machine's clock had been ahead once; it works again now.\n")
    as_json = load_settings(home).logs.format == "json"
    environment = {
        **os.environ,
        HOME_VARIABLE: str(home.folder),
        IDENTITY_VARIABLE: home.identity(),
        "DAGSTER_HOME": str(home.dagster),
        # What it writes comes by a pipe where it is made JSON, and would wait there.
        "PYTHONUNBUFFERED": "1",
    }
    if warning := open_to_others(home):
        sys.stderr.write(f"warning: {warning}\n")
    sys.stderr.write(f"{_opening(only, host, port)} on the home {home.folder}; Ctrl-C ends it.\n")
    # A shell's background process ignores Ctrl-C, and Dagster would then ignore the order to end as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    level = "debug" if debug else "warning" if only is None else "info"
    parts: list[subprocess.Popen[bytes]] = []
    reading, writing = os.pipe() if as_json else (None, None)
    with contextlib.ExitStack() as stack:
        for part in ("webserver", "daemon") if only is None else (only,):
            command = _command(part, host, port, level)
            server = subprocess.Popen(command, cwd=PROJECT_DIR, env=environment, stdout=writing, stderr=writing)
            parts.append(stack.enter_context(server))
        # The terminal sends Ctrl-C to them by itself; a supervisor ends only this process.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: _end(parts))
        for server in parts:
            threading.Thread(target=_end_with, args=[server, parts], daemon=True).start()
        if reading is not None and writing is not None:
            os.close(writing)
            # What no logging of theirs wrote, such as the words of a library in C, becomes JSON here, line by line.
            with os.fdopen(reading, encoding="utf-8", errors="replace", newline="\n") as lines:
                for line in lines:
                    sys.stderr.write(line.removesuffix("\n") + "\n")
        codes = [server.wait() for server in parts]
        # One that had not yet set its handler was ended by the signal.
        return next((code for code in codes if code not in (0, -signal.SIGTERM)), 0)


def _end_with(server: subprocess.Popen[bytes], parts: Iterable[subprocess.Popen[bytes]]) -> None:
    server.wait()
    for other in parts:
        # An order that comes while Dagster starts is lost on it: it is given again.
        while other.poll() is None:
            other.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                other.wait(SECONDS_TO_END)


def _end(parts: Iterable[subprocess.Popen[bytes]]) -> None:
    for server in parts:
        server.terminate()


def _opening(only: Part | None, host: str, port: int) -> str:
    return "Dagster's daemon runs" if only == "daemon" else f"Dagster opens at http://{host}:{port}"


def _command(part: Part, host: str, port: int, log_level: str) -> list[str]:
    where = ["--host", host, "--port", str(port)]
    return [sys.executable, "-m", "opco.dagster_services", part, *where, "--log-level", log_level]


@app.command(epilog="Examples:  opco health webserver   ·   opco health daemon   ·   opco health serve --url http://…")
def health(
    service: Annotated[Service, typer.Argument(help="The service that is asked.")],
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address of the web server. Default: http://127.0.0.1:3000, or :8000 with the path of "
            "portal.base_url for serve.",
        ),
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check that a service of this home is well; exit code 1 where it is not.

    A web server is well when it answers; the daemon, when each of its parts showed itself in the last five minutes, the
    last look of each schedule and sensor went well, and none of them is silent.
    """
    home = open_home(home_folder)
    print_result(HealthResult(home.folder, service, health_of(home, service, url)), as_json=as_json)


@dataclass(frozen=True)
class HealthResult(HomeResult, command="health"):
    """What a service that is well says."""

    service: str
    said: str

    def lines(self) -> list[str]:
        """Return what it says."""
        return [self.said]


def health_of(home: Home, service: Service, url: str | None) -> str:
    """Return what a service that is well says. Raises OpcoError for one that is not, or cannot be reached.

    `url` is where a web server listens, if not at its default.
    """
    if service == "daemon":
        return _daemon(home)
    if service == "webserver":
        return _answer(f"{(url or 'http://127.0.0.1:3000').rstrip('/')}/server_info", "dagster_version")
    path = urlsplit(load_settings(home).portal.base_url or "").path.rstrip("/")
    return _answer(f"{(url or f'http://127.0.0.1:8000{path}').rstrip('/')}/health", "status")


def _answer(url: str, key: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise OpcoError(f"{url} is no address of a web server.")
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - http or https, see above
            content = json.loads(answer.read(100_000))
        return f"Well: {url} answers, {key} {content[key]}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpcoError(f"Not well: {url} does not answer as it should: {error}") from error


def _daemon(home: Home) -> str:
    from orchestration.defs.alerts.run_alerts import reasons_of_failed_ticks
    from orchestration.runs.dagster_internals import daemon_statuses
    from orchestration.runs.instigators import silences
    from orchestration.runs.jobs import INSTANCE_FILE, open_instance

    # To open it would write it, and an empty mount point is to stay empty.
    if not (home.dagster / INSTANCE_FILE).exists():
        raise OpcoError(f"Not well: Dagster never ran on the home {home.folder}. Is it the right one, and mounted?")
    with open_instance(home) as instance:
        statuses = daemon_statuses(instance, HEARTBEAT_SECONDS)
        looks_no_more = silences(instance, datetime.now(UTC))
        failed = reasons_of_failed_ticks(instance)
    silent = []
    for name, status in statuses.items():
        last = status.last_heartbeat
        age = time.time() - last.timestamp if last else None
        if age is None or not -HEARTBEAT_SECONDS < age < HEARTBEAT_SECONDS:
            silent.append(f"{name} ({'never' if age is None else f'{age:.0f} s ago'})")
    if silent:
        raise OpcoError(
            f"Not well: of the daemon's parts these did not show themselves for {HEARTBEAT_SECONDS} s: "
            f"{', '.join(silent)}.\nIs the daemon running? opco dagster --only daemon"
        )
    if looks_no_more or failed:
        lines = [f"{one.kind} {one.name}: {one.reason}" for one in looks_no_more] + failed
        raise OpcoError("\n".join(["Not well: the daemon shows itself, and begins not all that it should.", *lines]))
    return f"Well: the daemon shows itself, {', '.join(statuses)}"
