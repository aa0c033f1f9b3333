"""Sending, with a real server over STARTTLS and a login."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from reports.delivery.smtp import PAUSES, MailServer
from tests.mail import PASSWORD, USER, MailBox, free_port, mail_server
from warehouse.errors import OpcoError


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailBox]:
    with mail_server(tmp_path_factory.mktemp("mail")) as box:
        yield box


@pytest.fixture
def box(running: MailBox) -> MailBox:
    running.refusals.clear()
    running.envelopes.clear()
    running.tries = 0
    return running


def server(box: MailBox, password: str = PASSWORD, authority: Path | None = None) -> MailServer:
    trusted = ssl.create_default_context(cafile=str(authority or box.authority))
    return MailServer("127.0.0.1", box.port, "starttls", USER, password, trusted)


def mail() -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "exports@atelier.fr", "marie@exemple.fr", "Prêt"
    made.set_content("Bonjour")
    return made


def test_a_message_arrives_over_starttls_with_a_login(box: MailBox) -> None:
    server(box).send(mail())

    (envelope,) = box.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("exports@atelier.fr", ["marie@exemple.fr"])
    assert [message["Subject"] for message in box.messages] == ["Prêt"]


def test_a_passing_failure_is_tried_again_with_longer_pauses(box: MailBox) -> None:
    box.refusals += ["451 Try later", "451 Try later"]
    pauses: list[tuple[float, str]] = []

    server(box).send(mail(), pause=lambda seconds, why: pauses.append((seconds, why)))

    assert box.tries == 3
    assert len(box.envelopes) == 1
    assert pauses == [(PAUSES[0], "451 Try later"), (PAUSES[1], "451 Try later")]
    assert list(PAUSES) == sorted(PAUSES)


def test_a_failure_that_stays_is_told(box: MailBox) -> None:
    box.refusals += ["451 Try later"] * 9

    with pytest.raises(OpcoError, match=r"to marie@exemple\.fr could not be sent by 127\.0\.0\.1:\d+: 451 Try later"):
        server(box).send(mail(), pause=lambda *_: None)

    assert box.tries == 1 + len(PAUSES)


def test_a_final_refusal_is_not_tried_again(box: MailBox) -> None:
    box.refusals += ["550 No such user"]

    with pytest.raises(OpcoError, match="550 No such user"):
        server(box).send(mail(), pause=lambda *_: pytest.fail("tried again"))

    assert box.tries == 1


def test_a_wrong_password_is_told_without_it(box: MailBox) -> None:
    with pytest.raises(OpcoError, match="535") as raised:
        server(box, "not the password").send(mail(), pause=lambda *_: pytest.fail("tried again"))

    assert "not the password" not in str(raised.value)
    assert "not the password" not in repr(server(box, "not the password"))


def test_a_certificate_of_somebody_else_is_not_believed(box: MailBox) -> None:
    system_only = MailServer("127.0.0.1", box.port, "starttls", USER, PASSWORD)

    with pytest.raises(OpcoError, match="certificate"):
        system_only.send(mail(), pause=lambda *_: pytest.fail("tried again"))

    assert box.tries == 0


def test_a_closed_port(box: MailBox) -> None:
    pauses: list[float] = []
    closed = MailServer("127.0.0.1", free_port(), "starttls")

    with pytest.raises(OpcoError, match="refused"):
        closed.send(mail(), pause=lambda seconds, _: pauses.append(seconds))

    assert pauses == list(PAUSES)


def test_a_server_without_starttls_gets_neither_password_nor_message(tmp_path: Path) -> None:
    from aiosmtpd.controller import Controller

    heard: list[bytes] = []

    class Plain:
        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
            heard.append(b"data")
            return "250 OK"

    controller = Controller(Plain(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        plain = MailServer("127.0.0.1", controller.port, "starttls", USER, PASSWORD)
        with pytest.raises(OpcoError, match="STARTTLS"):
            plain.send(mail(), pause=lambda *_: pytest.fail("tried again"))
    finally:
        controller.stop()

    assert heard == []
