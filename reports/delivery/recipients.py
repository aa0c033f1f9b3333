"""Who may receive a message."""

from __future__ import annotations

from collections.abc import Iterable

from email_validator import EmailNotValidError, validate_email

from warehouse.errors import UserError


def checked_address(text: str, what: str) -> str:
    """Return the one e-mail address that `text` is, its domain in small letters.

    Raises UserError for anything else: two addresses, a name beside it, a line break. `what` is what asked for it.
    """
    try:
        # Nobody is asked whether the domain exists: the setting says whom to trust.
        found = validate_email(
            text.strip(), check_deliverability=False, globally_deliverable=False, allow_smtputf8=False
        )
    except EmailNotValidError as error:
        raise UserError(f"{what} {text!r} is no e-mail address: {error}") from error
    return str(found.ascii_email or found.normalized)


def checked_recipients(addresses: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """Return `addresses`, each once, when all of them may receive a message.

    `allowed` are addresses, compared in any case, and domains (`exemple.fr`, or `@exemple.fr`) for the addresses in
    them, not for those in their sub-domains. Raises UserError naming the first address that is none or not allowed.
    """
    permitted = {one.lower().removeprefix("@") for one in allowed}
    checked = dict.fromkeys(checked_address(address, "The recipient") for address in addresses)
    for address in checked:
        if address.lower() not in permitted and address.rpartition("@")[2].lower() not in permitted:
            raise UserError(
                f"{address} may not receive exports. Add the address or its domain to the setting "
                "email.allowed_recipients, if it should."
            )
    return tuple(checked)
