"""Runs the portal until it is told to end."""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn

from orchestration.home.paths import Home, open_to_others
from orchestration.home.settings import Settings
from orchestration.runs.json_logs import log_as_json
from portal.app import make_app
from portal.deadlines import PromptProtocol
from warehouse.errors import OpcoError


def serve(home: Home, settings: Settings, *, host: str, port: int, debug: bool) -> None:
    """Answer the pages of `home` and the links to its files on `host`:`port`, until Ctrl-C or SIGTERM.

    Raises OpcoError when the address cannot be listened on.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    if settings.logs.format == "json":
        log_as_json()
    # Dagster's storage tells at each opening that it is as it should be.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if warning := open_to_others(home):
        logging.getLogger("portal").warning("%s", warning)
    app = make_app(home, settings)
    listener = listen(host, port)
    config = uvicorn.Config(
        app,
        http=PromptProtocol,
        # Its own log of requests would keep the links, which are keys.
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        # The application knows which proxies are trusted.
        proxy_headers=False,
    )
    sys.stderr.write(f"{settings.portal.base_url} is answered at http://{host}:{port}; Ctrl-C ends it.\n")
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host`:`port`. Raises OpcoError when it cannot, as when another one does."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OpcoError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}\nName another --port or --host."
        ) from error
