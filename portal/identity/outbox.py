"""The messages that carry sign-in links, sent out of sight of who asked for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from orchestration.home.mail import mail_server
from orchestration.home.settings import Settings
from reports.delivery.message import addressed, one_line
from reports.delivery.recipients import checked_address
from reports.delivery.smtp import MailServer

logger = logging.getLogger("portal")

WAITING = 100
"""Messages that may wait; beyond them, the mail server is not answering, and more would not help."""


class Outbox:
    """Does what is handed in, in order, in two threads of its own.

    Not in those of the pages: a mail server that hangs must not slow a page down, nor tell by it who is known.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="outbox")
        self._room = threading.BoundedSemaphore(WAITING)
        self._lock = threading.Lock()
        self._pending: set[Future[None]] = set()

    def add(self, work: Callable[[], None]) -> None:
        """Do `work` soon; what fails is logged."""
        if not self._room.acquire(blocking=False):
            logger.error("%d messages wait already: one more is dropped", WAITING)
            return
        with self._lock:
            self._pending = {one for one in self._pending if not one.done()}
            self._pending.add(self._threads.submit(self._do, work))

    def wait(self) -> None:
        """Wait until everything handed in so far is done."""
        with self._lock:
            pending = set(self._pending)
        wait(pending)

    def finish(self) -> None:
        """Wait until everything handed in is done; then nothing more is taken."""
        self._threads.shutdown(wait=True)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            logger.exception("a sign-in message could not be sent")
        finally:
            self._room.release()


@dataclass(frozen=True)
class SignInMail:
    """How a link is sent."""

    server: MailServer
    sender: str
    organisation: str | None

    @classmethod
    def of(cls, settings: Settings) -> SignInMail | None:
        """Return what sends links, or None where no mail server is set. Raises UserError for half of one."""
        email = settings.email
        if not email.host or not email.sender:
            return None
        return cls(*mail_server(settings, "send sign-in links by e-mail", {}), settings.organisation.name)

    def send(self, recipient: str, subject: str, text: str) -> None:
        """Send `text` to one address of the LMS or of the settings. Errors as `MailServer.send`, UserError for none."""
        mail = addressed(one_line(subject), self.sender, checked_address(recipient, "The address of a user"))
        mail.set_content(text, cte="quoted-printable")
        self.server.send(mail)
