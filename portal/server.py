"""Runs the portal until it is told to end."""

from __future__ import annotations

import logging
import sys

import uvicorn

from orchestration.home import Home
from orchestration.settings import Settings
from portal.app import make_app
from portal.listening import listen


def serve(home: Home, settings: Settings, *, host: str, port: int, debug: bool) -> None:
    """Answer the pages of `home` and the links to its files on `host`:`port`, until Ctrl-C or SIGTERM.

    Raises OpcoError when the address cannot be listened on.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    # Dagster's storage tells at each opening that it is as it should be.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app = make_app(home, settings)
    listener = listen(host, port)
    config = uvicorn.Config(
        app,
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
