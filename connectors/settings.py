"""What the settings of every kind of source have in common: one table `[sources.NAME]` of `opco.toml`."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.source import Source


class SourceSettings(BaseModel):
    """One table `[sources.NAME]`; each kind has a model of its own, with its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    kind: str = Field(description="What the source is; the table's name where that is a kind.")
    id_prefix: str = Field(
        default="",
        max_length=40,
        pattern=r"^[A-Za-z0-9_.:-]*$",
        description="Stands before every id of this source, so that they differ from those of another source.",
    )
    schedule: str | None = Field(
        default=None,
        description="When it is pulled beside the night: a time of day, or minute, hour, day, month, weekday (cron).",
    )

    @classmethod
    def secrets(cls) -> tuple[str, ...]:
        """Return the fields that come from the environment or the folder of secrets alone, such as `password`."""
        return tuple(name for name, field in cls.model_fields.items() if SecretStr in get_args(field.annotation))

    def wanted_secrets(self) -> tuple[str, ...]:
        """Return those of them that a source with these settings needs."""
        return self.secrets()

    def source(self) -> Source:
        """Return the source; secrets are set by now, where there are any."""
        raise NotImplementedError


def variable_of_secret(name: str, secret: str) -> str:
    """Return the environment variable of a source's secret: OPCO_SOURCES__MOODLE__PASSWORD."""
    return f"OPCO_SOURCES__{name.replace('-', '_').upper()}__{secret.upper()}"
