"""What an export is asked for, by hand or by a definition in `opco.toml`: one meaning for the command and for runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from orchestration.home.clock import calendar_day
from orchestration.home.named_exports import ExportChoices, NamedExport
from orchestration.home.paths import Home
from orchestration.home.settings import named_exports
from reports.export.filters import ById, ExportFilters
from reports.sessions import sessions_ended, today_at
from warehouse.errors import UserError

FILTERS = tuple(ExportFilters.model_fields)
Model = TypeVar("Model", bound=BaseModel)
CHOICES = ("format", "dialect", "language", "decimal_hours", "recipients")


class ExportRequest(ExportChoices):
    """An export as it was asked for, by a command, a run's configuration or a page."""

    date_from: str | None = Field(default=None, description="First day of connection, DD/MM/YYYY.")
    date_to: str | None = Field(default=None, description="Last day of connection, included.")
    by_id: ById = False
    definition: str | None = Field(default=None, description="The export that opco.toml defines as [exports.NAME].")
    today: str | None = Field(
        default=None, description="Day that the definition's periods are relative to; default: today."
    )

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> ExportRequest:
        """Return the request that a configuration makes. Raises UserError for a value that is not allowed."""
        return _validated(cls, config)


@dataclass(frozen=True)
class ResolvedExport:
    """What a request comes to. Without `filters` there is nothing to export: no session ended in the period."""

    filters: ExportFilters | None
    choices: ExportChoices


def resolve(request: ExportRequest, home: Home) -> ResolvedExport:
    """Return what `request` comes to, its definition taken into account; what it says itself wins over that.

    Raises UserError for a filter that cannot be used, an unknown definition, and filters beside a definition.
    """
    if request.definition is None:
        if request.today is not None:
            raise UserError("A day is relevant to a defined export only: name the definition, or leave the day out.")
        return ResolvedExport(_validated(ExportFilters, {name: getattr(request, name) for name in FILTERS}), request)
    definition = _definition(request, home)
    given = {name: value for name in CHOICES if (value := getattr(request, name))}
    return ResolvedExport(_filters_on(definition, request.today, home.warehouse), definition.model_copy(update=given))


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


def _validated(model: type[Model], values: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(_explained(dict(one)) for one in error.errors())) from error


def _explained(detail: Mapping[str, Any]) -> str:
    expected = str(detail.get("ctx", {}).get("expected", "")).replace("'", "").replace(" or ", ", ")
    reason = f"write one of {expected}" if expected else detail["msg"]
    return f"The export's {'.'.join(map(str, detail['loc']))} cannot be {detail['input']!r}: {reason}."


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
        sessions = tuple(sessions_ended(warehouse, *definition.sessions_ended.days(on)))
        if not sessions:
            return None
    return ExportFilters(
        date_from=first,
        date_to=last,
        users=definition.users,
        groups=definition.groups,
        sessions=sessions,
        session_ids=definition.session_ids,
        where=definition.where,
        custom_fields=definition.custom_fields,
    )
