"""Which lines, and which custom fields, an export holds (E): one definition for every way of asking.

Names compare in Unicode form C, whichever way a letter and its accent were written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Self

import duckdb
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from reports.days import EXAMPLES, read_day
from warehouse.errors import UserError

NAMED_UNKNOWN_VALUES = 10
"""So many unknown values are named in one error; the others are counted."""


@dataclass(frozen=True)
class _Named:
    """Things that a filter's values name: `names` is a query of (name, id, any_case)."""

    noun: str
    names: str


_NAMED = {
    "users": _Named(
        "user",
        """
        select user_id as name, user_id as id, false as any_case from dim_learners
        union all
        select email, user_id, true from dim_learners where email is not null
        """,
    ),
    "groups": _Named(
        "group",
        """
        select group_id as name, group_id as id, false as any_case from dim_groups
        union all
        select group_name, group_id, false from dim_groups
        """,
    ),
    "sessions": _Named(
        "session",
        """
        select session_id as name, session_id as id, false as any_case from dim_program_sessions
        union all
        select session_name, session_id, false from dim_program_sessions
        """,
    ),
    "custom_fields": _Named(
        "custom field",
        """
        select custom_field_id as name, custom_field_id as id, false as any_case from dim_custom_fields
        union all
        select title, custom_field_id, false from dim_custom_fields
        """,
    ),
}


def _calendar_day(value: object, info: ValidationInfo) -> object:
    # Left to itself, pydantic would take 0 for a day of 1970.
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        if isinstance(value, str):
            return read_day(value)
    except ValueError:
        pass
    which = "first day (date_from, --from)" if info.field_name == "date_from" else "last day (date_to, --to)"
    raise UserError(
        f"The export's {which} cannot be {value!r}: it is no day of the calendar. Write it like {EXAMPLES}."
    )


ById = Annotated[bool, Field(description="All values are ids, letter by letter: no name is meant.")]
Day = Annotated[date | None, BeforeValidator(_calendar_day)]


class NamedValues(BaseModel):
    """The filters of an export whose values name something (E), however an export is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: tuple[str, ...] = Field(default=(), description="Only these learners: e-mail (any case) or id.")
    groups: tuple[str, ...] = Field(
        default=(), description="Only members of these groups or their sub-groups: name or id."
    )
    sessions: tuple[str, ...] = Field(default=(), description="Only these program sessions: id or exact name.")
    custom_fields: tuple[str, ...] = Field(
        default=(), description="Only these custom fields as columns: title or id; none: all."
    )


class ExportFilters(NamedValues):
    """The filters of an export (E). All combine with *and*, the values of one with *or*; none given keeps all.

    Raises UserError for what is no day, a `date_to` before `date_from` and a blank value.
    """

    date_from: Day = Field(default=None, description="First day of connection, in the display time zone.")
    date_to: Day = Field(default=None, description="Last day of connection, included.")
    by_id: ById = False

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.date_from and self.date_to and self.date_to < self.date_from:
            raise UserError(
                f"The export's last day ({self.date_to}) is before its first ({self.date_from}). Swap the two dates."
            )
        for kind, named in _NAMED.items():
            if any(not value.strip() for value in getattr(self, kind)):
                raise UserError(f"The export's filter has a blank {named.noun}. Give a name or an id, or leave it out.")
        return self


def check_filters(db: duckdb.DuckDBPyConnection, filters: ExportFilters) -> None:
    """Raise UserError when a value of `filters` matches nothing, naming it and the three nearest existing ones (E)."""
    unknown = [
        (named, value)
        for kind, named in _NAMED.items()
        # A filter that was not given needs no look at a hundred thousand names.
        if getattr(filters, kind)
        for (value,) in db.execute(
            f"""
            with
            names as ({named.names}),
            wanted as (select unnest(cast($wanted as varchar[])) as value)
            select distinct value
            from wanted
            where
                case when $by_id then value not in (select id from names)
                else
                    nfc_normalize(value) not in (select nfc_normalize(name) from names where not any_case)
                    and lower(nfc_normalize(value)) not in (select lower(nfc_normalize(name)) from names where any_case)
                end
            order by value
            """,
            {"wanted": list(getattr(filters, kind)), "by_id": filters.by_id},
        ).fetchall()
    ]
    if unknown:
        complaints = [
            f'No {named.noun} "{value}" in the warehouse. {_nearest(db, named, value)}'
            for named, value in unknown[:NAMED_UNKNOWN_VALUES]
        ]
        if len(unknown) > NAMED_UNKNOWN_VALUES:
            complaints.append(f"… and {len(unknown) - NAMED_UNKNOWN_VALUES} more values that match nothing.")
        raise UserError("\n".join(complaints))


def _nearest(db: duckdb.DuckDBPyConnection, named: _Named, value: str) -> str:
    """Name the three existing names that take the fewest edits to become `value`, case apart."""
    nearest = db.execute(
        f"""
        select name
        from ({named.names})
        group by name
        order by levenshtein(lower(nfc_normalize(name)), lower(nfc_normalize($value))), name
        limit 3
        """,
        {"value": value},
    ).fetchall()
    if not nearest:
        return f"It has no {named.noun} at all."
    return "Nearest: " + ", ".join(f'"{name}"' for (name,) in nearest) + "."


def where_clause(filters: ExportFilters) -> tuple[str, dict[str, object]]:
    """Return the condition on fct_opco_connections (as `fact`) for `filters`, and its parameters (E)."""
    conditions = ["true"]
    parameters: dict[str, object] = {}
    if filters.date_from:
        conditions.append("fact.connected_on >= $date_from")
        parameters["date_from"] = filters.date_from
    if filters.date_to:
        conditions.append("fact.connected_on <= $date_to")
        parameters["date_to"] = filters.date_to
    if filters.users:
        conditions.append(f"fact.user_id in ({_ids(filters, 'users')})")
        parameters["users"] = list(filters.users)
    if filters.groups:
        conditions.append(
            f"fact.user_id in (select user_id from bridge_group_members where group_id in ({_ids(filters, 'groups')}))"
        )
        parameters["groups"] = list(filters.groups)
    if filters.sessions:
        conditions.append(f"fact.session_id in ({_ids(filters, 'sessions')})")
        parameters["sessions"] = list(filters.sessions)
    return " and ".join(conditions), parameters


def _ids(filters: ExportFilters, kind: str) -> str:
    """Return the query of the ids that the values bound as `$kind` name."""
    wanted = f"unnest(cast(${kind} as varchar[]))"
    if filters.by_id:
        return f"select {wanted}"
    return f"""
        select id
        from ({_NAMED[kind].names})
        where
            (not any_case and nfc_normalize(name) in (select nfc_normalize({wanted})))
            or (any_case and lower(nfc_normalize(name)) in (select lower(nfc_normalize({wanted}))))
    """
