"""Settings of `[sources.NAME]` with `kind = "moodle-log"`."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from connectors.kinds import Zone
from connectors.settings import SourceSettings
from connectors.source import Source


class CourseSettings(BaseModel):
    """A course, by the short name that its logs are named after."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str | None = Field(default=None, description="Its name; none: its short name.")
    session: str | None = Field(
        default=None, description="The session that its log proves; none: the course is its own."
    )


class SessionSettings(BaseModel):
    """A session, by its id."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str | None = Field(default=None, description="Its name; none: that of its course, else its id.")
    program: str | None = Field(default=None, description="The program that it is a session of; none: one of its own.")
    starts_on: date | None = Field(default=None, description="Its first day.")
    ends_on: date | None = Field(default=None, description="Its last day.")


class MoodleLogSettings(SourceSettings):
    """Where the downloads lie, and what they do not say."""

    kind: str = "moodle-log"
    folder: str = Field(default="imports/moodle", description="Folder of the downloads, relative to the home.")
    timezone: Zone = Field(default="Europe/Paris", description="Time zone in the Moodle profile of who downloads.")
    day_first: bool | None = Field(
        default=None, description="Whether the day comes before the month, where no day beyond 12 shows it."
    )
    instructors: tuple[str, ...] = Field(
        default=(), description="E-mail addresses of participants who teach: the download does not tell their role."
    )
    files: dict[str, str] = Field(
        default_factory=dict,
        description="Short name of the course by file name, where the file's name does not say it.",
    )
    users: dict[str, str] = Field(
        default_factory=dict, description="E-mail address by Moodle's number of the user, for people of one name."
    )
    courses: dict[str, CourseSettings] = Field(default_factory=dict, description="Courses, by their short name.")
    sessions: dict[str, SessionSettings] = Field(default_factory=dict, description="Sessions, by their id.")

    def source(self) -> Source:
        """Return the source."""
        # It needs these settings, and DuckDB, which whoever only reads opco.toml does not.
        from connectors.moodle_log.source import MoodleLogSource

        return MoodleLogSource(self)
