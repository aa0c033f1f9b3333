"""Typed settings: command option, then environment, then `opco.toml`, then default.

What there is to set stands in `orchestration/sections`; the defaults of the rules stand once, as vars in
`dbt_project.yml`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from orchestration.dbt_process import LOCK_VARIABLE, STARTED_BY_VARIABLE
from orchestration.home import HOME_VARIABLE, IDENTITY_VARIABLE, Home
from orchestration.named_exports import NamedExport, read_named_exports
from orchestration.sections.building import ArrivalSettings, BuildSettings, NightlySettings
from orchestration.sections.documents import AttestationSettings, ExportSettings, OrganisationSettings
from orchestration.sections.kinds import ALLOWED, SECRET, Section
from orchestration.sections.portal import EmailSettings, PortalSettings
from orchestration.sections.rules import RuleSettings
from orchestration.sections.upkeep import (
    AlarmSettings,
    CleaningSettings,
    DagsterSettings,
    ForgettingSettings,
    LogSettings,
)
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
HIDDEN = "(set, not shown)"
# The table of tables in opco.toml that holds defaults of single program sessions.
SESSIONS = "sessions"


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
        if not is_secret(key) or not path.is_file():
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
            if is_secret(f"{section}.{name}"):
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


def is_secret(key: str) -> bool:
    """Return whether the setting of a key may come from the environment alone, and is never shown."""
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
    given = "what was given" if is_secret(key) else repr(detail["input"])
    return f"The setting {key} cannot be {given} ({where}): {reason}.\nAllowed: {_allowed(key)}."
