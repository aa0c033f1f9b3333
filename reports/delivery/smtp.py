"""Sends messages by SMTP, always encrypted; what fails for a moment is tried again."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal

from warehouse.errors import OpcoError

PAUSES = (2.0, 8.0, 30.0)
"""Seconds before the second, third and fourth try."""
TIMEOUT_SECONDS = 30.0


def _wait(seconds: float, reason: str) -> None:
    del reason
    time.sleep(seconds)


@dataclass(frozen=True)
class MailServer:
    """A mail server and how to log in there. `trusted` are the certificates to believe; default: the system's."""

    host: str
    port: int
    security: Literal["starttls", "tls"]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    trusted: ssl.SSLContext | None = None

    def send(
        self,
        message: EmailMessage,
        *,
        pauses: tuple[float, ...] = PAUSES,
        pause: Callable[[float, str], None] = _wait,
    ) -> None:
        """Send `message` to its only recipient. `pause` is called before another try: for how long, and why.

        Raises OpcoError when the server refuses it for good (5xx), or still fails after the last try.
        """
        for seconds in (*pauses, None):
            try:
                self._try_once(message)
            except (OSError, smtplib.SMTPException) as error:
                if seconds is not None and _may_pass(error):
                    pause(seconds, _said(error))
                    continue
                raise OpcoError(
                    f"The message to {message['To']} could not be sent by {self.host}:{self.port}: {_said(error)}\n"
                    "Check the settings in [email] and that the server can be reached, then send it again."
                ) from error
            return

    def _try_once(self, message: EmailMessage) -> None:
        context = self.trusted or ssl.create_default_context()
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password or "")
            server.send_message(message)
        finally:
            # Once the message is taken, a server that dies before the farewell has it all the same.
            with suppress(OSError, smtplib.SMTPException):
                server.quit()


def _may_pass(error: OSError | smtplib.SMTPException) -> bool:
    """Tell whether another try can help: not after a final refusal, nor against a certificate that is not trusted."""
    if isinstance(error, (ssl.SSLCertVerificationError, smtplib.SMTPNotSupportedError)):
        return False
    return not any(500 <= code < 600 for code in _codes(error))


def _codes(error: Exception) -> list[int]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = [f"{code} {text.decode(errors='replace')}" for code, text in error.recipients.values()]
        return "; ".join(answers)
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    return str(error) or type(error).__name__
