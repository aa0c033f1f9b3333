"""Dagster's web server, with our guard before it, and its daemon: `python -m` this module, a process each."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.runs.json_logs import log_as_json
from portal.deadlines import PromptProtocol

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
METHODS = frozenset({"GET", "HEAD", "POST"})
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.IGNORECASE)


class DagsterGuard:
    """Lets through what Dagster's own pages ask, and answers everything else with a 4xx.

    `hosts` are the names and addresses under which the pages are reached, beside those of this machine. Only POST
    changes anything, with a body of JSON, from a page of the same origin: no page of another site can send that in the
    name of who visits it. Nothing that GraphQL can say is weighed, so no spelling of a mutation gets by.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in (*THIS_MACHINE, *hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        kind = scope["type"]
        refusal = self._refusal(scope) if kind in ("http", "websocket") else None
        if refusal is not None and kind == "websocket":
            # Before it is accepted: the server answers with 403.
            await WebSocketClose(1008, refusal[1])(scope, receive, send)
        elif refusal is not None:
            status, words = refusal
            allow = {"Allow": "POST"} if status == 405 else None
            await PlainTextResponse(f"{words}\n", status, headers=allow)(scope, receive, send)
        else:
            await self.app(scope, receive, _unframed(send) if kind == "http" else send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and the words of a request that is not let through."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        said = HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if said is None or (said[1] or said[2]).lower() not in self.hosts:
            return 400, "Dagster's pages are not reached by this name. The setting dagster.allowed_hosts lists them."
        if scope["type"] == "websocket":
            # Browsers do not agree on Sec-Fetch-Site here, but all of them say the origin.
            if not _is_own(headers.getlist("origin"), hosts[0]):
                return 403, "Another site asked."
            return None
        if scope["method"] not in METHODS:
            return 405, "Dagster's pages are read by GET; only POST changes anything."
        if scope["method"] != "POST":
            # The page to type queries in has no query in its address; Dagster would carry out what an address holds.
            if "graphql" in scope["path"].lower() and scope["query_string"]:
                return 405, "GraphQL is asked by POST alone."
            return None
        types = headers.getlist("content-type")
        if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
            return 415, "Only application/json is taken."
        sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
        if not (sites or origins) or any(site != "same-origin" for site in sites):
            return 403, "Another site asked, or nobody says which."
        if origins and not _is_own(origins, hosts[0]):
            return 403, "Another site asked."
        return None


def _is_own(origins: list[str], host: str) -> bool:
    """Tell whether a browser says that a page of `host` asks. A proxy may have ended its TLS, so the scheme is open."""
    if len(origins) != 1:
        return False
    scheme, separator, name = origins[0].lower().partition("://")
    return bool(separator) and scheme in ("http", "https") and name == host.lower()


def _unframed(send: Send) -> Send:
    """Return a `send` whose answers no other site shows in a frame, where a click could be led to its buttons."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Frame-Options", "SAMEORIGIN")
        await send(message)

    return send_unframed


def hosts_of(listening: str, allowed: Collection[str]) -> list[str]:
    """Return the hosts of a server that listens on the address `listening`, those of the setting among them."""
    return [*allowed, *([] if listening in ("0.0.0.0", "::", "") else [listening])]  # noqa: S104 - not listened on


CODE = "orchestration.definitions"
# A page waits no longer for a database than Dagster's own command has it wait.
STATEMENT_MILLISECONDS = 15_000


def serve_pages(host: str, port: int, hosts: Collection[str], log_level: str) -> None:
    """Answer Dagster's pages of the home that OPCO_HOME names, from the instance in DAGSTER_HOME, until told to end."""
    import dagster as dg

    from orchestration.runs.dagster_internals import pages_app

    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(STATEMENT_MILLISECONDS, pool_recycle=3600, max_overflow=20)
        with pages_app(instance, CODE, log_level) as app:
            uvicorn.run(
                DagsterGuard(app, hosts),
                host=host,
                port=port,
                http=PromptProtocol,
                log_config=None,
                log_level="warning",
                server_header=False,
            )


def main() -> None:
    """Run one of the two until it is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("webserver", "daemon"))
    for name, kind in (("--host", str), ("--port", int), ("--log-level", str)):
        parser.add_argument(name, type=kind, required=True)
    options = parser.parse_args()
    settings = load_settings(Home.find())
    if settings.logs.format == "json":
        # Before Dagster is loaded, whose loggers are then ours from the start.
        log_as_json()
    if options.part == "webserver":
        hosts = hosts_of(options.host, settings.dagster.allowed_hosts)
        serve_pages(options.host, options.port, hosts, options.log_level)
    else:
        from orchestration.runs.dagster_internals import run_daemon

        run_daemon(CODE, options.log_level)


if __name__ == "__main__":
    main()
