"""The columns of the export file, in their order: headers and values, each defined once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import duckdb

Language = Literal["en", "fr"]


class Kind(StrEnum):
    """What a column holds, for the writers to format."""

    TEXT = "text"
    TEXTS = "texts"
    """A list of texts."""
    DATE = "date"
    INSTANT = "instant"
    """A UTC timestamp, printed in the display time zone."""
    DURATION_MINUTES = "duration_minutes"
    """Whole minutes."""
    SECONDS = "seconds"
    """Whole seconds."""
    TOTAL_MINUTES = "total_minutes"
    """Whole minutes of several lines: as hours and minutes, at any length."""
    DECIMAL_HOURS = "decimal_hours"
    """Whole minutes, written as hours with decimals."""
    COUNT = "count"
    MONTH = "month"
    """The first day of a month."""


class Level(StrEnum):
    """Whose the value is: it is the same on every line of that learner, session or course."""

    LEARNER = "learner"
    SESSION = "session"
    COURSE = "course"
    CONNECTION = "connection"


@dataclass(frozen=True)
class Column:
    """One column: `name` is its column in fct_opco_connections."""

    name: str
    header_en: str
    header_fr: str
    level: Level
    kind: Kind = Kind.TEXT
    custom_field_id: str | None = None

    def header(self, language: Language) -> str:
        """Return the header as it reads in `language`, not yet made safe for a format."""
        return self.header_fr if language == "fr" else self.header_en


COLUMNS_BEFORE_FIELDS = (
    Column("last_name", "Last name", "Nom", Level.LEARNER),
    Column("first_name", "First name", "Prénom", Level.LEARNER),
    Column("email", "Email", "E-mail", Level.LEARNER),
)

COLUMNS_AFTER_FIELDS = (
    Column("additional_information", "Additional information", "Informations complémentaires", Level.LEARNER),
    Column("labels", "Labels", "Étiquettes", Level.LEARNER, Kind.TEXTS),
    Column("session_name", "Session", "Session", Level.SESSION),
    Column("session_id", "Session ID", "ID de session", Level.SESSION),
    Column("program_template_name", "Program template", "Modèle de programme", Level.SESSION),
    Column("program_template_id", "Program template ID", "ID du modèle de programme", Level.SESSION),
    Column("course_name", "Course", "Cours", Level.COURSE),
    Column("connected_at", "Connected", "Connecté le", Level.CONNECTION, Kind.INSTANT),
    Column("disconnected_at", "Disconnected", "Déconnecté le", Level.CONNECTION, Kind.INSTANT),
    Column("time_spent_minutes", "Time spent", "Temps passé", Level.CONNECTION, Kind.DURATION_MINUTES),
)

DECIMAL_HOURS = Column(
    "time_spent_minutes", "Time spent (hours)", "Temps passé (heures)", Level.CONNECTION, Kind.DECIMAL_HOURS
)
"""What a CSV file has at its end where it is asked for: a time that a spreadsheet adds up as it is."""

PARQUET_COLUMNS = (
    Column("connection_id", "Connection ID", "ID de connexion", Level.CONNECTION),
    Column("user_id", "User ID", "ID de l’apprenant", Level.LEARNER),
    Column("course_id", "Course ID", "ID du cours", Level.COURSE),
    Column("elapsed_seconds", "Elapsed seconds", "Secondes écoulées", Level.CONNECTION, Kind.SECONDS),
    Column("capped_seconds", "Capped seconds", "Secondes plafonnées", Level.CONNECTION, Kind.SECONDS),
    Column("overlap_seconds", "Overlap seconds", "Secondes en chevauchement", Level.CONNECTION, Kind.SECONDS),
    Column("retained_seconds", "Retained seconds", "Secondes retenues", Level.CONNECTION, Kind.SECONDS),
    Column("evidence_level", "Evidence level", "Niveau de preuve", Level.CONNECTION),
    Column("end_kind", "End kind", "Mode de fin", Level.CONNECTION),
    Column("flags", "Flags", "Signalements", Level.CONNECTION, Kind.TEXTS),
)
"""What Parquet holds beside the file's columns (E): the other keys, the seconds of T5, evidence, end kind, flags."""


def export_columns(
    db: duckdb.DuckDBPyConnection, wanted_fields: tuple[str, ...], *, by_id: bool = False
) -> tuple[Column, ...]:
    """Return the file's columns (E): the fixed ones and, in the warehouse's order, those of the custom fields.

    `wanted_fields` are titles or ids that exist, with `by_id` ids alone; none given means every kept field.
    """
    fields = db.execute(
        """
        select custom_field_id, title, value_type, column_name
        from dim_custom_fields
        where
            len(cast($wanted as varchar[])) = 0
            or list_contains(cast($wanted as varchar[]), custom_field_id)
            or (
                not $by_id
                and list_has_any(
                    list_transform(cast($wanted as varchar[]), lambda name: nfc_normalize(name)),
                    [nfc_normalize(title), nfc_normalize(custom_field_id)]
                )
            )
        order by field_position
        """,
        {"wanted": list(wanted_fields), "by_id": by_id},
    ).fetchall()
    field_columns = tuple(
        Column(
            name=column_name,
            header_en=title,
            header_fr=title,
            level=Level.LEARNER,
            kind=Kind.DATE if value_type == "date" else Kind.TEXT,
            custom_field_id=custom_field_id,
        )
        for custom_field_id, title, value_type, column_name in fields
    )
    return COLUMNS_BEFORE_FIELDS + field_columns + COLUMNS_AFTER_FIELDS
