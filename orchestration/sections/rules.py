"""Settings of the rules of time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orchestration.sections.kinds import ALLOWED, OrNone, Section, Whole, Zone

Minutes = Annotated[Whole, Field(ge=1, le=525_600)]


class RuleSettings(Section):
    """The settings of the rules of time; they reach dbt as vars of the same names."""

    inactivity_timeout_minutes: Minutes = Field(
        description="Longest silence inside one stay, where the LMS gives events without marks of their end (T3).",
        json_schema_extra={ALLOWED: "whole minutes, 1 to 525600 (a year)"},
    )
    max_connection_minutes: Annotated[Minutes | None, OrNone] = Field(
        description="Cap on one connection: what is beyond it does not count (T5).",
        json_schema_extra={ALLOWED: "whole minutes, 1 to 525600 (a year), or none for no cap"},
    )
    long_connection_minutes: Minutes = Field(
        description="A connection longer than this gets the flag long_connection (T7).",
        json_schema_extra={ALLOWED: "whole minutes, 1 to 525600 (a year)"},
    )
    raw_timezone: Zone = Field(
        description="Time zone of raw instants that carry no offset.",
        json_schema_extra={ALLOWED: "a name of the IANA list, such as Europe/Paris"},
    )
    display_timezone: Zone = Field(
        description="Time zone in which people read days and hours.",
        json_schema_extra={ALLOWED: "a name of the IANA list, such as Europe/Paris"},
    )
