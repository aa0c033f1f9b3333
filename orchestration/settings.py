"""Typed settings: command option, then environment, then `opco.toml`, then default.

The defaults of the rules stand once, as vars in `dbt_project.yml`; those of everything else stand here.
"""

from __future__ import annotations

import difflib
import importlib.resources
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from orchestration.dbt_process import LOCK_VARIABLE, STARTED_BY_VARIABLE
from orchestration.home import HOME_VARIABLE, IDENTITY_VARIABLE, Home
from orchestration.named_exports import NamedExport, read_named_exports
from orchestration.times import checked_time
from warehouse.errors import OpcoError, UserError
from warehouse.project import PROJECT_DIR

PREFIX = "OPCO_"
# Set by `opco` itself for dbt's profile; a value from outside has no effect.
BUILD_FILE_VARIABLE = "OPCO_BUILD_FILE"
THREADS_VARIABLE = "OPCO_THREADS"
MEMORY_LIMIT_VARIABLE = "OPCO_MEMORY_LIMIT"
# The folder that holds secrets as files.
SECRETS_VARIABLE = "OPCO_SECRETS"
OWN_VARIABLES = (
    HOME_VARIABLE,
    IDENTITY_VARIABLE,
    SECRETS_VARIABLE,
    BUILD_FILE_VARIABLE,
    THREADS_VARIABLE,
    MEMORY_LIMIT_VARIABLE,
    STARTED_BY_VARIABLE,
    LOCK_VARIABLE,
)

Origin = Literal["option", "environment", "opco.toml", "default"]


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _none_as_word(value: object) -> object:
    # TOML has no null, and a variable must be able to take back what opco.toml sets.
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _blank_as_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _words(value: object) -> object:
    # A variable is one text: its words are parted by commas or blanks.
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _public_address(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("no address of a web server")
    if not url.isascii() or not url.isprintable() or any(character in url for character in ' "<>\\^`{|}'):
        raise ValueError("no address of a web server")
    return url.rstrip("/")


def _database(url: str | None) -> str | None:
    if url is None or url.lower() == "none":
        return None
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError as error:
        raise ValueError("no address of a database") from error
    if parts.scheme != "postgresql" or not parts.path.strip("/"):
        raise ValueError("no address of a PostgreSQL database with its name")
    if password is not None or "password" in parts.query:
        raise ValueError("the password does not belong in it: it stands in OPCO_DAGSTER__POSTGRES_PASSWORD")
    return url


def _long_enough(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and len(secret.get_secret_value()) < SECRET_CHARACTERS:
        raise ValueError(
            "too short to be safe; python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes one"
        )
    return secret


def _provider_address(url: str | None) -> str | None:
    address = _public_address(url)
    if address and address.startswith("http://") and urlsplit(address).hostname not in ("localhost", "127.0.0.1"):
        raise ValueError("a provider that is not on this machine is asked over https:// only")
    return address


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


def _known_zone(name: str) -> str:
    zones = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    if name not in zones:
        near = difflib.get_close_matches(name, zones, n=3, cutoff=0.5)
        raise ValueError("no time zone of the IANA list" + (f"; nearest: {', '.join(near)}" if near else ""))
    return name


Minutes = Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=525_600)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Text = Annotated[
    Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] | None, BeforeValidator(_blank_as_none)
]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
Secret = Annotated[SecretStr | None, BeforeValidator(_blank_as_none)]
ALLOWED = "allowed"
SECRET = "secret"  # noqa: S105 - the mark, not a secret
"""Marks a setting that only the environment may give, and that nothing ever shows."""
SECRET_CHARACTERS = 32
HIDDEN = "(set, not shown)"
# The table of tables in opco.toml that holds defaults of single program sessions.
SESSIONS = "sessions"


class Section(BaseModel):
    """One table of `opco.toml`."""

    # What was wrong is told by this module, which keeps secrets to itself.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class RuleSettings(Section):
    """The settings of the rules of time; they reach dbt as vars of the same names."""

    inactivity_timeout_minutes: Minutes = Field(
        description="Longest silence inside one stay, where the LMS gives events without marks of their end (T3).",
        json_schema_extra={ALLOWED: "whole minutes, 1 to 525600 (a year)"},
    )
    max_connection_minutes: Annotated[Minutes | None, BeforeValidator(_none_as_word)] = Field(
        description="Cap on one connection: what is beyond it does not count (T5).",
        json_schema_extra={ALLOWED: "whole minutes, 1 to 525600 (a year), or none for no cap"},
    )
    long_connection_minutes: Minutes = Field(
        description="A connection longer than this gets the flag long_connection (T7).",
        json_schema_extra={ALLOWED: "whole minutes, 1 to 525600 (a year)"},
    )
    raw_timezone: Zone = Field(
        description="Time zone of raw instants that carry no offset.",
        json_schema_extra={ALLOWED: "a name of the IANA list, such as Europe/Paris"},
    )
    display_timezone: Zone = Field(
        description="Time zone in which people read days and hours.",
        json_schema_extra={ALLOWED: "a name of the IANA list, such as Europe/Paris"},
    )


class OrganisationSettings(Section):
    """What every attestation says of the training organisation, unless told otherwise."""

    name: Text = Field(
        default=None, description="Name of the training organisation.", json_schema_extra={ALLOWED: "text"}
    )
    legal_representative: Text = Field(
        default=None, description="Who signs: the legal representative's name.", json_schema_extra={ALLOWED: "text"}
    )
    capacity: Text = Field(
        default=None, description="In which capacity, such as Directrice.", json_schema_extra={ALLOWED: "text"}
    )
    place: Text = Field(default=None, description="Place of signing.", json_schema_extra={ALLOWED: "text"})
    training_duration: Text = Field(
        default=None,
        description="Duration of training sessions, printed as typed.",
        json_schema_extra={ALLOWED: "text"},
    )
    footer: Text = Field(
        default=None, description="Text at the foot of every page.", json_schema_extra={ALLOWED: "text"}
    )
    logo: Text = Field(
        default=None,
        description="Image of the letterhead, in the home's folder assets/.",
        json_schema_extra={ALLOWED: "file name (PNG, JPEG or SVG)"},
    )
    stamp: Text = Field(
        default=None,
        description="Image of the stamp and signature, in the home's folder assets/.",
        json_schema_extra={ALLOWED: "file name (PNG, JPEG or SVG)"},
    )
    language: Literal["fr", "en"] = Field(
        default="fr", description="Language of the attestations.", json_schema_extra={ALLOWED: "fr, en"}
    )


class AttestationSettings(Section):
    """How attestations are made."""

    processes: Annotated[
        int | None, BeforeValidator(_none_as_word), BeforeValidator(_no_truth_value), Field(ge=1, le=256)
    ] = Field(
        default=None,
        description="Processes that make the documents side by side; none for one a core.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 256, or none"},
    )
    offered: bool = Field(
        default=True,
        description="Whether the portal lets instructors make attestations.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    contact: Text = Field(
        default=None,
        description="Whom to ask for attestations where the portal does not make them.",
        json_schema_extra={ALLOWED: "text"},
    )


class ExportSettings(Section):
    """How export files are written, unless told otherwise."""

    format: Literal["csv", "xlsx", "parquet"] = Field(
        default="csv", description="File format.", json_schema_extra={ALLOWED: "csv, xlsx, parquet"}
    )
    dialect: Literal["excel", "rfc4180"] = Field(
        default="excel",
        description="CSV dialect: excel (semicolon, BOM) or rfc4180 (comma, no BOM).",
        json_schema_extra={ALLOWED: "excel, rfc4180"},
    )
    language: Literal["en", "fr"] = Field(
        default="en", description="Language of the header.", json_schema_extra={ALLOWED: "en, fr"}
    )


class EmailSettings(Section):
    """The mail server that sends links to export files, and who may receive one."""

    host: Text = Field(
        default=None,
        description="Mail server that sends the messages (SMTP).",
        json_schema_extra={ALLOWED: "a host name"},
    )
    port: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=65535)] = Field(
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
    link_days: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=90)] = Field(
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
    session_hours: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=168)] = Field(
        default=12,
        description="Hours after which everybody signs in again.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 168 (a week)"},
    )
    idle_minutes: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=5, le=1440)] = Field(
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


class BuildSettings(Section):
    """Where a build takes its data from, and how much of the machine it may use."""

    raw_folder: Text = Field(
        default=None,
        description="Raw folder of a build that is told none, such as one from Dagster's pages; relative to the home.",
        json_schema_extra={ALLOWED: "a folder"},
    )
    threads: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=256)] = Field(
        default=2, description="Threads of the build.", json_schema_extra={ALLOWED: "a whole number from 1 to 256"}
    )
    memory_limit: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^[1-9][0-9]{0,5} ?(MB|GB|MiB|GiB)$")
    ] = Field(
        default="4GB",
        description="Memory that the build's database may take; beyond it, it works on the disk beside the build file.",
        json_schema_extra={ALLOWED: "a size in MB, GB, MiB or GiB, such as 4GB"},
    )
    keep_builds: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=1000)] = Field(
        default=3,
        description="Published builds that are kept, newest first, so that `opco rollback` can go back to one.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 1000"},
    )


class NightlySettings(Section):
    """The nightly run: when it begins, and what it makes beside the published warehouse."""

    enabled: bool = Field(
        default=False,
        description="Whether the nightly run begins by itself while `opco dagster` runs.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    # Clocks change between two and three in most of Europe: a later time is there every night, once.
    schedule: Annotated[str, AfterValidator(checked_time)] = Field(
        default="04:15",
        description="When it begins.",
        json_schema_extra={ALLOWED: "a time of day, or five fields of cron such as 15 4 * * 1-5"},
    )
    timezone: Annotated[Zone | None, BeforeValidator(_none_as_word)] = Field(
        default=None,
        description="Time zone of its schedule; none for rules.display_timezone.",
        json_schema_extra={ALLOWED: "a name of the IANA list, such as Europe/Paris, or none"},
    )
    whole_export: bool = Field(
        default=True,
        description="Whether it makes an export of all lines, written as the settings of [export] say.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    exports: Words = Field(
        default=(),
        description="Exports of [exports.NAME] that it makes too, and sends where they name recipients.",
        json_schema_extra={ALLOWED: "a list of their names"},
    )
    attest: bool = Field(
        default=True,
        description="Whether it issues the attestations of sessions that ended.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    attest_after_days: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=0, le=365)] = Field(
        default=2,
        description="Days after a session's last day on which its attestations are issued.",
        json_schema_extra={ALLOWED: "a whole number from 0 to 365"},
    )
    attest_for_days: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=0, le=3650)] = Field(
        default=90,
        description="Days from then on during which what late data changes is issued anew; later it takes a person.",
        json_schema_extra={ALLOWED: "a whole number from 0 to 3650"},
    )

    send_attestations_to: Words = Field(
        default=(),
        description="Who gets a link to each new issue by e-mail, if email.allowed_recipients has them.",
        json_schema_extra={ALLOWED: "a list of e-mail addresses"},
    )

    def zone(self, rules: RuleSettings) -> str:
        """Return the time zone of the schedule."""
        return self.timezone or rules.display_timezone


class ArrivalSettings(Section):
    """When what lies in the raw folder is a complete delivery, and whether it is built at once."""

    enabled: bool = Field(
        default=False,
        description="Whether a complete delivery in build.raw_folder is built by itself while `opco dagster` runs.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    complete_when: Literal["done_file", "quiet"] = Field(
        default="done_file",
        description="What tells that a delivery is complete: a new file _DONE beside the tables, or quiet.",
        json_schema_extra={ALLOWED: "done_file, quiet"},
    )
    quiet_minutes: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=1440)] = Field(
        default=10,
        description="Minutes without any change after which a folder counts as quiet.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 1440"},
    )


class AlarmSettings(Section):
    """Who is told of what is amiss, and from where on it is."""

    recipients: Words = Field(
        default=(),
        description="Who receives alarms by e-mail; without one nobody does.",
        json_schema_extra={ALLOWED: "a list of e-mail addresses"},
    )
    rejected_rows: Annotated[
        int | None, BeforeValidator(_none_as_word), BeforeValidator(_no_truth_value), Field(ge=0)
    ] = Field(
        default=100,
        description="An alarm when a load has more rejected rows of one table than this.",
        json_schema_extra={ALLOWED: "a whole number, or none for no such alarm"},
    )
    rejected_pct: Annotated[
        float | None, BeforeValidator(_none_as_word), BeforeValidator(_no_truth_value), Field(ge=0, le=100)
    ] = Field(
        default=1.0,
        description="An alarm when a load has a larger share of rejected rows of one table than this, in percent.",
        json_schema_extra={ALLOWED: "a number from 0 to 100, or none for no such alarm"},
    )
    stale_days: Annotated[
        int | None, BeforeValidator(_none_as_word), BeforeValidator(_no_truth_value), Field(ge=1, le=3650)
    ] = Field(
        default=7,
        description="An alarm when so many days pass without activity while a session is open.",
        json_schema_extra={ALLOWED: "whole days, 1 to 3650, or none for no such alarm"},
    )


class DagsterSettings(Section):
    """Where Dagster keeps its runs."""

    postgres_url: Annotated[Text, AfterValidator(_database)] = Field(
        default=None,
        description="PostgreSQL database of Dagster's runs, without password; none: SQLite in the home's var/dagster.",
        json_schema_extra={ALLOWED: "such as postgresql://opco@db.exemple.fr/dagster, or none"},
    )
    postgres_password: Secret = Field(
        default=None,
        description="Password of that database's user; taken from the environment only.",
        json_schema_extra={ALLOWED: "text", SECRET: True},
    )


class LogSettings(Section):
    """How commands and services write what they say beside their results."""

    format: Literal["text", "json"] = Field(
        default="text",
        description="Lines on stderr as text for people, or each as one JSON object.",
        json_schema_extra={ALLOWED: "text, json"},
    )


Days = Annotated[
    Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1, le=36_500)] | None, BeforeValidator(_none_as_word)
]
DAYS = "a whole number of days from 1 to 36500, or none for never"


class CleaningSettings(Section):
    """What `opco clean` and the job of the same name remove, and when that job runs."""

    export_days: Days = Field(
        default=365,
        description="Days after which an export file in var/exports goes, with the JSON beside it; what a page asked "
        "for it too.",
        json_schema_extra={ALLOWED: DAYS},
    )
    run_days: Days = Field(
        default=90,
        description="Days after which what Dagster keeps of a run goes (the newest of each asset stays); what a page "
        "asked for attestations too.",
        json_schema_extra={ALLOWED: DAYS},
    )
    schedule: Annotated[Annotated[str, AfterValidator(checked_time)] | None, BeforeValidator(_none_as_word)] = Field(
        default="30 5 * * 0",
        description="When the job runs, in the display time zone.",
        json_schema_extra={
            ALLOWED: "a time of day, five fields of cron such as 30 5 * * 0 (Sundays at half past five), or none"
        },
    )


class ForgettingSettings(Section):
    """When `opco forget` may be asked for."""

    retention_years: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=0, le=100)] = Field(
        default=6,
        description="Years after a learner's last connection before which forgetting needs --override.",
        json_schema_extra={ALLOWED: "a whole number from 0 to 100"},
    )


class Settings(BaseSettings):
    """All settings in force. Made by `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    rules: RuleSettings
    organisation: OrganisationSettings = OrganisationSettings()
    attestations: AttestationSettings = AttestationSettings()
    export: ExportSettings = ExportSettings()
    email: EmailSettings = EmailSettings()
    portal: PortalSettings = PortalSettings()
    build: BuildSettings = BuildSettings()
    nightly: NightlySettings = NightlySettings()
    arrivals: ArrivalSettings = ArrivalSettings()
    alarms: AlarmSettings = AlarmSettings()
    dagster: DagsterSettings = DagsterSettings()
    logs: LogSettings = LogSettings()
    cleaning: CleaningSettings = CleaningSettings()
    forgetting: ForgettingSettings = ForgettingSettings()


@dataclass(frozen=True)
class SettingInForce:
    """One setting: `key` as `section.name`, its value, where it comes from, what it may be, what it does."""

    key: str
    variable: str
    value: str | int | float | None
    origin: Origin
    allowed: str
    description: str


def load_settings(
    home: Home, options: Mapping[str, str | None] | None = None, *, session_id: str | None = None
) -> Settings:
    """Return the settings in force in `home`.

    `options` holds command options by key (`"export.dialect"`); None is an option not given. `session_id` is the
    program session whose own defaults, [sessions."ID"] in `opco.toml`, come before those of [organisation].
    Raises UserError for an unknown key or variable and for a value that is not allowed, naming it, where it
    comes from and what is allowed.
    """
    return _load(home, options or {}, session_id)[0]


def settings_in_force(home: Home, session_id: str | None = None) -> list[SettingInForce]:
    """Return every setting with its value and origin, in the order of the sections. Errors as `load_settings`."""
    settings, sources = _load(home, {}, session_id)
    return [
        SettingInForce(
            key=key,
            variable=variable_of(key),
            value=_shown(getattr(getattr(settings, key.split(".")[0]), key.split(".")[1])),
            origin=_origin(key, sources),
            allowed=_allowed(key),
            description=description,
        )
        for key, description in setting_keys().items()
    ]


def named_exports(home: Home) -> dict[str, NamedExport]:
    """Return the exports that `opco.toml` defines (`[exports.NAME]`), by name. Errors as `load_settings`."""
    return _read_toml(home.settings_file)[1]


def setting_keys() -> dict[str, str]:
    """Return every setting's key (`section.name`) with its description, in the order of the sections."""
    return {
        f"{section}.{name}": field.description or ""
        for section, table in _sections().items()
        for name, field in table.model_fields.items()
    }


def variable_of(key: str) -> str:
    """Return the environment variable of a key: `rules.raw_timezone` is OPCO_RULES__RAW_TIMEZONE."""
    return PREFIX + key.replace(".", "__").upper()


def _sections() -> dict[str, type[Section]]:
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }


def _allowed(key: str) -> str:
    section, name = key.split(".")
    extra = _sections()[section].model_fields[name].json_schema_extra
    return str(extra[ALLOWED]) if isinstance(extra, dict) else ""


def _load(
    home: Home, options: Mapping[str, str | None], session_id: str | None
) -> tuple[Settings, dict[Origin, dict[str, Any]]]:
    tables, exports = _read_toml(home.settings_file, session_id)
    # By origin, strongest first; each as {section: {name: value}}.
    sources: dict[Origin, dict[str, Any]] = {
        "option": _nested({key: value for key, value in options.items() if value is not None}),
        "environment": _nested(_environment()),
        "opco.toml": tables,
    }
    files_and_defaults = (_nested(_secrets()), sources["opco.toml"], {"rules": _rule_defaults()})

    class HomeSettings(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            files = (InitSettingsSource(settings_cls, init_kwargs=values) for values in files_and_defaults)
            return (init_settings, env_settings, *files)

    try:
        settings = HomeSettings(**sources["option"])
    except ValidationError as error:
        lines = [_what_is_wrong(dict(detail), sources, home) for detail in error.errors()]
        raise UserError("\n".join(lines)) from error
    if unknown := [name for name in settings.nightly.exports if name not in exports]:
        raise UserError(
            f"The setting nightly.exports names {', '.join(unknown)}, which {home.settings_file} does not define.\n"
            f"Defined as [exports.NAME]: {', '.join(exports) or 'none'}."
        )
    return settings, sources


def _nested(values: Mapping[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in values.items():
        section, name = key.split(".")
        nested.setdefault(section, {})[name] = value
    return nested


def _environment() -> dict[str, str]:
    """Return the settings given as variables, by key; an empty variable counts as absent."""
    keys = {variable_of(key): key for key in setting_keys()}
    found: dict[str, str] = {}
    for variable, value in os.environ.items():
        if not variable.upper().startswith(PREFIX) or variable in OWN_VARIABLES:
            continue
        if variable.upper() not in keys:
            raise UserError(
                f"The environment variable {variable} is no setting of OPCO.{_nearest(variable.upper(), keys)}\n"
                "Correct or unset it; `opco settings` lists them all."
            )
        if value:
            found[keys[variable.upper()]] = value
    return _secrets() | found


def _secrets() -> dict[str, str]:
    """Return the secrets that stand in files of the folder OPCO_SECRETS, by key; each named as its variable, small.

    systemd's LoadCredential= and the secrets of containers make such folders.
    """
    folder = os.environ.get(SECRETS_VARIABLE)
    found = {}
    for key in setting_keys() if folder else ():
        path = Path(folder or "") / variable_of(key).lower()
        if not _is_secret(key) or not path.is_file():
            continue
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The secret {path} cannot be read: {error}.") from error
        if value:
            found[key] = value
    return found


def _read_toml(path: Path, session_id: str | None = None) -> tuple[dict[str, Any], dict[str, NamedExport]]:
    """Return the sections of `opco.toml`, and apart from them the exports that it defines.

    The defaults of the session `session_id` stand among those of [organisation].
    """
    if not path.exists():
        return {}, {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}.\nCorrect that line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.\nMake it a readable UTF-8 file.") from error
    sections = _sections()
    exports = read_named_exports(path, tables.pop("exports", {}))
    own = _session_tables(tables.pop(SESSIONS, {}), path)
    for section, table in tables.items():
        if section not in sections:
            near = _nearest(section, (*sections, "exports", SESSIONS))
            raise UserError(f"{path}: unknown section or key `{section}`.{near}")
        if not isinstance(table, dict):
            raise UserError(f"{path}: `{section}` is a section: write it as [{section}] with its keys below.")
        for name in table:
            if name not in sections[section].model_fields:
                near = _nearest(name, sections[section].model_fields)
                raise UserError(f"{path}: unknown key `{name}` in [{section}].{near}")
            if _is_secret(f"{section}.{name}"):
                variable = variable_of(f"{section}.{name}")
                raise UserError(
                    f"{path}: `{name}` in [{section}] is a secret and does not belong in a file.\n"
                    f"Delete that line and set the variable {variable}; whoever read the file knows the old value."
                )
    if session_id in own:
        tables["organisation"] = tables.get("organisation", {}) | own[session_id]
    return tables, exports


def _session_tables(tables: Any, path: Path) -> dict[str | None, dict[str, Any]]:
    """Return the defaults of single sessions by session id, all of them checked."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UserError(f'{path}: write the defaults of one session as [{SESSIONS}."ID"] with its keys below.')
    for session_id, table in tables.items():
        where = f'{path}, [{SESSIONS}."{session_id}"]'
        for name in table:
            if name not in OrganisationSettings.model_fields:
                raise UserError(f"{where}: unknown key `{name}`.{_nearest(name, OrganisationSettings.model_fields)}")
        try:
            OrganisationSettings(**table)
        except ValidationError as error:
            wrong = error.errors()[0]
            name = str(wrong["loc"][0])
            raise UserError(
                f"{where}: {name} cannot be {wrong['input']!r}: {wrong['msg'].removeprefix('Value error, ')}.\n"
                f"Allowed: {_allowed(f'organisation.{name}')}."
            ) from error
    return tables


def _rule_defaults() -> dict[str, Any]:
    path = PROJECT_DIR / "dbt_project.yml"
    project = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = RuleSettings.model_fields
    defaults = {name: value for name, value in project.get("vars", {}).items() if name in names}
    if missing := sorted(names.keys() - defaults.keys()):
        raise OpcoError(f"{path}: the vars {', '.join(missing)} are missing: they are the rules' defaults.")
    return defaults


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f" Nearest: {near[0]}." if near else ""


def _is_secret(key: str) -> bool:
    section, name = key.split(".")
    extra = _sections()[section].model_fields[name].json_schema_extra
    return isinstance(extra, dict) and SECRET in extra


def _shown(value: Any) -> str | int | float | None:
    """Return a setting's value as people may see it."""
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(value) or None
    shown: str | int | float | None = value
    return shown


def _origin(key: str, sources: Mapping[Origin, dict[str, Any]]) -> Origin:
    section, name = key.split(".")
    return next((origin for origin, values in sources.items() if name in values.get(section, {})), "default")


def _what_is_wrong(detail: Mapping[str, Any], sources: Mapping[Origin, dict[str, Any]], home: Home) -> str:
    key = ".".join(str(part) for part in detail["loc"][:2])
    origin = _origin(key, sources)
    where = {
        "option": "from the command's option",
        "environment": f"from the variable {variable_of(key)}",
        "opco.toml": f"from {home.settings_file}",
        "default": "from dbt_project.yml",
    }[origin]
    reason = str(detail["msg"]).removeprefix("Value error, ")
    given = "what was given" if _is_secret(key) else repr(detail["input"])
    return f"The setting {key} cannot be {given} ({where}): {reason}.\nAllowed: {_allowed(key)}."
