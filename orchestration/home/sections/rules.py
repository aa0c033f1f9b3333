"""Settings of the rules of time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orchestration.home.sections.kinds import OrNone, Section, Whole, Zone
from reports.kinds import Allowed

Minutes = Annotated[Whole, Field(ge=1, le=525_600), Allowed("whole minutes, {ge} to {le} (a year)")]


class RuleSettings(Section):
    """The settings of the rules of time; they reach dbt as vars of the same names."""

    inactivity_timeout_minutes: Minutes = Field(
        description="Longest silence inside one stay, where the LMS gives events without marks of their end (T3)."
    )
    max_connection_minutes: Annotated[Minutes | None, OrNone, Allowed("{} for no cap")] = Field(
        description="Cap on one connection: what is beyond it does not count (T5)."
    )
    long_connection_minutes: Minutes = Field(
        description="A connection longer than this gets the flag long_connection (T7)."
    )
    raw_timezone: Zone = Field(description="Time zone of raw instants that carry no offset.")
    display_timezone: Zone = Field(description="Time zone in which people read days and hours.")


class IdentitySettings(Section):
    """Which accounts are one person, beside `identities.csv` (T5); they reach dbt as the var `identities`."""

    by_email: bool = Field(
        description="Whether accounts of one e-mail, in any case, are one person, where identities.csv names neither."
    )
