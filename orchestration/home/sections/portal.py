"""Settings of the portal, and of the mail server that sends its links."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from orchestration.home.sections.kinds import Addresses, Secret, Section, Size, Whole, Words, bytes_of
from reports.kinds import Allowed, Text

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


def _is_this_machine(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return (host or "").split(".")[-1] == "localhost"


def _protected(url: str | None, info: ValidationInfo) -> str | None:
    is_readable = url is not None and url.startswith("http://") and not _is_this_machine(urlsplit(url).hostname)
    # Absent where it is itself no truth value, which has an error of its own.
    if is_readable and not info.data.get("plain_http", True):
        raise ValueError(
            "over http:// whoever listens on the way can read links and cookies, which are keys; put a proxy with TLS "
            "before it, or say plain_http = true beside it"
        )
    return url


def _provider_address(url: str | None) -> str | None:
    address = _public_address(url)
    if address and address.startswith("http://") and not _is_this_machine(urlsplit(address).hostname):
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

    host: Annotated[Text, Allowed("a host name")] = Field(
        default=None, description="Mail server that sends the messages (SMTP)."
    )
    port: Annotated[Whole, Field(ge=1, le=65535)] = Field(default=587, description="Its port.")
    security: Literal["starttls", "tls"] = Field(
        default="starttls",
        description="How the connection is encrypted: STARTTLS (port 587) or TLS from the start (port 465).",
    )
    user: Text = Field(default=None, description="User name at the mail server; none for no login.")
    password: Secret = Field(default=None, description="Password at the mail server; taken from the environment only.")
    sender: Annotated[Text, Allowed("an e-mail address")] = Field(
        default=None, description="Address that the messages come from."
    )
    allowed_recipients: Annotated[Words, Allowed("a list of addresses and domains")] = Field(
        default=(), description="Who may receive a link: addresses, and domains for every address in them."
    )


class PortalSettings(Section):
    """The web server that answers the links."""

    plain_http: bool = Field(
        default=False,
        description="Whether base_url may begin with http:// where it is not this machine: keys then travel readable.",
    )
    base_url: Annotated[
        Text,
        AfterValidator(_public_address),
        AfterValidator(_protected),
        Allowed("an address that begins with https:// or http://"),
    ] = Field(
        default=None, description="Address under which recipients reach `opco serve`, such as https://opco.exemple.fr."
    )
    link_days: Annotated[Whole, Field(ge=1, le=90)] = Field(
        default=7, description="Days after which a link expires and its copy of the file is deleted."
    )
    secret: Annotated[Secret, AfterValidator(_long_enough), Allowed(f"{SECRET_CHARACTERS} characters or more")] = Field(
        default=None,
        description="Key that signs the links; taken from the environment only. Another key kills all links.",
    )
    administrators: Annotated[Addresses, AfterValidator(_addresses)] = Field(
        default=(), description="Who sees all sessions on the portal; everybody else sees those they instruct."
    )
    sign_in_links: bool = Field(
        default=True, description="Whether people sign in by a link sent to their address, if a mail server is set."
    )
    session_hours: Annotated[Whole, Field(ge=1, le=168), Allowed("{} (a week)")] = Field(
        default=12, description="Hours after which everybody signs in again."
    )
    idle_minutes: Annotated[Whole, Field(ge=5, le=1440), Allowed("{} (a day)")] = Field(
        default=60, description="Minutes without a page after which people sign in again."
    )
    trusted_proxies: Annotated[Words, AfterValidator(_networks), Allowed("a list of IP addresses and networks")] = (
        Field(default=("127.0.0.1", "::1"), description="Proxies whose X-Forwarded-For is believed.")
    )
    openid_issuer: Annotated[
        Text,
        AfterValidator(_provider_address),
        Allowed("an address that begins with https:// (http:// on this machine alone)"),
    ] = Field(
        default=None, description="OpenID Connect provider by which people sign in, such as https://login.exemple.fr."
    )
    openid_client_id: Text = Field(default=None, description="The portal's name at the provider.")
    openid_client_secret: Secret = Field(
        default=None, description="The portal's password at the provider; taken from the environment only."
    )
    openid_vouches_for_all: bool = Field(
        default=False,
        description="Whether the provider's addresses count as verified where it sends no email_verified.",
    )
    openid_scopes: Annotated[Words, AfterValidator(_with_openid), Allowed("a list of scopes, openid among them")] = (
        Field(
            default=("openid", "email", "profile"),
            description="What is asked of the provider; the claims email and email_verified must come of it.",
        )
    )


class RunSettings(Section):
    """What a run that somebody asked for on a page may use; beyond it, it ends, and is not begun again."""

    minutes: Annotated[Whole, Field(ge=1, le=1440), Allowed("{} (a day)")] = Field(
        default=60, description="Minutes for which a run that was asked for on a page may be at work; then it ends."
    )
    memory: Size = Field(
        default="8GB", description="Memory that all processes of such a run may take together; beyond it, it ends."
    )

    @property
    def seconds(self) -> int:
        """The minutes in seconds."""
        return 60 * self.minutes

    @property
    def bytes(self) -> int:
        """The memory in bytes."""
        return bytes_of(self.memory)
