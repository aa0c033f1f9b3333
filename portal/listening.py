"""Addresses to listen on."""

from __future__ import annotations

import socket

from warehouse.errors import OpcoError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on `host`:`port`. Raises OpcoError when it cannot, as when another one does."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OpcoError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}\nName another --port or --host."
        ) from error
