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
from warehouse.sql import quoted_literal

NAMED_UNKNOWN_VALUES = 10
"""So many unknown values are named in one error; the others are counted."""


@dataclass(frozen=True)
class _Named:
    """Things that a filter's values name: `names` is a query of (name, id, any_case)."""

    noun: str
    names: str
    is_id: bool = False
    """Whether the values are ids alone, letter by letter."""


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
    "session_ids": _Named(
        "session id",
        "select session_id as name, session_id as id, false as any_case from dim_program_sessions",
        is_id=True,
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

# A title may hold the sign too: any of its places may be the one between a field and its value.
_CONDITIONS = """
    splits as (
        select
            condition,
            trim(array_to_string(parts[:place], '=')) as field,
            trim(array_to_string(parts[place + 1:], '=')) as value
        from (
            select condition, string_split(condition, '=') as parts, unnest(range(1, len(parts))) as place
            from (select unnest(cast($where as varchar[])) as condition)
        )
    ),

    named as (
        select
            splits.condition,
            splits.field,
            splits.value,
            list(fields.custom_field_id order by fields.custom_field_id) as field_ids
        from splits
        inner join dim_custom_fields as fields
            on
                splits.field = fields.custom_field_id
                or (
                    not $where_by_id
                    and nfc_normalize(splits.field)
                    in (nfc_normalize(fields.title), nfc_normalize(fields.custom_field_id))
                )
        group by splits.condition, splits.field, splits.value
    ),

    held as (
        select named.condition, named.field, named.field_ids, learners.user_id
        from (select *, unnest(field_ids) as custom_field_id from named) as named
        inner join bridge_learner_custom_fields as learners
            on
                named.custom_field_id = learners.custom_field_id
                and (
                    nfc_normalize(learners.value) = nfc_normalize(named.value)
                    or strftime(learners.value_date, '%d/%m/%Y') = named.value
                )
    )
"""


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
    session_ids: tuple[str, ...] = Field(
        default=(), description="Only these program sessions too: id alone, for an id that is another session's name."
    )
    where: tuple[str, ...] = Field(
        default=(),
        description="Only learners whose custom field has exactly this value: FIELD=VALUE, the field's title or id.",
    )
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
        for condition in self.where:
            places = [place for place, sign in enumerate(condition) if sign == "="]
            if not any(condition[:place].strip() and condition[place + 1 :].strip() for place in places):
                raise UserError(
                    f"The export's filter {condition!r} is no custom field with a value. Write it like OPCO=Akto: the "
                    "field's title or id, the sign =, the value."
                )
        return self


def check_filters(db: duckdb.DuckDBPyConnection, filters: ExportFilters) -> None:
    """Raise UserError when a value of `filters` matches nothing, naming it and the three nearest existing ones (E)."""
    unknown = [
        (f'{named.noun} "{value}"', named.noun, named.names, value)
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
            {"wanted": list(getattr(filters, kind)), "by_id": filters.by_id or named.is_id},
        ).fetchall()
    ]
    unknown += _unknown_conditions(db, filters)
    if unknown:
        complaints = [
            f"No {what} in the warehouse. {_nearest(db, noun, names, value)}"
            for what, noun, names, value in unknown[:NAMED_UNKNOWN_VALUES]
        ]
        if len(unknown) > NAMED_UNKNOWN_VALUES:
            complaints.append(f"… and {len(unknown) - NAMED_UNKNOWN_VALUES} more values that match nothing.")
        raise UserError("\n".join(complaints))


def _unknown_conditions(db: duckdb.DuckDBPyConnection, filters: ExportFilters) -> list[tuple[str, str, str, str]]:
    """Return what no learner has of the conditions on custom fields: what it is, its noun, the names there are, itself.

    Raises UserError for a condition that two fields give a meaning: one whose title holds the sign `=`.
    """
    if not filters.where:
        return []
    unknown = []
    for condition, held_fields, field, value, field_ids in db.execute(
        f"""
        with {_CONDITIONS}
        select
            splits.condition,
            list(distinct held.field order by held.field) filter (where held.field is not null) as held_fields,
            arg_min(coalesce(named.field, splits.field), (named.field is null, length(splits.field))) as field,
            arg_min(splits.value, (named.field is null, length(splits.field))) as value,
            arg_min(named.field_ids, length(splits.field)) as field_ids
        from splits
        left join named on splits.condition = named.condition and splits.field = named.field
        left join (select distinct condition, field from held) as held
            on named.condition = held.condition and named.field = held.field
        where splits.field <> '' and splits.value <> ''
        group by splits.condition
        order by splits.condition
        """,
        _parameters_of_conditions(filters),
    ).fetchall():
        if held_fields and len(held_fields) > 1:
            raise UserError(
                f"The export's filter {condition!r} can mean each of the custom fields "
                f"{', '.join(map(repr, held_fields))}. Write the id of the one that is meant in its place."
            )
        if not held_fields and field_ids:
            noun = f'value of the custom field "{field}"'
            ids = ", ".join(map(quoted_literal, field_ids))
            names = f"""
                select coalesce(strftime(value_date, '%d/%m/%Y'), value) as name
                from bridge_learner_custom_fields
                where custom_field_id in ({ids})
            """
            unknown.append((f'value "{value}" of the custom field "{field}"', noun, names, value))
        elif not held_fields:
            named = _NAMED["custom_fields"]
            unknown.append((f'{named.noun} "{field}"', named.noun, named.names, field))
    return unknown


def _parameters_of_conditions(filters: ExportFilters) -> dict[str, object]:
    return {"where": list(filters.where), "where_by_id": filters.by_id}


def _nearest(db: duckdb.DuckDBPyConnection, noun: str, names: str, value: str) -> str:
    """Name the three existing names that take the fewest edits to become `value`, case apart."""
    nearest = db.execute(
        f"""
        select name
        from ({names})
        group by name
        order by levenshtein(lower(nfc_normalize(name)), lower(nfc_normalize($value))), name
        limit 3
        """,
        {"value": value},
    ).fetchall()
    if not nearest:
        return f"It has no {noun} at all."
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
    if kinds := [kind for kind in ("sessions", "session_ids") if getattr(filters, kind)]:
        conditions.append(f"({' or '.join(f'fact.session_id in ({_ids(filters, kind)})' for kind in kinds)})")
        parameters |= {kind: list(getattr(filters, kind)) for kind in kinds}
    if filters.where:
        # The values of one field hold apart, fields together: a learner has a value of each.
        conditions.append(
            f"""
            fact.user_id in (
                with {_CONDITIONS}
                select user_id
                from held
                group by user_id
                having count(distinct field_ids) = (select count(distinct field_ids) from held)
            )
            """
        )
        parameters |= _parameters_of_conditions(filters)
    return " and ".join(conditions), parameters


def _ids(filters: ExportFilters, kind: str) -> str:
    """Return the query of the ids that the values bound as `$kind` name."""
    wanted = f"unnest(cast(${kind} as varchar[]))"
    if filters.by_id or _NAMED[kind].is_id:
        return f"select {wanted}"
    return f"""
        select id
        from ({_NAMED[kind].names})
        where
            (not any_case and nfc_normalize(name) in (select nfc_normalize({wanted})))
            or (any_case and lower(nfc_normalize(name)) in (select lower(nfc_normalize({wanted}))))
    """
