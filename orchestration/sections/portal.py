"""Settings of the portal, and of the mail server that sends its links."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from orchestration.sections.kinds import ALLOWED, SECRET, Secret, Section, Text, Whole, Words

SECRET_CHARACTERS = 32


def _public_address(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("no address of a web server")
    if not url.isascii() or not url.isprintable() or any(character in url for character in ' "<>\\^`{|}'):
        raise ValueError("no address of a web server")
    return url.rstrip("/")


def _provider_address(url: str | None) -> str | None:
    address = _public_address(url)
    if address and address.startswith("http://") and urlsplit(address).hostname not in ("localhost", "127.0.0.1"):
        raise ValueError("a provider that is not on this machine is asked over https:// only")
    return address


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(secret.get_secret_value()) < SECRET_CHARACTERS:
        raise ValueError(
            "too short to be safe; python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes one"
        )
    return secret


def _addresses(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not word.isascii() or not re.fullmatch(r"[^@<>,;]+@[^@<>,;]+", word):
            raise ValueError(f"{word!r} is no e-mail address")
    return words


def _networks(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        ipaddress.ip_network(word)
    return words


def _with_openid(words: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in words:
        raise ValueError("openid is not among them")
    return words


class EmailSettings(Section):
    """The mail server that sends links to export files, and who may receive one."""

    host: Text = Field(
        default=None,
        description="Mail server that sends the messages (SMTP).",
        json_schema_extra={ALLOWED: "a host name"},
    )
    port: Annotated[Whole, Field(ge=1, le=65535)] = Field(
        default=587, description="Its port.", json_schema_extra={ALLOWED: "a whole number from 1 to 65535"}
    )
    security: Literal["starttls", "tls"] = Field(
        default="starttls",
        description="How the connection is encrypted: STARTTLS (port 587) or TLS from the start (port 465).",
        json_schema_extra={ALLOWED: "starttls, tls"},
    )
    user: Text = Field(
        default=None,
        description="User name at the mail server; none for no login.",
        json_schema_extra={ALLOWED: "text"},
    )
    password: Secret = Field(
        default=None,
        description="Password at the mail server; taken from the environment only.",
        json_schema_extra={ALLOWED: "text", SECRET: True},
    )
    sender: Text = Field(
        default=None,
        description="Address that the messages come from.",
        json_schema_extra={ALLOWED: "an e-mail address"},
    )
    allowed_recipients: Words = Field(
        default=(),
        description="Who may receive a link: addresses, and domains for every address in them.",
        json_schema_extra={ALLOWED: "a list of addresses and domains"},
    )


class PortalSettings(Section):
    """The web server that answers the links."""

    base_url: Annotated[Text, AfterValidator(_public_address)] = Field(
        default=None,
        description="Address under which recipients reach `opco serve`, such as https://opco.exemple.fr.",
        json_schema_extra={ALLOWED: "an address that begins with https:// or http://"},
    )
    link_days: Annotated[Whole, Field(ge=1, le=90)] = Field(
        default=7,
        description="Days after which a link expires and its copy of the file is deleted.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 90"},
    )
    secret: Annotated[Secret, AfterValidator(_long_enough)] = Field(
        default=None,
        description="Key that signs the links; taken from the environment only. Another key kills all links.",
        json_schema_extra={ALLOWED: f"{SECRET_CHARACTERS} characters or more", SECRET: True},
    )
    administrators: Annotated[Words, AfterValidator(_addresses)] = Field(
        default=(),
        description="Who sees all sessions on the portal; everybody else sees those they instruct.",
        json_schema_extra={ALLOWED: "a list of e-mail addresses"},
    )
    sign_in_links: bool = Field(
        default=True,
        description="Whether people sign in by a link sent to their address, if a mail server is set.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    session_hours: Annotated[Whole, Field(ge=1, le=168)] = Field(
        default=12,
        description="Hours after which everybody signs in again.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 168 (a week)"},
    )
    idle_minutes: Annotated[Whole, Field(ge=5, le=1440)] = Field(
        default=60,
        description="Minutes without a page after which people sign in again.",
        json_schema_extra={ALLOWED: "a whole number from 5 to 1440 (a day)"},
    )
    trusted_proxies: Annotated[Words, AfterValidator(_networks)] = Field(
        default=("127.0.0.1", "::1"),
        description="Proxies whose X-Forwarded-For is believed.",
        json_schema_extra={ALLOWED: "a list of IP addresses and networks"},
    )
    openid_issuer: Annotated[Text, AfterValidator(_provider_address)] = Field(
        default=None,
        description="OpenID Connect provider by which people sign in, such as https://login.exemple.fr.",
        json_schema_extra={ALLOWED: "an address that begins with https:// (http:// on this machine alone)"},
    )
    openid_client_id: Text = Field(
        default=None, description="The portal's name at the provider.", json_schema_extra={ALLOWED: "text"}
    )
    openid_client_secret: Secret = Field(
        default=None,
        description="The portal's password at the provider; taken from the environment only.",
        json_schema_extra={ALLOWED: "text", SECRET: True},
    )
    openid_scopes: Annotated[Words, AfterValidator(_with_openid)] = Field(
        default=("openid", "email", "profile"),
        description="What is asked of the provider; the claims email and email_verified must come of it.",
        json_schema_extra={ALLOWED: "a list of scopes, openid among them"},
    )
