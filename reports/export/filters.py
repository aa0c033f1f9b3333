"""Which lines, and which custom fields, an export holds (E): one definition for every way of asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Self

import duckdb
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

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
            return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        pass
    which = "first day (date_from, --from)" if info.field_name == "date_from" else "last day (date_to, --to)"
    raise UserError(
        f"The export's {which} cannot be {value!r}: it is no day of the calendar written as YYYY-MM-DD, "
        f"such as {_meant(value)}."
    )


def _meant(value: object) -> str:
    """Return the day that a French day such as 01/09/2026 is, else an example."""
    try:
        return datetime.strptime(str(value), "%d/%m/%Y").date().isoformat()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        return "2026-09-01"


Day = Annotated[date | None, BeforeValidator(_calendar_day)]


class ExportFilters(BaseModel):
    """The filters of an export (E). All combine with *and*, the values of one with *or*; none given keeps all.

    Raises UserError for what is no day (YYYY-MM-DD), a `date_to` before `date_from` and a blank value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    date_from: Day = Field(default=None, description="First day of connections, in the display time zone, inclusive")
    date_to: Day = Field(default=None, description="Last day of connections, in the display time zone, inclusive")
    users: tuple[str, ...] = Field(default=(), description="E-mail addresses, in any case, or user ids")
    groups: tuple[str, ...] = Field(default=(), description="Group names or ids; members of sub-groups count")
    sessions: tuple[str, ...] = Field(default=(), description="Session ids or exact session names")
    custom_fields: tuple[str, ...] = Field(
        default=(), description="Titles or ids of the custom fields that become columns"
    )

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


def check_filters(connection: duckdb.DuckDBPyConnection, filters: ExportFilters) -> None:
    """Raise UserError when a value of `filters` matches nothing, naming it and the three nearest existing ones (E)."""
    unknown = [
        (named, value)
        for kind, named in _NAMED.items()
        # A filter that was not given needs no look at a hundred thousand names.
        if getattr(filters, kind)
        for (value,) in connection.execute(
            f"""
            with
            names as ({named.names}),
            wanted as (select unnest(cast($wanted as varchar[])) as value)
            select distinct value
            from wanted
            where
                value not in (select name from names where not any_case)
                and lower(value) not in (select lower(name) from names where any_case)
            order by value
            """,
            {"wanted": list(getattr(filters, kind))},
        ).fetchall()
    ]
    if unknown:
        complaints = [
            f'No {named.noun} "{value}" in the warehouse. {_nearest(connection, named, value)}'
            for named, value in unknown[:NAMED_UNKNOWN_VALUES]
        ]
        if len(unknown) > NAMED_UNKNOWN_VALUES:
            complaints.append(f"… and {len(unknown) - NAMED_UNKNOWN_VALUES} more values that match nothing.")
        raise UserError("\n".join(complaints))


def _nearest(connection: duckdb.DuckDBPyConnection, named: _Named, value: str) -> str:
    """Name the three existing names that take the fewest edits to become `value`, case apart."""
    nearest = connection.execute(
        f"""
        select name
        from ({named.names})
        group by name
        order by levenshtein(lower(name), lower($value)), name
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
        conditions.append(f"fact.user_id in ({_ids('users')})")
        parameters["users"] = list(filters.users)
    if filters.groups:
        conditions.append(
            f"fact.user_id in (select user_id from bridge_group_members where group_id in ({_ids('groups')}))"
        )
        parameters["groups"] = list(filters.groups)
    if filters.sessions:
        conditions.append(f"fact.session_id in ({_ids('sessions')})")
        parameters["sessions"] = list(filters.sessions)
    return " and ".join(conditions), parameters


def _ids(kind: str) -> str:
    """Return the query of the ids that the values bound as `$kind` name."""
    wanted = f"unnest(cast(${kind} as varchar[]))"
    return f"""
        select id
        from ({_NAMED[kind].names})
        where
            (not any_case and name in (select {wanted}))
            or (any_case and lower(name) in (select lower({wanted})))
    """
