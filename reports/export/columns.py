"""The columns of the export file, in their order: headers and values, each defined once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import duckdb

from warehouse.sql import quoted_identifier

Language = Literal["en", "fr"]


class Kind(StrEnum):
    """What a column's SQL value is, for the writers to format."""

    TEXT = "text"
    DATE = "date"
    LOCAL_INSTANT = "local_instant"
    """A timestamp in the display time zone."""
    DURATION_MINUTES = "duration_minutes"
    """Whole minutes."""


@dataclass(frozen=True)
class Column:
    """One column: `name` is its column in fct_opco_connections, `sql` its typed value over that table as `fact`."""

    name: str
    header_en: str
    header_fr: str
    sql: str
    kind: Kind = Kind.TEXT
    custom_field_id: str | None = None

    def header(self, language: Language) -> str:
        """Return the header as it reads in `language`, not yet made safe for a format."""
        return self.header_fr if language == "fr" else self.header_en


COLUMNS_BEFORE_FIELDS = (
    Column("last_name", "Last name", "Nom", "fact.last_name"),
    Column("first_name", "First name", "Prénom", "fact.first_name"),
    Column("email", "Email", "E-mail", "fact.email"),
)

COLUMNS_AFTER_FIELDS = (
    Column(
        "additional_information",
        "Additional information",
        "Informations complémentaires",
        "fact.additional_information",
    ),
    Column("labels", "Labels", "Étiquettes", "array_to_string(fact.labels, ', ')"),
    Column("session_name", "Session", "Session", "fact.session_name"),
    Column("session_id", "Session ID", "ID de session", "fact.session_id"),
    Column("program_template_name", "Program template", "Modèle de programme", "fact.program_template_name"),
    Column("program_template_id", "Program template ID", "ID du modèle de programme", "fact.program_template_id"),
    Column("course_name", "Course", "Cours", "fact.course_name"),
    Column(
        "connected_at",
        "Connected",
        "Connecté le",
        "timezone($display_timezone, timezone('UTC', fact.connected_at))",
        Kind.LOCAL_INSTANT,
    ),
    Column(
        "disconnected_at",
        "Disconnected",
        "Déconnecté le",
        "timezone($display_timezone, timezone('UTC', fact.disconnected_at))",
        Kind.LOCAL_INSTANT,
    ),
    Column("time_spent_minutes", "Time spent", "Temps passé", "fact.time_spent_minutes", Kind.DURATION_MINUTES),
)


def export_columns(connection: duckdb.DuckDBPyConnection, wanted_fields: tuple[str, ...]) -> tuple[Column, ...]:
    """Return the file's columns (E): the fixed ones and, in the warehouse's order, those of the custom fields.

    `wanted_fields` are titles or ids that exist; none given means every kept field.
    """
    fields = connection.execute(
        """
        select custom_field_id, title, value_type, column_name
        from dim_custom_fields
        where
            len(cast($wanted as varchar[])) = 0
            or list_contains(cast($wanted as varchar[]), title)
            or list_contains(cast($wanted as varchar[]), custom_field_id)
        order by field_position
        """,
        {"wanted": list(wanted_fields)},
    ).fetchall()
    field_columns = tuple(
        Column(
            name=column_name,
            header_en=title,
            header_fr=title,
            sql=f"fact.{quoted_identifier(column_name)}",
            kind=Kind.DATE if value_type == "date" else Kind.TEXT,
            custom_field_id=custom_field_id,
        )
        for custom_field_id, title, value_type, column_name in fields
    )
    return COLUMNS_BEFORE_FIELDS + field_columns + COLUMNS_AFTER_FIELDS
