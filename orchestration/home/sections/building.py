"""Settings of builds, and of the runs that begin by themselves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestration.home.sections.kinds import (
    Addresses,
    Encoding,
    OrNone,
    Section,
    Size,
    Time,
    Whole,
    Words,
    Zone,
    bytes_of,
)
from orchestration.home.sections.rules import RuleSettings
from reports.kinds import Allowed, Text
from warehouse.readers import ReadSettings


class BuildSettings(Section):
    """Where a build takes its data from, and how much of the machine it may use."""

    raw_folder: Annotated[Text, Allowed("a folder")] = Field(
        default=None,
        description="Raw folder of a build that is given none, such as one from Dagster's pages; relative to the home.",
    )
    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb",
        description="What computes the models: DuckDB, or Spark for what one machine cannot hold (docs/scaling.md).",
    )
    threads: Annotated[Whole, Field(ge=1, le=256)] = Field(default=2, description="Threads of the build.")
    memory_limit: Size = Field(
        default="4GB",
        description="Memory that the build's engine may take; beyond it, it works on the disk beside the build file.",
    )
    spark_folder: Annotated[Text, Allowed("a folder or URL")] = Field(
        default=None,
        description="Where a cluster finds the archive and builds, such as s3a://BUCKET/opco; none: in the home.",
    )
    views_above: Size = Field(
        default="50GB",
        description="Size beyond which a mart that Spark built is published as Parquet, behind a view of the file.",
    )
    keep_builds: Annotated[Whole, Field(ge=1, le=1000)] = Field(
        default=3,
        description="Published builds that are kept, newest first, so that `opco rollback` can go back to one.",
    )


class RawSettings(Section):
    """How the files of a delivery are read."""

    encoding: Annotated[Encoding | None, OrNone] = Field(
        default=None, description="Encoding of text files that are not UTF-8; none: a snapshot table's stops the load."
    )
    max_unpacked: Annotated[Size, Allowed("a size in MB, GB, MiB or GiB, such as 64GB")] = Field(
        default="64GB", description="Size that a delivered file may unpack to; a larger one stops the load."
    )

    def reading(self) -> ReadSettings:
        """Return these settings as the readers take them."""
        return ReadSettings(self.encoding, bytes_of(self.max_unpacked))


class NightlySettings(Section):
    """The nightly run: when it begins, and what it makes beside the published warehouse."""

    enabled: bool = Field(
        default=False, description="Whether the nightly run begins by itself while `opco dagster` runs."
    )
    # Clocks change between two and three in most of Europe: a later time is there every night, once.
    schedule: Annotated[Time, Allowed("a time of day, or five fields of cron such as 15 4 * * 1-5")] = Field(
        default="04:15", description="When it begins."
    )
    timezone: Annotated[Zone | None, OrNone] = Field(
        default=None, description="Time zone of its schedule; none for rules.display_timezone."
    )
    whole_export: bool = Field(
        default=True, description="Whether it makes an export of all lines, written as the settings of [export] say."
    )
    exports: Annotated[Words, Allowed("a list of their names")] = Field(
        default=(), description="Exports of [exports.NAME] that it makes too, and sends where they name recipients."
    )
    attest: bool = Field(default=True, description="Whether it issues the attestations of sessions that ended.")
    attest_after_days: Annotated[Whole, Field(ge=0, le=365)] = Field(
        default=2, description="Days after a session's last day on which its attestations are issued."
    )
    attest_for_days: Annotated[Whole, Field(ge=0, le=3650)] = Field(
        default=90,
        description="Days from then on during which what late data changes is issued anew; later it takes a person.",
    )

    send_attestations_to: Addresses = Field(
        default=(), description="Who gets a link to each new issue by e-mail, if email.allowed_recipients has them."
    )

    def zone(self, rules: RuleSettings) -> str:
        """Return the time zone of the schedule."""
        return self.timezone or rules.display_timezone


class ArrivalSettings(Section):
    """When what lies in the raw folder is a complete delivery, and whether it is built at once."""

    enabled: bool = Field(
        default=False,
        description="Whether a complete delivery in build.raw_folder is built by itself while `opco dagster` runs.",
    )
    complete_when: Literal["done_file", "quiet"] = Field(
        default="done_file",
        description="What tells that a delivery is complete: a new file _DONE beside the tables, or quiet.",
    )
    quiet_minutes: Annotated[Whole, Field(ge=1, le=1440)] = Field(
        default=10, description="Minutes without any change after which a folder counts as quiet."
    )
