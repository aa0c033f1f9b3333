"""Settings of what is handed over: the attestations, what they say of the organisation, and the exports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestration.sections.kinds import ALLOWED, OrNone, Section, Text, Whole


class OrganisationSettings(Section):
    """What every attestation says of the training organisation, unless told otherwise."""

    name: Text = Field(
        default=None, description="Name of the training organisation.", json_schema_extra={ALLOWED: "text"}
    )
    legal_representative: Text = Field(
        default=None, description="Who signs: the legal representative's name.", json_schema_extra={ALLOWED: "text"}
    )
    capacity: Text = Field(
        default=None, description="In which capacity, such as Directrice.", json_schema_extra={ALLOWED: "text"}
    )
    place: Text = Field(default=None, description="Place of signing.", json_schema_extra={ALLOWED: "text"})
    training_duration: Text = Field(
        default=None,
        description="Duration of training sessions, printed as typed.",
        json_schema_extra={ALLOWED: "text"},
    )
    footer: Text = Field(
        default=None, description="Text at the foot of every page.", json_schema_extra={ALLOWED: "text"}
    )
    logo: Text = Field(
        default=None,
        description="Image of the letterhead, in the home's folder assets/.",
        json_schema_extra={ALLOWED: "file name (PNG, JPEG or SVG)"},
    )
    stamp: Text = Field(
        default=None,
        description="Image of the stamp and signature, in the home's folder assets/.",
        json_schema_extra={ALLOWED: "file name (PNG, JPEG or SVG)"},
    )
    language: Literal["fr", "en"] = Field(
        default="fr", description="Language of the attestations.", json_schema_extra={ALLOWED: "fr, en"}
    )


class AttestationSettings(Section):
    """How attestations are made."""

    processes: Annotated[Annotated[Whole, Field(ge=1, le=256)] | None, OrNone] = Field(
        default=None,
        description="Processes that make the documents side by side; none for one a core.",
        json_schema_extra={ALLOWED: "a whole number from 1 to 256, or none"},
    )
    offered: bool = Field(
        default=True,
        description="Whether the portal lets instructors make attestations.",
        json_schema_extra={ALLOWED: "true, false"},
    )
    contact: Text = Field(
        default=None,
        description="Whom to ask for attestations where the portal does not make them.",
        json_schema_extra={ALLOWED: "text"},
    )


class ExportSettings(Section):
    """How export files are written, unless told otherwise."""

    format: Literal["csv", "xlsx", "parquet"] = Field(
        default="csv", description="File format.", json_schema_extra={ALLOWED: "csv, xlsx, parquet"}
    )
    dialect: Literal["excel", "rfc4180"] = Field(
        default="excel",
        description="CSV dialect: excel (semicolon, BOM) or rfc4180 (comma, no BOM).",
        json_schema_extra={ALLOWED: "excel, rfc4180"},
    )
    language: Literal["en", "fr"] = Field(
        default="en", description="Language of the header.", json_schema_extra={ALLOWED: "en, fr"}
    )
