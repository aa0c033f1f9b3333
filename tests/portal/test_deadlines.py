"""Connections that never end a request are closed; all others are served as ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect

from portal.deadlines import PromptProtocol

HEAD = b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"


class Hurried(PromptProtocol):
    HEAD_SECONDS = 0.3
    BODY_SECONDS = 0.3


async def length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    while True:
        await socket.send_text(await socket.receive_text())


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    app = Starlette(routes=[Route("/length", length, methods=["GET", "POST"]), WebSocketRoute("/echo", echo)])
    server = uvicorn.Server(uvicorn.Config(app, http=Hurried, lifespan="off", log_config=None, timeout_keep_alive=60))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()
        server.should_exit = True
        thread.join()


def opened(address: tuple[str, int]) -> socket.socket:
    return socket.create_connection(address, timeout=30)


@pytest.mark.parametrize("sent", [b"", b"G", HEAD, HEAD + b"\r\n", HEAD + b"\r\nabc"])
def test_a_request_that_does_not_end_ends_its_connection(address: tuple[str, int], sent: bytes) -> None:
    with opened(address) as one:
        one.sendall(sent)
        # Without a deadline the server would wait, and this time out.
        assert one.recv(1000) == b""


def test_a_second_request_has_its_own_deadline(address: tuple[str, int]) -> None:
    with opened(address) as one:
        for _ in range(3):
            one.sendall(HEAD + b"\r\nabcd")
            answer = b""
            while not answer.endswith(b"\r\n\r\n4"):
                part = one.recv(1000)
                assert part, answer
                answer += part
        one.sendall(HEAD)
        assert one.recv(1000) == b""


def test_a_socket_stays_open(address: tuple[str, int]) -> None:
    with connect(f"ws://127.0.0.1:{address[1]}/echo") as one:
        threading.Event().wait(1)
        one.send("still there")
        assert one.recv(timeout=30) == "still there"
