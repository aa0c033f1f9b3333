"""The attestations of one program session."""

import hashlib
from dataclasses import asdict
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field

from orchestration.clock import calendar_day
from orchestration.defs.attestations.partitions import SESSIONS, session_of
from orchestration.progress import Progress
from orchestration.resources import HomeResource
from orchestration.settings import OrganisationSettings
from reports.attestation.issue import issue_attestations
from reports.attestation.model import AttestationInputs
from warehouse.files import safe_file_name

INPUTS = tuple(OrganisationSettings.model_fields)


class AttestationConfig(dg.Config):
    """What the attestations say beside the data. Default of each: the setting of the same name, [organisation]."""

    name: str | None = Field(default=None, description="Name of the training organisation.")
    legal_representative: str | None = Field(default=None, description="Name of the legal representative.")
    capacity: str | None = Field(default=None, description="In which capacity the legal representative signs.")
    place: str | None = Field(default=None, description="Place of signing.")
    training_duration: str | None = Field(default=None, description="Duration of training sessions, as typed.")
    footer: str | None = Field(default=None, description="Text at the foot of every page.")
    logo: str | None = Field(default=None, description="File name of the logo in the home's folder assets/.")
    stamp: str | None = Field(default=None, description="File name of the stamp and signature image in assets/.")
    language: str | None = Field(default=None, description="fr or en.")
    issued_on: str | None = Field(default=None, description="Date of issue, YYYY-MM-DD. Default: today.")


@dg.asset(
    group_name="attestations",
    kinds={"pdf"},
    partitions_def=SESSIONS,
    deps=["published_warehouse"],
    description="One PDF per learner who played the session, all in one ZIP, with a manifest: one issue a run.",
)
def opco_attestations(
    context: dg.AssetExecutionContext,
    config: AttestationConfig,
    home: HomeResource,
    progress: dg.ResourceParam[Progress],
) -> dg.MaterializeResult[None]:
    """Issue the attestations of the partition's session."""
    session_id = session_of(context.partition_key)
    said = home.settings({f"organisation.{name}": getattr(config, name) for name in INPUTS}).organisation
    progress.stage("Making the attestations")
    summary = issue_attestations(
        home.home.warehouse,
        session_id,
        AttestationInputs(
            organisation_name=said.name,
            legal_representative=said.legal_representative,
            capacity=said.capacity,
            training_duration=said.training_duration,
            place=said.place,
            footer=said.footer,
            language=said.language,
            logo=Path(said.logo) if said.logo else None,
            stamp=Path(said.stamp) if said.stamp else None,
        ),
        folder=home.home.attestations / _folder_name(session_id),
        assets=home.home.assets,
        issued_on=calendar_day(config.issued_on, "The date of issue") or date.today(),  # noqa: DTZ011 - the day where the document is signed
        progress=progress.at,
    )
    for warning in summary.warnings:
        context.log.warning(warning)
    return dg.MaterializeResult(
        metadata={
            "folder": dg.MetadataValue.path(summary.folder),
            "zip_path": dg.MetadataValue.path(summary.zip_path),
            "zip_sha256": summary.zip_sha256,
            "issue_number": summary.issue_number,
            "documents": len(summary.documents),
            "pages": summary.pages,
            "bytes": summary.total_bytes,
            "files": dg.MetadataValue.json([asdict(document) for document in summary.documents]),
            "left_out": dg.MetadataValue.json([asdict(one) for one in summary.left_out]),
            "warnings": dg.MetadataValue.json(list(summary.warnings)),
        }
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Define the attestations and the job that issues those of one session."""
    return dg.Definitions(
        assets=[opco_attestations],
        jobs=[
            dg.define_asset_job(
                "attestations", selection=[opco_attestations], description="The attestations of one program session."
            )
        ],
    )


def _folder_name(session_id: str) -> str:
    """Return a folder name that no other session shares, though ids may differ only in unsafe characters."""
    name = safe_file_name(session_id)
    return name if name == session_id else f"{name}-{hashlib.sha256(session_id.encode()).hexdigest()[:8]}"
