"""Runs the portal until it is told to end."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import uvicorn

from portal.app import make_app
from portal.listening import listen
from reports.delivery.links import Signer
from reports.delivery.store import DeliveryStore


def serve(deliveries: Path, secret: str, base_url: str, *, host: str, port: int, debug: bool) -> None:
    """Answer the links to what lies in `deliveries` on `host`:`port`, until Ctrl-C or SIGTERM.

    Raises OpcoError when the address cannot be listened on.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    app = make_app(DeliveryStore(deliveries), Signer(secret), base_url)
    listener = listen(host, port)
    # Its own log of requests would keep the links, which are keys.
    config = uvicorn.Config(app, access_log=False, log_config=None, log_level="warning", server_header=False)
    sys.stderr.write(f"Links under {base_url} are answered at http://{host}:{port}; Ctrl-C ends it.\n")
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
