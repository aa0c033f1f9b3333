"""Typed settings: command option, then environment, then `opco.toml`, then default.

What there is to set is declared in `orchestration/home/sections`; the defaults of the rules stand once, as vars in
`dbt_project.yml`.
"""

from __future__ import annotations

import difflib
import os
import re
import time
import tomllib
from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from connectors.settings import SourceSettings
from orchestration.home.named_exports import NamedExport, read_named_exports
from orchestration.home.paths import HOME_VARIABLE, IDENTITY_VARIABLE, Home
from orchestration.home.sections.building import ArrivalSettings, BuildSettings, NightlySettings, RawSettings
from orchestration.home.sections.documents import (
    AttestationSettings,
    ExportSettings,
    OrganisationSettings,
    PlatformSettings,
)
from orchestration.home.sections.kinds import Section, allowed_values
from orchestration.home.sections.portal import EmailSettings, PortalSettings, RunSettings
from orchestration.home.sections.proof import CalendarSettings, CreditSettings, FollowUpSettings
from orchestration.home.sections.rules import IdentitySettings, RuleSettings
from orchestration.home.sections.upkeep import (
    AlertSettings,
    CleaningSettings,
    DagsterSettings,
    ForgettingSettings,
    LogSettings,
)
from orchestration.home.sources import read_sources, secret_variables
from orchestration.home.variables import (
    BUILD_FILE_VARIABLE,
    ENCODING_VARIABLE,
    MEMORY_LIMIT_VARIABLE,
    SECRETS_VARIABLE,
    SPARK_REMOTE_VARIABLE,
    THREADS_VARIABLE,
    secret_in_folder,
)
from warehouse.contract import DBT_PROJECT_FILE, project_vars
from warehouse.errors import OpcoError, UserError

PREFIX = "OPCO_"
OWN_VARIABLES = (
    HOME_VARIABLE,
    IDENTITY_VARIABLE,
    SECRETS_VARIABLE,
    BUILD_FILE_VARIABLE,
    THREADS_VARIABLE,
    MEMORY_LIMIT_VARIABLE,
    SPARK_REMOTE_VARIABLE,
    ENCODING_VARIABLE,
)

# Kubernetes tells every container of a service `opco`, or `opco-…`: NAME=VALUE in these forms, which no setting has.
SERVICE_VARIABLE = re.compile(
    r"OPCO(_[A-Z0-9_]+)?_(SERVICE_HOST=[0-9A-Fa-f.:]+|SERVICE_PORT(_[A-Z0-9_]+)?=\d+"
    r"|PORT(_\d+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://\S+"
    r"|PORT_\d+_(TCP|UDP|SCTP)_(PROTO=(tcp|udp|sctp)|PORT=\d+|ADDR=[0-9A-Fa-f.:]+))"
)

Origin = Literal["option", "environment", "opco.toml", "default"]
HIDDEN = "(set, not shown)"
SETTLED_NANOSECONDS = 2_000_000_000
# The table of tables in opco.toml that holds defaults of single program sessions.
SESSIONS = "sessions"
# Sections that are a var of the dbt project each, with their defaults; those of the rules are one a setting.
SECTIONS_OF_MODELS = ("identities", "credit", "follow_up", "calendar")
# Sections that had another name before, with the one they have now.
RENAMED = {"alarms": "alerts"}
# What would be wrong of every session but one.
OF_ONE_SESSION = "organisation.training_duration"


class Settings(BaseModel):
    """All settings in force. Made by `load_settings`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    rules: RuleSettings
    identities: IdentitySettings
    credit: CreditSettings
    follow_up: FollowUpSettings
    calendar: CalendarSettings
    organisation: OrganisationSettings = OrganisationSettings()
    platform: PlatformSettings = PlatformSettings()
    attestations: AttestationSettings = AttestationSettings()
    export: ExportSettings = ExportSettings()
    email: EmailSettings = EmailSettings()
    portal: PortalSettings = PortalSettings()
    runs: RunSettings = RunSettings()
    build: BuildSettings = BuildSettings()
    raw: RawSettings = RawSettings()
    nightly: NightlySettings = NightlySettings()
    arrivals: ArrivalSettings = ArrivalSettings()
    alerts: AlertSettings = AlertSettings()
    dagster: DagsterSettings = DagsterSettings()
    logs: LogSettings = LogSettings()
    cleaning: CleaningSettings = CleaningSettings()
    forgetting: ForgettingSettings = ForgettingSettings()

    def of_the_models(self) -> dict[str, Any]:
        """Return the settings that decide what the models compute, as dbt's vars."""
        sections = {name: getattr(self, name).model_dump(mode="json") for name in SECTIONS_OF_MODELS}
        return self.rules.model_dump(mode="json") | sections


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
            description=field.description or "",
        )
        for key, field in setting_fields().items()
    ]


def named_exports(home: Home) -> dict[str, NamedExport]:
    """Return the exports that `opco.toml` defines (`[exports.NAME]`), by name. Errors as `load_settings`."""
    return _read_toml(home.settings_file)[1]


def home_sources(home: Home) -> dict[str, SourceSettings]:
    """Return the sources that `opco.toml` defines (`[sources.NAME]`), by name. Errors as `load_settings`."""
    return _read_toml(home.settings_file)[2]


def ignored_keys(home: Home) -> list[str]:
    """Return where something is set for all sessions that only one session may set; it has no effect there."""
    path, variable = home.settings_file, variable_of(OF_ONE_SESSION)
    section, name = OF_ONE_SESSION.split(".")
    tables = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    in_file = [f"{name} in [{section}]"] if name in tables.get(section, {}) else []
    return [*in_file, *([f"the variable {variable}"] if os.environ.get(variable) else [])]


def setting_fields() -> dict[str, FieldInfo]:
    """Return every setting's field by its key (`section.name`), in the order of the sections."""
    return {
        f"{section}.{name}": field
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
    field = setting_fields()[key]
    return allowed_values(field.annotation, field.metadata)


def _load(
    home: Home, options: Mapping[str, str | None], session_id: str | None
) -> tuple[Settings, dict[Origin, Mapping[str, Any]]]:
    given, exports, home_sources = _read_toml(home.settings_file, session_id)
    # By key, strongest first.
    sources: dict[Origin, Mapping[str, Any]] = {
        "option": {key: value for key, value in options.items() if value is not None},
        "environment": _secrets() | _environment(secret_variables(home_sources)),
        "opco.toml": given,
        "default": _rule_defaults(),
    }
    sections: dict[str, dict[str, Any]] = {}
    for key, value in ChainMap(*map(dict, sources.values())).items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    try:
        settings = Settings.model_validate(sections)
    except ValidationError as error:
        lines = [_what_is_wrong(dict(detail), sources, home) for detail in error.errors()]
        raise UserError("\n".join(lines)) from error
    if unknown := [name for name in settings.nightly.exports if name not in exports]:
        raise UserError(
            f"The setting nightly.exports names {_without_secrets(', '.join(unknown))}, which {home.settings_file} "
            "does not define.\n"
            f"Defined as [exports.NAME]: {', '.join(exports) or 'none'}."
        )
    return settings, sources


def _environment(others: Collection[str]) -> dict[str, str]:
    """Return the settings given as variables, by key; an empty variable counts as absent.

    What Kubernetes says of services is none, and so is each of `others`. Raises UserError for any other variable that
    begins as ours and is none.
    """
    keys = {variable_of(key): key for key in setting_fields()}
    found: dict[str, str] = {}
    for variable, value in os.environ.items():
        if not variable.upper().startswith(PREFIX) or variable in OWN_VARIABLES or variable.upper() in others:
            continue
        if variable.upper() not in keys:
            if SERVICE_VARIABLE.fullmatch(f"{variable}={value}"):
                continue
            section, _, name = variable.upper().removeprefix(PREFIX).partition("__")
            if now := RENAMED.get(section.lower()):
                raise UserError(
                    f"The environment variable {variable} has another name now: {variable_of(f'{now}.{name}')}.\n"
                    "Set that one instead."
                )
            raise UserError(
                f"The environment variable {variable} is no setting of OPCO.{_nearest(variable.upper(), keys)}\n"
                "Correct or unset it; `opco settings` lists them all."
            )
        if value and keys[variable.upper()] != OF_ONE_SESSION:
            found[keys[variable.upper()]] = value
    return found


def _secrets() -> dict[str, str]:
    """Return the secrets that stand in files of the folder OPCO_SECRETS, by key."""
    found = {key: secret_in_folder(variable_of(key)) for key in setting_fields() if is_secret(key)}
    return {key: value for key, value in found.items() if value}


def _read_toml(
    path: Path, session_id: str | None = None
) -> tuple[dict[str, Any], dict[str, NamedExport], dict[str, SourceSettings]]:
    """Return the settings of `opco.toml` by key, and apart from them the exports and the sources that it defines.

    The defaults of the session `session_id` come before those of [organisation]. A process reads the file once, and
    again when it was changed since.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return {}, {}, {}
    # Within the clock ticks of a file system, a second change may leave the same instant and size.
    is_settled = time.time_ns() - status.st_mtime_ns > SETTLED_NANOSECONDS
    read = _tables_of if is_settled else _tables_of.__wrapped__
    given, own, exports, sources = read(path, (status.st_ino, status.st_size, status.st_mtime_ns))
    return given | {f"organisation.{name}": value for name, value in own.get(session_id, {}).items()}, exports, sources


@lru_cache(maxsize=4)
def _tables_of(
    path: Path,
    version: tuple[int, ...],  # noqa: ARG001 - tells one content of the file from another
) -> tuple[dict[str, Any], dict[str | None, dict[str, Any]], dict[str, NamedExport], dict[str, SourceSettings]]:
    """Return the checked settings of `opco.toml` by key, the defaults of single sessions, the exports, the sources."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}.\nCorrect that line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.\nMake it a readable UTF-8 file.") from error
    sections, given = _sections(), {}
    exports = read_named_exports(path, tables.pop("exports", {}))
    sources = read_sources(path, tables.pop("sources", {}))
    own = _session_tables(tables.pop(SESSIONS, {}), path)
    for section, table in tables.items():
        if section in RENAMED:
            raise UserError(f"{path}: the section [{section}] has another name now: write [{RENAMED[section]}].")
        if section not in sections:
            near = _nearest(section, (*sections, "exports", "sources", SESSIONS))
            raise UserError(f"{path}: unknown section or key `{section}`.{near}")
        if not isinstance(table, dict):
            raise UserError(f"{path}: `{section}` is a section: write it as [{section}] with its keys below.")
        for name, value in table.items():
            key = f"{section}.{name}"
            if name not in sections[section].model_fields:
                near = _nearest(name, sections[section].model_fields)
                raise UserError(f"{path}: unknown key `{name}` in [{section}].{near}")
            if is_secret(key):
                raise UserError(
                    f"{path}: `{name}` in [{section}] is a secret and does not belong in a file.\n"
                    f"Delete that line and set the variable {variable_of(key)}; whoever read the file knows the old "
                    "value."
                )
            if key != OF_ONE_SESSION:
                given[key] = value
    return given, own, exports, sources


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
    names = RuleSettings.model_fields
    defaults = {name: value for name, value in project_vars().items() if name in names}
    if missing := sorted(names.keys() - defaults.keys()):
        raise OpcoError(f"{DBT_PROJECT_FILE}: the vars {', '.join(missing)} are missing: they are the rules' defaults.")
    return {f"rules.{name}": value for name, value in defaults.items()} | {
        f"{section}.{name}": value for section in SECTIONS_OF_MODELS for name, value in project_vars()[section].items()
    }


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f" Nearest: {near[0]}." if near else ""


def is_secret(key: str) -> bool:
    """Return whether the setting of a key may come from the environment alone, and is never shown."""
    return SecretStr in get_args(setting_fields()[key].annotation)


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


def _without_secrets(text: str) -> str:
    """Return a text that was given, without what stands where an address may hold a password."""
    text = re.sub(r"//.*@", "//…@", text)
    return re.sub(r"(?i)(pass\w*|pwd|secret|token|key)=[^&\s'\"]+", r"\1=…", text)


def _origin(key: str, sources: Mapping[Origin, Mapping[str, Any]]) -> Origin:
    return next((origin for origin, values in sources.items() if key in values), "default")


def _what_is_wrong(detail: Mapping[str, Any], sources: Mapping[Origin, Mapping[str, Any]], home: Home) -> str:
    key = ".".join(str(part) for part in detail["loc"][:2])
    origin = _origin(key, sources)
    where = {
        "option": "from the command's option",
        "environment": f"from the variable {variable_of(key)}",
        "opco.toml": f"from {home.settings_file}",
        "default": "from dbt_project.yml",
    }[origin]
    reason = _without_secrets(str(detail["msg"]).removeprefix("Value error, "))
    given = "what was given" if is_secret(key) else _without_secrets(repr(detail["input"]))
    return f"The setting {key} cannot be {given} ({where}): {reason}.\nAllowed: {_allowed(key)}."
