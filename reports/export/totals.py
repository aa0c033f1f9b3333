"""What a workbook adds up of its own lines: by learner, by session, by month, each in a sheet whose last row is all.

A sheet's rows are those that the filters leave, grouped: their times add up to those of the lines, to the minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from reports.export.columns import Column, Kind, Language, Level
from reports.export.lines import Selection


@dataclass(frozen=True)
class Totals:
    """One way to add up: `key` is SQL over a line, `details` a relation of what is known of each `group_key`, if any.

    `columns` and `order` name the group_key, what `details` has of it, and what is counted of its lines.
    """

    name: str
    titles: Mapping[Language, str]
    key: str
    details: str | None
    order: str
    columns: tuple[Column, ...]
    notes: Mapping[Language, tuple[str, ...]]

    @property
    def table(self) -> str:
        """The temporary table of its rows in their order, each with `is_total`."""
        return f"export_totals_{self.name}"

    def gather(self, db: duckdb.DuckDBPyConnection, selection: Selection) -> int:
        """Make its table of the selected lines, and return the number of its rows: the last is the total of all."""
        details = f"left join ({self.details}) using (group_key)" if self.details else ""
        db.execute(
            f"""
            create or replace temp table {self.table} as
            with
            totals as (
                select
                    {self.key} as group_key,
                    grouping({self.key}) = 1 as is_total,
                    count(distinct fact.user_id) as learners,
                    count(distinct fact.session_id) as sessions,
                    count(*) as connections,
                    count(*) filter (where fact.disconnected_at is null) as open_connections,
                    cast(coalesce(sum(fact.time_spent_minutes), 0) as bigint) as minutes
                from {selection.source}
                group by grouping sets (({self.key}), ())
            )

            select totals.is_total, {", ".join(column.name for column in self.columns)}
            from totals
            {details}
            order by totals.is_total, {self.order}
            """,
            selection.parameters,
        )
        ((rows,),) = db.execute(f"select count(*) from {self.table}").fetchall()
        return int(rows)


def _count(name: str, english: str, french: str) -> Column:
    return Column(name, english, french, Level.CONNECTION, Kind.COUNT)


def _text(name: str, english: str, french: str) -> Column:
    return Column(name, english, french, Level.CONNECTION)


_LEARNERS = _count("learners", "Learners", "Apprenants")
_SESSIONS = _count("sessions", "Sessions", "Sessions")
# The last two are what is read back from the file.
_TIMES = (
    _count("connections", "Connections", "Connexions"),
    _count("open_connections", "of which open", "dont ouvertes"),
    Column("minutes", "Time spent (h:mm)", "Temps passé (h:mm)", Level.CONNECTION, Kind.TOTAL_MINUTES),
    Column("minutes", "Time spent (hours)", "Temps passé (heures)", Level.CONNECTION, Kind.DECIMAL_HOURS),
)
_NOTES: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "Time spent: the sum of the lines of the sheet Connections, of which open ones have none.",
        "What overlaps counts each time here; an attestation counts it once, to the second, and may differ.",
    ),
    "fr": (
        "Temps passé : somme des lignes de la feuille Connexions ; celles qui sont ouvertes n’en ont pas.",
        "Ce qui se chevauche compte chaque fois ; l’attestation le compte une fois, à la seconde, et peut différer.",
    ),
}
_ONCE: Mapping[Language, str] = {
    "en": "A learner of several rows counts once in the total.",
    "fr": "Un apprenant présent sur plusieurs lignes compte une fois dans le total.",
}
_BEGINS: Mapping[Language, str] = {
    "en": "A connection counts in the month in which it began.",
    "fr": "Une connexion compte dans le mois où elle a commencé.",
}
_SESSION_ONCE: Mapping[Language, str] = {
    "en": "A session of several rows counts once in the total.",
    "fr": "Une session présente sur plusieurs lignes compte une fois dans le total.",
}


def _notes(*more: Mapping[Language, str]) -> Mapping[Language, tuple[str, ...]]:
    return {language: (*notes, *(one[language] for one in more)) for language, notes in _NOTES.items()}


TOTALS = (
    Totals(
        name="learner",
        titles={"en": "By learner", "fr": "Par apprenant"},
        key="fact.user_id",
        details="select user_id as group_key, user_id, last_name, first_name, email from dim_learners",
        order="""
            nullif(lower(strip_accents(last_name)), '') nulls last,
            nullif(lower(strip_accents(first_name)), '') nulls last,
            length(group_key),
            group_key
        """,
        columns=(
            _text("last_name", "Last name", "Nom"),
            _text("first_name", "First name", "Prénom"),
            _text("email", "Email", "E-mail"),
            _text("user_id", "User ID", "ID de l’apprenant"),
            _SESSIONS,
            *_TIMES,
        ),
        notes=_notes(_SESSION_ONCE),
    ),
    Totals(
        name="session",
        titles={"en": "By session", "fr": "Par session"},
        key="fact.session_id",
        details="""
            select session_id as group_key, session_id, session_name, program_template_name from dim_program_sessions
        """,
        order="""
            nullif(lower(strip_accents(session_name)), '') nulls last,
            length(group_key),
            group_key
        """,
        columns=(
            _text("session_name", "Session", "Session"),
            _text("session_id", "Session ID", "ID de session"),
            _text("program_template_name", "Program template", "Modèle de programme"),
            _LEARNERS,
            *_TIMES,
        ),
        notes=_notes(_ONCE),
    ),
    Totals(
        name="month",
        titles={"en": "By month", "fr": "Par mois"},
        key="date_trunc('month', fact.connected_on)",
        details=None,
        order="group_key",
        columns=(
            Column("group_key", "Month", "Mois", Level.CONNECTION, Kind.MONTH),
            _LEARNERS,
            _SESSIONS,
            *_TIMES,
        ),
        notes=_notes(_BEGINS, _ONCE, _SESSION_ONCE),
    ),
)
