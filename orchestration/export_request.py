"""What an export is asked for, by hand or by a definition in `opco.toml`: one meaning for the command and for runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestration.clock import calendar_day
from orchestration.home import Home
from orchestration.named_exports import NamedExport
from orchestration.settings import named_exports
from reports.export.filters import ExportFilters
from reports.export.sessions import sessions_ended, today_at
from warehouse.errors import UserError

FILTERS = tuple(ExportFilters.model_fields)


@dataclass(frozen=True)
class ExportRequest:
    """An export as it was asked for; what is None or empty was not said."""

    date_from: str | None = None
    date_to: str | None = None
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    custom_fields: tuple[str, ...] = ()
    definition: str | None = None
    today: str | None = None
    format: str | None = None
    dialect: str | None = None
    language: str | None = None
    recipients: tuple[str, ...] = ()

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> ExportRequest:
        """Return the request that a run's configuration makes."""
        given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in said.items()}
        return cls(**given)


@dataclass(frozen=True)
class Asked:
    """What a request comes to. Without `filters` there is nothing to export: no session ended in the period."""

    filters: ExportFilters | None
    format: str | None
    dialect: str | None
    language: str | None
    recipients: tuple[str, ...]


def what_is_asked(request: ExportRequest, home: Home) -> Asked:
    """Return what `request` comes to, its definition taken into account; what it says itself wins over that.

    Raises UserError for a filter that cannot be used, an unknown definition, and filters beside a definition.
    """
    if request.definition is None:
        if request.today is not None:
            raise UserError("A day is relevant to a defined export only: name the definition, or leave the day out.")
        return Asked(_filters(request), request.format, request.dialect, request.language, request.recipients)
    definition = _definition(request, home)
    return Asked(
        filters=_filters_on(definition, request.today, home.warehouse),
        format=request.format or definition.format,
        dialect=request.dialect or definition.dialect,
        language=request.language or definition.language,
        recipients=request.recipients or definition.recipients,
    )


def with_files_read(values: Iterable[str], option: str) -> list[str]:
    """Return `values`, each `@FILE` replaced by the lines of that file (UTF-8, blank ones left out); `@@x` is `@x`.

    Raises UserError when a file cannot be read or holds no value: a filter without values would keep everything.
    """
    found = []
    for value in values:
        if not value.startswith("@") or value.startswith("@@"):
            found.append(value.removeprefix("@") if value.startswith("@@") else value)
            continue
        path = Path(value[1:]).expanduser()
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{option} {value}: the file {path} cannot be read as UTF-8 text ({error}).\n"
                f"Name a file with one value a line; a value that begins with @ itself is written @{value}."
            ) from error
        if not any(lines):
            raise UserError(f"{option} {value}: the file {path} holds no value. Write one a line.")
        found += [line for line in lines if line]
    return found


def _filters(request: ExportRequest) -> ExportFilters:
    try:
        return ExportFilters.model_validate({name: getattr(request, name) for name in FILTERS})
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))} {one['input']!r}: {one['msg']}" for one in error.errors()]
        raise UserError("A filter cannot be used:\n" + "\n".join(wrong)) from error


def _definition(request: ExportRequest, home: Home) -> NamedExport:
    defined = named_exports(home)
    if request.definition not in defined:
        known = ", ".join(defined) or "none"
        raise UserError(f"{home.settings_file} defines no export {request.definition!r}. Defined: {known}.")
    if given := [name for name in FILTERS if getattr(request, name)]:
        raise UserError(f"A defined export has its own filters: leave out {', '.join(given)}, or the definition.")
    return defined[request.definition]


def _filters_on(definition: NamedExport, today: str | None, warehouse: Path) -> ExportFilters | None:
    """Return the filters of a defined export on a day; None when no session ended in its period."""
    on: date = calendar_day(today, "The day of the export") or today_at(warehouse)
    first, last = definition.period.days(on) if definition.period else (None, None)
    sessions = definition.sessions
    if definition.sessions_ended:
        sessions = sessions_ended(warehouse, *definition.sessions_ended.days(on))
        if not sessions:
            return None
    return ExportFilters(
        date_from=first,
        date_to=last,
        users=definition.users,
        groups=definition.groups,
        sessions=sessions,
        custom_fields=definition.custom_fields,
    )
