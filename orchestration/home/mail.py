"""The mail server as the settings say it."""

from __future__ import annotations

from collections.abc import Mapping

from orchestration.home.settings import Settings
from reports.delivery.recipients import checked_address
from reports.delivery.smtp import MailServer
from warehouse.errors import UserError


def mail_server(settings: Settings, purpose: str, also: Mapping[str, object]) -> tuple[MailServer, str]:
    """Return the mail server of [email], and the address that messages come from.

    Raises UserError when a setting that this needs, or one of `also` (values by name), is missing; it says for which
    `purpose`.
    """
    email = settings.email
    needed = {"email.host": email.host, "email.sender": email.sender, **also}
    if email.user:
        needed["email.password (variable OPCO_EMAIL__PASSWORD)"] = email.password
    missing = [name for name, value in needed.items() if not value]
    if missing or not email.host or not email.sender:
        raise UserError(f"To {purpose}, these settings are needed: {', '.join(missing)}.")
    password = email.password.get_secret_value() if email.password else None
    return (
        MailServer(email.host, email.port, email.security, email.user, password),
        checked_address(email.sender, "The setting email.sender"),
    )
