"""A real mail server for tests: SMTP over STARTTLS, with a certificate of its own and a login."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "opco", "correct horse battery staple"


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@dataclass
class MailBox:
    """What the server took, and how it answers: `refusals` are given to the messages that come next."""

    port: int = 0
    authority: Path = Path()
    refusals: list[str] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    tries: int = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert session.ssl is not None
        assert session.authenticated
        self.tries += 1
        if self.refusals:
            return self.refusals.pop(0)
        self.envelopes.append(envelope)
        return "250 OK"

    @property
    def messages(self) -> list[EmailMessage]:
        contents = (envelope.content for envelope in self.envelopes)
        return [
            email.message_from_bytes(content, policy=email.policy.default)
            for content in contents
            if isinstance(content, bytes)
        ]


@contextmanager
def mail_server(folder: Path) -> Iterator[MailBox]:
    """Run the server on a free port of 127.0.0.1; `folder` gets the certificate to trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    box = MailBox(authority=folder / "authority.pem")
    authority.cert_pem.write_to_path(str(box.authority))

    def log_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=given, handled=False)

    box.port = free_port()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=box.port,
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=log_in,
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
