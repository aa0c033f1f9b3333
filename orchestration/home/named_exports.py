"""Exports with a name of their own, defined once in `opco.toml` and made again and again: `[exports.NAME]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from orchestration.home.times import checked_time
from reports.export.columns import Language
from reports.export.filters import NamedValues
from reports.export.writers import Format
from reports.export.writers.csv import Dialect
from warehouse.errors import UserError

NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")


class Period(StrEnum):
    """Days relative to the day on which an export is made. Weeks begin on Monday."""

    YESTERDAY = "yesterday"
    LAST_WEEK = "last_week"
    LAST_MONTH = "last_month"
    LAST_QUARTER = "last_quarter"
    LAST_YEAR = "last_year"
    THIS_WEEK = "this_week"
    THIS_MONTH = "this_month"
    THIS_QUARTER = "this_quarter"
    THIS_YEAR = "this_year"

    def days(self, today: date) -> tuple[date, date]:
        """Return the first and the last day; `this_…` ends today."""
        if self is Period.YESTERDAY:
            return today - timedelta(days=1), today - timedelta(days=1)
        begins = {
            "week": today - timedelta(days=today.weekday()),
            "month": today.replace(day=1),
            "quarter": today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1),
            "year": today.replace(month=1, day=1),
        }
        which, unit = self.value.split("_")
        if which == "this":
            return begins[unit], today
        last = begins[unit] - timedelta(days=1)
        return Period(f"this_{unit}").days(last)[0], last


class ExportChoices(NamedValues):
    """What an export holds, how it is written and who gets it, however it is asked for; an empty one was not chosen."""

    format: Format | None = Field(default=None, description="csv, xlsx or parquet; default: the setting export.format.")
    dialect: Dialect | None = Field(
        default=None, description="excel (semicolon, BOM) or rfc4180 (comma); default: the setting export.dialect."
    )
    language: Language | None = Field(
        default=None, description="Header and message in en or fr; default: the setting export.language."
    )
    decimal_hours: bool = Field(
        default=False, description="In csv, one more column at the end: the time spent in decimal hours."
    )
    recipients: tuple[str, ...] = Field(
        default=(), description="Send a link to the file to these addresses, if email.allowed_recipients has them."
    )


class NamedExport(ExportChoices):
    """One export defined in `opco.toml`: beside its choices, when it is made and of which days."""

    schedule: Annotated[str, AfterValidator(checked_time)] | None = Field(
        default=None, description="When it is made: a time of day, or minute, hour, day, month, weekday (cron)."
    )
    period: Period | None = Field(default=None, description="Connections that began in this period.")
    sessions_ended: Period | None = Field(default=None, description="Sessions whose last day lies in this period.")

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if (self.sessions or self.session_ids) and self.sessions_ended:
            raise ValueError("sessions, by name or by id, and sessions_ended exclude each other")
        return self


def read_named_exports(path: Path, tables: Any) -> dict[str, NamedExport]:
    """Return the exports defined by the tables of `[exports]` in the file `path`.

    Raises UserError naming the definition and the key that cannot be used.
    """
    if not isinstance(tables, Mapping) or not all(isinstance(table, Mapping) for table in tables.values()):
        raise UserError(f"{path}: `exports` holds definitions: write each as [exports.NAME] with its keys below.")
    exports = {}
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            raise UserError(
                f"{path}: [exports.{name}] cannot be a name. Use small letters, digits and _, beginning with a letter."
            )
        try:
            exports[name] = NamedExport.model_validate(table)
        except ValidationError as error:
            lines = [_what_is_wrong(path, name, dict(detail)) for detail in error.errors()]
            raise UserError("\n".join(lines)) from error
    return exports


def _what_is_wrong(path: Path, name: str, detail: Mapping[str, Any]) -> str:
    table = f"{path}: [exports.{name}]"
    key = ".".join(str(part) for part in detail["loc"][:1])
    if detail["type"] == "extra_forbidden":
        return f"{table} has an unknown key `{key}`. Known: {', '.join(NamedExport.model_fields)}."
    value = f"`{key}` cannot be {detail['input']!r}: " if key else ""
    reason = str(detail["msg"]).removeprefix("Value error, ").replace("tuple", "list")
    return f"{table}: {value}{reason}."
