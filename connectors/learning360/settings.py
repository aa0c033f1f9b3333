"""Settings of `[sources.NAME]` with `kind = "360learning"`."""

from __future__ import annotations

from pydantic import Field

from connectors.kinds import Zone
from connectors.settings import SourceSettings
from connectors.source import Source


class Learning360Settings(SourceSettings):
    """Where the exports lie, and what they do not say."""

    kind: str = "360learning"
    folder: str = Field(default="imports/360learning", description="Folder of the exports, relative to the home.")
    timezone: Zone = Field(default="Europe/Paris", description="Time zone that the exports' times are written in.")
    day_first: bool | None = Field(
        default=None, description="Whether the day comes before the month, where no day beyond 12 shows it."
    )
    instructors: tuple[str, ...] = Field(
        default=(), description="E-mail addresses of people who teach: the export does not tell their role."
    )
    users: dict[str, str] = Field(
        default_factory=dict, description="E-mail address by last and first name, for lines without an address."
    )
    courses: dict[str, str] = Field(
        default_factory=dict,
        description="Id of the course by its name, where a course has or may have had several names.",
    )

    def source(self) -> Source:
        """Return the source."""
        # It needs these settings, and DuckDB, which whoever only reads opco.toml does not.
        from connectors.learning360.source import Learning360Source

        return Learning360Source(self)
