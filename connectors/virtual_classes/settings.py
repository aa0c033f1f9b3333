"""Settings of `[sources.NAME]` with `kind = "virtual-classes"`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from connectors.kinds import Zone
from connectors.settings import SourceSettings
from connectors.source import Source


class VirtualClassesSettings(SourceSettings):
    """Where the reports lie, and what they do not say."""

    kind: str = "virtual-classes"
    id_prefix: Literal[""] = Field(
        default="", description="Nothing: its rows point to users and sessions of the other sources, by their ids."
    )
    folder: str = Field(
        default="imports/classes", description="Folder of the attendance reports, relative to the home."
    )
    table: str = Field(
        default="classes.csv", description="File in this folder that says of each report its session and its course."
    )
    aliases: str = Field(
        default="aliases.csv", description="File in this folder that says who is meant by another address or name."
    )
    timezone: Zone | None = Field(
        default=None, description="Time zone of the reports' times, where neither a report nor the table says it."
    )
    day_first: bool | None = Field(
        default=None, description="Whether the day comes before the month, where neither a day nor the table shows it."
    )

    def source(self) -> Source:
        """Return the source."""
        # It needs these settings, and DuckDB, which whoever only reads opco.toml does not.
        from connectors.virtual_classes.source import VirtualClassesSource

        return VirtualClassesSource(self)
