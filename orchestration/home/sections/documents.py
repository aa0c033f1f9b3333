"""Settings of what is handed over: the attestations, what they say of the organisation, and the exports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from orchestration.home.sections.kinds import OrNone, Section, Size, Whole, Words
from reports.attestation.inputs import IMAGES, TEXTS, GivenInputs
from reports.kinds import Allowed, Text


class OrganisationSettings(GivenInputs, Section):
    """What every attestation says of the training organisation, unless an input is given."""


class PlatformSettings(Section):
    """What the platform calls its things, in the headings of pages and documents."""

    session: Text = Field(default=None, description="Its word for a program session, as a heading, such as Parcours.")
    sessions: Text = Field(default=None, description="The same of several.")
    program_template: Text = Field(
        default=None, description="Its word for a program template, such as Modèle de parcours."
    )
    course: Text = Field(default=None, description="Its word for a course, such as Module.")


INPUTS = (*TEXTS, *IMAGES)


def _known_inputs(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in INPUTS]:
        raise ValueError(f"no inputs of attestations: {', '.join(unknown)}")
    return names


class AttestationSettings(Section):
    """How attestations are made."""

    processes: Annotated[Annotated[Whole, Field(ge=1, le=256)] | None, OrNone] = Field(
        default=None, description="Processes that make the documents side by side; none for one a core."
    )
    document_seconds: Annotated[Whole, Field(ge=5, le=86_400)] = Field(
        default=120,
        description="Seconds of processor time that one document may take; beyond it, that document fails.",
    )
    document_memory: Size = Field(
        default="2GB",
        description="Memory that a process that makes documents may take; beyond it, the document that it makes fails.",
    )
    fold_zero_seconds: bool = Field(
        default=True,
        description="Whether the log tells a day's connections of zero seconds in one line; the attached file has all.",
    )
    allow_missing_letters: bool = Field(
        default=False,
        description="Whether a document is made though no font has one of its letters; it shows a box in its place.",
    )
    offered: bool = Field(
        default=False,
        description="Whether the portal lets instructors make attestations; off until the platform decides on it.",
    )
    instructors_may_change: Annotated[
        Words, AfterValidator(_known_inputs), Allowed(f"a list of {', '.join(INPUTS)}")
    ] = Field(
        default=INPUTS,
        description="Inputs that instructors may change on the portal; the others are those of the settings.",
    )
    contact: Text = Field(default=None, description="Whom to ask for attestations where the portal does not make them.")


class ExportSettings(Section):
    """How export files are written, unless given otherwise."""

    format: Literal["csv", "xlsx", "parquet"] = Field(default="csv", description="File format.")
    dialect: Literal["excel", "rfc4180"] = Field(
        default="excel", description="CSV dialect: excel (semicolon, BOM) or rfc4180 (comma, no BOM)."
    )
    language: Literal["en", "fr"] = Field(default="en", description="Language of the header.")
