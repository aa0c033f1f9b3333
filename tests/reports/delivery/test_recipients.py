"""Who may receive a message, and what is no address."""

from __future__ import annotations

import pytest

from reports.delivery.recipients import checked_address, checked_recipients
from warehouse.errors import UserError

ALLOWED = ("exemple.fr", "@formation.exemple.org", "Marie.Curie@ailleurs.fr")


@pytest.mark.parametrize(
    "address", ["a@exemple.fr", "A.B+c@EXEMPLE.fr", "x@formation.exemple.org", "marie.curie@ailleurs.fr"]
)
def test_allowed_addresses_and_domains(address: str) -> None:
    (checked,) = checked_recipients([address, address], ALLOWED)

    assert checked.lower() == address.lower()


@pytest.mark.parametrize(
    "address",
    ["a@exemple.fr.evil.org", "a@sub.exemple.fr", "a@evilexemple.fr", "autre@ailleurs.fr", "exemple.fr@evil.org"],
)
def test_others_are_refused(address: str) -> None:
    with pytest.raises(UserError, match=r"may not receive exports.*email\.allowed_recipients") as raised:
        checked_recipients(["ok@exemple.fr", address], ALLOWED)

    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "exemple.fr",
        "a@exemple.fr, b@exemple.fr",
        "a@exemple.fr\r\nBcc: b@evil.org",
        "a@exemple.fr\nb@exemple.fr",
        "Marie <a@exemple.fr>",
        '"a b"@exemple.fr',
        "a@exemple.fr\0",
        "a@[127.0.0.1]",
        "a b@exemple.fr",
        "é@exemple.fr",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UserError, match="is no e-mail address"):
        checked_address(text, "The recipient")


def test_nobody_is_allowed_by_default() -> None:
    with pytest.raises(UserError, match="may not receive"):
        checked_recipients(["a@exemple.fr"], ())
