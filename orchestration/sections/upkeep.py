"""Settings of who looks after the home: alarms, Dagster's records, log lines, cleaning, forgetting."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from orchestration.sections.kinds import ALLOWED, SECRET, Number, OrNone, Secret, Section, Text, Time, Whole, Words

Days = Annotated[Annotated[Whole, Field(ge=1, le=36_500)] | None, OrNone]
DAYS = "a whole number of days from 1 to 36500, or none for never"


def _database(url: str | None) -> str | None:
    if url is None or url.lower() == "none":
        return None
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError as error:
        raise ValueError("no address of a database") from error
    if parts.scheme != "postgresql" or not parts.path.strip("/"):
        raise ValueError("no address of a PostgreSQL database with its name")
    if password is not None or "password" in parts.query:
        raise ValueError("the password does not belong in it: it stands in OPCO_DAGSTER__POSTGRES_PASSWORD")
    return url


class AlarmSettings(Section):
    """Who is told of what is amiss, and from where on it is."""

    recipients: Words = Field(
        default=(),
        description="Who receives alarms by e-mail; without one nobody does.",
        json_schema_extra={ALLOWED: "a list of e-mail addresses"},
    )
    rejected_rows: Annotated[Annotated[Whole, Field(ge=0)] | None, OrNone] = Field(
        default=100,
        description="An alarm when a load has more rejected rows of one table than this.",
        json_schema_extra={ALLOWED: "a whole number, or none for no such alarm"},
    )
    rejected_pct: Annotated[Annotated[Number, Field(ge=0, le=100)] | None, OrNone] = Field(
        default=1.0,
        description="An alarm when a load has a larger share of rejected rows of one table than this, in percent.",
        json_schema_extra={ALLOWED: "a number from 0 to 100, or none for no such alarm"},
    )
    stale_days: Annotated[Annotated[Whole, Field(ge=1, le=3650)] | None, OrNone] = Field(
        default=7,
        description="An alarm when so many days pass without activity while a session is open.",
        json_schema_extra={ALLOWED: "whole days, 1 to 3650, or none for no such alarm"},
    )


class DagsterSettings(Section):
    """Where Dagster keeps its runs."""

    postgres_url: Annotated[Text, AfterValidator(_database)] = Field(
        default=None,
        description="PostgreSQL database of Dagster's runs, without password; none: SQLite in the home's var/dagster.",
        json_schema_extra={ALLOWED: "such as postgresql://opco@db.exemple.fr/dagster, or none"},
    )
    postgres_password: Secret = Field(
        default=None,
        description="Password of that database's user; taken from the environment only.",
        json_schema_extra={ALLOWED: "text", SECRET: True},
    )


class LogSettings(Section):
    """How commands and services write what they say beside their results."""

    format: Literal["text", "json"] = Field(
        default="text",
        description="Lines on stderr as text for people, or each as one JSON object.",
        json_schema_extra={ALLOWED: "text, json"},
    )


class CleaningSettings(Section):
    """What `opco clean` and the job of the same name remove, and when that job runs."""

    export_days: Days = Field(
        default=365,
        description="Days after which an export file in var/exports goes, with the JSON beside it; what a page asked "
        "for it too.",
        json_schema_extra={ALLOWED: DAYS},
    )
    run_days: Days = Field(
        default=90,
        description="Days after which what Dagster keeps of a run goes (the newest of each asset stays); what a page "
        "asked for attestations too.",
        json_schema_extra={ALLOWED: DAYS},
    )
    schedule: Annotated[Time | None, OrNone] = Field(
        default="30 5 * * 0",
        description="When the job runs, in the display time zone.",
        json_schema_extra={
            ALLOWED: "a time of day, five fields of cron such as 30 5 * * 0 (Sundays at half past five), or none"
        },
    )


class ForgettingSettings(Section):
    """When `opco forget` may be asked for."""

    retention_years: Annotated[Whole, Field(ge=0, le=100)] = Field(
        default=6,
        description="Years after a learner's last connection before which forgetting needs --override.",
        json_schema_extra={ALLOWED: "a whole number from 0 to 100"},
    )
