"""The settings of a Moodle: `[sources.NAME]` of `kind = "moodle"`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator

from connectors.settings import SourceSettings
from connectors.source import Source

SCHEMES = ("postgresql", "postgres", "mysql", "mariadb")
_NAME = r"^[A-Za-z0-9_$]*$"


class MoodleSettings(SourceSettings):
    """Where Moodle's database is, and what of it is a session, a program and a course."""

    model_config = ConfigDict(populate_by_name=True)

    database: str = Field(
        description="URL of Moodle's database without the password: postgresql://USER@HOST/DATABASE or "
        "mysql://USER@HOST/DATABASE; sslmode and ssl_ca may follow behind a question mark."
    )
    password: SecretStr | None = Field(default=None, description="The password; the environment alone may give it.")
    sessions: Literal["course", "group", "cohort"] = Field(
        default="course", description="What a program session is; opco check-source shows what each gives."
    )
    programs: Literal["category", "course"] = Field(default="category", description="What a program template is.")
    activities: Literal["course", "section", "activity"] = Field(
        default="course", description="What a course of the export is: Moodle's course, its section, or its activity."
    )
    session_dates: dict[str, tuple[date | None, date | None]] = Field(
        default_factory=dict, description="First and last day of sessions by their id; cohorts and groups have none."
    )
    duration_field: str | None = Field(
        default=None, description="Short name of the course custom field that holds the planned hours."
    )
    learner_roles: tuple[str, ...] = Field(
        default=("student",), description="Archetypes, or short names, of the roles that learners have in a course."
    )
    restored_events: bool = Field(
        default=False, description="Take events older than their course: copies that a restore brought along."
    )
    cohort_labels: bool = Field(default=False, description="Deliver the cohorts' names as labels of their members.")
    course_groups: bool = Field(default=False, description="Deliver the groups within courses as groups too.")
    prefix: Annotated[str | None, Field(pattern=_NAME)] = Field(
        default=None, description="Prefix of Moodle's tables; found by itself where the database holds one Moodle."
    )
    db_schema: Annotated[str | None, Field(pattern=_NAME)] = Field(
        default=None, alias="schema", description="Schema of PostgreSQL in which the tables are."
    )
    log_table: Annotated[str | None, Field(pattern=_NAME)] = Field(
        default=None,
        description="Table of the log, with its prefix, where another store than the standard one keeps it.",
    )
    timezone: str = Field(
        default="Europe/Paris",
        description="Time zone of the days in session_dates, and of dates where Moodle's own says none.",
    )
    language: Literal["fr", "en"] = Field(
        default="fr", description="Language of checkboxes, and of names that Moodle has in several."
    )
    statement_timeout: int = Field(
        default=0, ge=0, description="Seconds that a query may take; 0: as long as the server allows."
    )

    @field_validator("database")
    @classmethod
    def _is_url_without_password(cls, url: str) -> str:
        scheme, separator, rest = url.partition("://")
        if not separator or scheme not in SCHEMES:
            raise ValueError("write postgresql://USER@HOST/DATABASE or mysql://USER@HOST/DATABASE")
        if ":" in rest.rpartition("@")[0] or "password=" in rest:
            raise ValueError("a password does not belong in the file: set the environment variable")
        return url

    def source(self) -> Source:
        """Return the source; see `SourceSettings.source`."""
        from connectors.moodle.source import MoodleSource

        return MoodleSource(self)
