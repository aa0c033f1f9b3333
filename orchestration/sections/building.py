"""Settings of builds, and of the runs that begin by themselves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from orchestration.sections.kinds import ALLOWED, OrNone, Section, Text, Time, Whole, Words, Zone
from orchestration.sections.rules import RuleSettings


class BuildSettings(Section):
    """Where a build takes its data from, and how much of the machine it may use."""

    raw_folder: Text = Field(
        default=None,
        description="Raw folder of a build that is told none, such as one from Dagster's pages; relative to the home.",
        json_schema_extra={ALLOWED: "a folder"},
    )
    threads: Annotated[Whole, Field(ge=1, le=256)] = Field(
        default=2, description="Threads of the build.", json_schema_extra={ALLOWED: "a whole number from 1 to 256"}
    )
    memory_limit: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^[1-9][0-9]{0,5} ?(MB|GB|MiB|GiB)$")
    ] = Field(
        default="4GB",
        description="Memory that the build's database may take; beyond it, it works on the disk beside the build file.",
        json_schema_extra={ALLOWED: "a size in MB, GB, MiB or GiB, such as 4GB"},
    )
    keep_builds: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        default=3,
        description="Published builds that are kept, newest first, so that `opco rollback` can go back to one.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 1000"},
    )


class NightlySettings(Section):
    """The nightly run: when it begins, and what it makes beside the published warehouse."""

    enabled: bool = Field(
        default=False,
        description="Whether the nightly run begins by itself while `opco dagster` runs.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    # Clocks change between two and three in most of Europe: a later time is there every night, once.
    schedule: Time = Field(
        default="04:15",
        description="When it begins.",
        json_schema_extra={ALLOWED: "a time of day, or five fields of cron such as 15 4 * * 1-5"},
    )
    timezone: Annotated[Zone | None, OrNone] = Field(
        default=None,
        description="Time zone of its schedule; none for rules.display_timezone.",
        json_schema_extra={ALLOWED: "a name of the IANA list, such as Europe/Paris, or none"},
    )
    whole_export: bool = Field(
        default=True,
        description="Whether it makes an export of all lines, written as the settings of [export] say.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    exports: Words = Field(
        default=(),
        description="Exports of [exports.NAME] that it makes too, and sends where they name recipients.",
        json_schema_extra={ALLOWED: "a list of their names"},
    )
    attest: bool = Field(
        default=True,
        description="Whether it issues the attestations of sessions that ended.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    attest_after_days: Annotated[Whole, Field(ge=0, le=365)] = Field(
        default=2,
        description="Days after a session's last day on which its attestations are issued.",
        json_schema_extra={ALLOWED: "a whole number from 0 to 365"},
    )
    attest_for_days: Annotated[Whole, Field(ge=0, le=3650)] = Field(
        default=90,
        description="Days from then on during which what late data changes is issued anew; later it takes a person.",
        json_schema_extra={ALLOWED: "a whole number from 0 to 3650"},
    )

    send_attestations_to: Words = Field(
        default=(),
        description="Who gets a link to each new issue by e-mail, if email.allowed_recipients has them.",
        json_schema_extra={ALLOWED: "a list of e-mail addresses"},
    )

    def zone(self, rules: RuleSettings) -> str:
        """Return the time zone of the schedule."""
        return self.timezone or rules.display_timezone


class ArrivalSettings(Section):
    """When what lies in the raw folder is a complete delivery, and whether it is built at once."""

    enabled: bool = Field(
        default=False,
        description="Whether a complete delivery in build.raw_folder is built by itself while `opco dagster` runs.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    complete_when: Literal["done_file", "quiet"] = Field(
        default="done_file",
        description="What tells that a delivery is complete: a new file _DONE beside the tables, or quiet.",
        json_schema_extra={ALLOWED: "done_file, quiet"},
    )
    quiet_minutes: Annotated[Whole, Field(ge=1, le=1440)] = Field(
        default=10,
        description="Minutes without any change after which a folder counts as quiet.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 1440"},
    )
