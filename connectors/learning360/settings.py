"""Settings of `[sources.NAME]` with `kind = "360learning"`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from connectors.kinds import Zone
from connectors.settings import SourceSettings
from connectors.source import Source


class Learning360Settings(SourceSettings):
    """The platform's API, where there are credentials; where the exports lie, and what they do not say."""

    kind: str = "360learning"
    client_id: str | None = Field(
        default=None, min_length=1, description="Id of the API credentials; without one the exports are all there is."
    )
    client_secret: SecretStr | None = Field(
        default=None, description="Their secret; the environment alone may give it."
    )
    region: Literal["eu", "us"] = Field(
        default="eu", description="Where the platform is: app or app.us.360learning.com."
    )
    group_members: bool = Field(
        default=False, description="Whether to ask the API who is in which group: one call a group, each night."
    )
    folder: str = Field(default="imports/360learning", description="Folder of the exports, relative to the home.")
    timezone: Zone = Field(default="Europe/Paris", description="Time zone that the exports' times are written in.")
    day_first: bool | None = Field(
        default=None, description="Whether the day comes before the month, where no day beyond 12 shows it."
    )
    instructors: tuple[str, ...] = Field(
        default=(), description="E-mail addresses of people who teach: the export does not tell their role."
    )
    users: dict[str, str] = Field(
        default_factory=dict,
        description="E-mail address by last and first name, for lines without an address; with the API also the "
        "address or id of the user by an address that the platform does not know.",
    )
    courses: dict[str, str] = Field(
        default_factory=dict,
        description="Id of the course by its name, where a course has or may have had several names.",
    )

    webhook: bool = Field(
        default=False, description="Whether opco serve takes what the platform sends to hooks/NAME; with the API alone."
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="What it signs with; the environment alone may give it."
    )

    def wanted_secrets(self) -> tuple[str, ...]:
        """Return the secret of the API where it is asked, and that of the webhook where it is taken."""
        return (("client_secret", "webhook_secret") if self.webhook else ("client_secret",)) if self.client_id else ()

    def source(self) -> Source:
        """Return the source."""
        # It needs these settings, and DuckDB, which whoever only reads opco.toml does not.
        from connectors.learning360.source import Learning360Source

        return Learning360Source(self)
