"""The sources of a home: `[sources.NAME]` in `opco.toml`, their secrets, and their last delivery."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from connectors.delivery import current_delivery, last_reports
from connectors.settings import SourceSettings, variable_of_secret
from connectors.source import Source
from orchestration.home.paths import Home
from orchestration.home.times import checked_time
from orchestration.home.variables import secret_in_folder
from warehouse.errors import UserError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
# A kind's settings are loaded where a home has such a source.
KINDS: dict[str, str] = {
    "360learning": "connectors.learning360.settings:Learning360Settings",
    "moodle": "connectors.moodle.settings:MoodleSettings",
    "moodle-log": "connectors.moodle_log.settings:MoodleLogSettings",
    "virtual-classes": "connectors.virtual_classes.settings:VirtualClassesSettings",
    "xapi": "connectors.xapi.settings:XapiSettings",
}
"""Module and class of each kind's settings."""

# A password in an address, which belongs in the environment.
PASSWORD_IN_URL = re.compile(r"://[^/@:\s]*:[^/@\s]+@")


def read_sources(path: Path, tables: Any) -> dict[str, SourceSettings]:
    """Return the sources defined by the tables of `[sources]` in the file `path`, in the file's order.

    Raises UserError naming the source and the key that cannot be used, without its value where that may be a secret.
    """
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise UserError(f"{path}: `sources` holds definitions: write each as [sources.NAME] with its keys below.")
    return {name: _read(path, name, table) for name, table in tables.items()}


def secret_variables(sources: Mapping[str, SourceSettings]) -> set[str]:
    """Return the environment variables that the sources of a home take their secrets from."""
    return {variable_of_secret(name, secret) for name, one in sources.items() for secret in one.secrets()}


def source_of(name: str, settings: SourceSettings) -> Source:
    """Return a source with its secrets. Raises UserError for a secret that cannot be read."""
    return with_secrets(name, settings).source()


def with_secrets(name: str, settings: SourceSettings) -> SourceSettings:
    """Return the settings of a source with its secrets. Raises UserError for a secret that cannot be read."""
    variables = {secret: variable_of_secret(name, secret) for secret in settings.secrets()}
    found = {secret: os.environ.get(one) or secret_in_folder(one) for secret, one in variables.items()}
    return settings.model_copy(update={secret: SecretStr(value) for secret, value in found.items() if value})


def sources_folder(home: Home) -> Path:
    """Return where the deliveries of the home's sources are kept."""
    return home.folder / "var" / "sources" / "raw"


@dataclass(frozen=True)
class SourceState:
    """A source: when it was pulled last, the rows of that pull, the last activity that it told; None where unknown.

    Instants are aware, UTC. How old the last activity is says more than when it was loaded: a platform that delivers
    nothing is loaded as well.
    """

    name: str
    kind: str
    pulled_at: datetime | None
    rows: int | None
    last_activity: datetime | None


def source_states(home: Home, defined: Mapping[str, SourceSettings]) -> list[SourceState]:
    """Return the state of each source that is defined, in the order of the file."""
    reports = last_reports(sources_folder(home))
    states = []
    for name, settings in defined.items():
        pulled_at, report = reports.get(name, (None, None))
        rows = sum(report.rows.values()) if report else None
        states.append(SourceState(name, settings.kind, pulled_at, rows, report.last_activity if report else None))
    return states


def raw_folder_of(home: Home, named: str | Path | None) -> Path | None:
    """Return the raw folder of a build: that which is `named`, relative to the home, else the sources' last delivery.

    It is the folder itself, not the link to it, which a pull may change meanwhile. None where there is neither.
    """
    return home.folder / named if named else current_delivery(sources_folder(home))


def require_defined(sources: Mapping[str, SourceSettings], names: Iterable[str]) -> None:
    """Raise UserError where the home has no source, or none of one of `names`."""
    if not sources:
        raise UserError("No source is set in opco.toml: docs/sources.md says how to define one.")
    if unknown := [name for name in names if name not in sources]:
        raise UserError(f"There is no source {unknown[0]!r} in opco.toml. Defined: {', '.join(sources)}.")


def _read(path: Path, name: str, table: Mapping[str, Any]) -> SourceSettings:
    where = f"{path}: [sources.{name}]"
    if not NAME.fullmatch(name):
        raise UserError(f"{where} cannot be a name. Use small letters, digits and hyphens.")
    kind = table.get("kind", name)
    if kind not in KINDS:
        raise UserError(f"{where}: `kind` cannot be {kind!r}. Known: {', '.join(KINDS) or 'none'}.")
    module, _, model = KINDS[kind].partition(":")
    settings: type[SourceSettings] = getattr(import_module(module), model)
    for key, value in table.items():
        if key in settings.secrets() or PASSWORD_IN_URL.search(str(value)):
            secret = key if key in settings.secrets() else "password"
            raise UserError(
                f"{where}: `{key}` holds a secret, which does not belong in a file.\n"
                f"Take it out and set the variable {variable_of_secret(name, secret)}; whoever read the file knows the "
                "old value."
            )
    try:
        made = settings.model_validate({**table, "kind": kind})
        if made.schedule:
            checked_time(made.schedule)
        return made
    except ValueError as error:
        if isinstance(error, ValidationError):
            lines = [_what_is_wrong(where, settings, dict(detail)) for detail in error.errors()]
            raise UserError("\n".join(lines)) from error
        raise UserError(f"{where}: `schedule` cannot be {table['schedule']!r}: {error}.") from error


def _what_is_wrong(where: str, settings: type[SourceSettings], detail: Mapping[str, Any]) -> str:
    key = ".".join(map(str, detail["loc"]))
    if detail["type"] == "extra_forbidden":
        return f"{where} has an unknown key `{key}`. Known: {', '.join(settings.model_fields)}."
    if detail["type"] == "missing":
        return f"{where} needs the key `{key}`: {settings.model_fields[key].description}"
    return f"{where}: `{key}` cannot be {detail['input']!r}: {str(detail['msg']).removeprefix('Value error, ')}."
