"""Settings of `[sources.NAME]` with `kind = "xapi"`."""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.settings import SourceSettings
from connectors.source import Source

SESSION_MODES = ("parent", "grouping", "registration")


class XapiSettings(SourceSettings):
    """Where the statements are, and where in a statement its session stands."""

    kind: str = "xapi"
    endpoint: str | None = Field(
        default=None,
        description="Address of the LRS, such as https://lrs.example.fr/xapi; without it, files are read.",
    )
    username: str | None = Field(
        default=None, description="User, or key, that the LRS knows; the password is its secret."
    )
    password: SecretStr | None = Field(default=None, description="The password; the environment alone may give it.")
    folder: str = Field(
        default="imports/xapi", description="Folder of files of statements, relative to the home, without an endpoint."
    )
    session: str = Field(
        default="parent",
        description="Where the session's id stands: parent, grouping, registration, or the IRI of an extension.",
    )
    language: str = Field(
        default="fr", pattern=r"^[A-Za-z]{2,3}$", description="Language of names that are told in several."
    )

    @field_validator("endpoint")
    @classmethod
    def _is_address(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("write the LRS's address, such as https://lrs.example.fr/xapi; username stands apart")
        return endpoint.rstrip("/").removesuffix("/statements")

    @field_validator("session")
    @classmethod
    def _is_place(cls, session: str) -> str:
        if session not in SESSION_MODES and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"\\]+", session):
            raise ValueError(f"write {', '.join(SESSION_MODES)}, or the IRI of an extension of the context")
        return session

    @model_validator(mode="after")
    def _is_of_one_origin(self) -> Self:
        if self.endpoint and "folder" in self.model_fields_set:
            raise ValueError("a source has an endpoint or a folder: write two sources")
        if self.username and not self.endpoint:
            raise ValueError("a username is for an endpoint, and there is none")
        return self

    def wanted_secrets(self) -> tuple[str, ...]:
        """Return the password where there is an LRS; files have none."""
        return ("password",) if self.endpoint else ()

    def source(self) -> Source:
        """Return the source; see `SourceSettings.source`."""
        from connectors.xapi.source import XapiSource

        return XapiSource(self)
