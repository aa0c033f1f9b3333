"""Settings of upkeep: alerts, Dagster's records, log lines, cleaning, forgetting."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from orchestration.home.sections.kinds import Addresses, Number, OrNone, Secret, Section, Time, Whole, Words
from reports.kinds import Allowed, Text

Days = Annotated[
    Annotated[Whole, Field(ge=1, le=36_500), Allowed("a whole number of days from {ge} to {le}")] | None,
    OrNone,
    Allowed("{} for never"),
]
NO_ALERT = Allowed("{} for no such alert")


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
        raise ValueError("the password does not belong in it: set OPCO_DAGSTER__POSTGRES_PASSWORD")
    return url


class AlertSettings(Section):
    """Who receives alerts, and from where on there is one."""

    recipients: Addresses = Field(default=(), description="Who receives alerts by e-mail; without one nobody does.")
    rejected_rows: Annotated[Annotated[Whole, Field(ge=0)] | None, OrNone, NO_ALERT] = Field(
        default=100, description="An alert when a load has more rejected rows of one table than this."
    )
    rejected_pct: Annotated[Annotated[Number, Field(ge=0, le=100)] | None, OrNone, NO_ALERT] = Field(
        default=1.0,
        description="An alert when a load has a larger share of rejected rows of one table than this, in percent.",
    )
    night_hours: Annotated[
        Annotated[Whole, Field(ge=1, le=8760), Allowed("whole hours, {ge} to {le}")] | None, OrNone, NO_ALERT
    ] = Field(default=6, description="An alert when so many hours after the time of a night none has ended well since.")
    stale_days: Annotated[
        Annotated[Whole, Field(ge=1, le=3650), Allowed("whole days, {ge} to {le}")] | None, OrNone, NO_ALERT
    ] = Field(default=7, description="An alert when so many days pass without activity while a session is open.")


def _hosts(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]+", word):
            raise ValueError(f"{word!r} is no host: leave out https://, the port and the path")
    return words


class DagsterSettings(Section):
    """Where Dagster keeps its runs, and under which names its pages are reached."""

    allowed_hosts: Annotated[Words, AfterValidator(_hosts), Allowed("a list of host names and IP addresses")] = Field(
        default=(),
        description="Names under which Dagster's pages are reached from other machines; this machine's own always are.",
    )

    postgres_url: Annotated[
        Text, AfterValidator(_database), Allowed("such as postgresql://opco@db.exemple.fr/dagster, or none")
    ] = Field(
        default=None,
        description="PostgreSQL database of Dagster's runs, without password; none: SQLite in the home's var/dagster.",
    )
    postgres_password: Secret = Field(
        default=None, description="Password of that database's user; taken from the environment only."
    )


class LogSettings(Section):
    """How commands and services write what they say beside their results."""

    format: Literal["text", "json"] = Field(
        default="text", description="Lines on stderr as text for people, or each as one JSON object."
    )


class CleaningSettings(Section):
    """What `opco clean` and the job of the same name remove, and when that job runs."""

    export_days: Days = Field(
        default=365,
        description="Days after which an export file in var/exports goes, with the JSON beside it; what a page asked "
        "for it too.",
    )
    run_days: Days = Field(
        default=90,
        description="Days after which what Dagster keeps of a run goes (the newest of each asset stays); what a page "
        "asked for attestations too.",
    )
    audit_days: Days = Field(
        default=1095,
        description="Days after which a line of the portal's audit log goes; a line says how many went, and why.",
    )
    upload_days: Days = Field(
        default=365,
        description="Days after which an image that somebody sent goes from assets/uploads, if no issue, setting or "
        "run names it.",
    )
    schedule: Annotated[
        Time | None,
        OrNone,
        Allowed("a time of day, five fields of cron such as 30 5 * * 0 (Sundays at half past five), or none"),
    ] = Field(default="30 5 * * 0", description="When the job runs, in the display time zone.")


class ForgettingSettings(Section):
    """When `opco forget` may be asked for."""

    retention_years: Annotated[Whole, Field(ge=0, le=100)] = Field(
        default=6, description="Years after a learner's last connection before which forgetting needs --override."
    )
