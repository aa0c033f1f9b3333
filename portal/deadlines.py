"""Connections that do not come to the point: the server waits for a request's head and body only so long."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class PromptProtocol(H11Protocol):
    """HTTP/1.1 whose requests come in time: a connection that keeps the server waiting for longer is closed.

    Without it uvicorn keeps a connection whose request never ends for ever, and a few hundred take all its descriptors.
    """

    HEAD_SECONDS: ClassVar[float] = 15
    """From the connection, or the answer before, to the end of a request's head."""
    BODY_SECONDS: ClassVar[float] = 120
    """From there to the end of its body: two images over a slow line."""

    _deadline: asyncio.TimerHandle | None = None
    _awaited = "nothing"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await("head")

    def data_received(self, data: bytes) -> None:
        """Take what came in, and look what is still to come."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the connection to the protocol of sockets."""
        self._await("nothing")
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._await("nothing")
        super().connection_lost(exc)

    def _look(self) -> None:
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._await("nothing")
        elif self.cycle is None or self.cycle.response_complete:
            self._await("head")
        else:
            self._await("body" if self.conn.their_state is h11.SEND_BODY else "nothing")

    def _await(self, what: str) -> None:
        if what == self._awaited:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        seconds = {"head": self.HEAD_SECONDS, "body": self.BODY_SECONDS}.get(what)
        self._awaited = what
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.close)
