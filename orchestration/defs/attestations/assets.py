"""The attestations of one program session."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import dagster as dg
from pydantic import Field

from orchestration.clock import calendar_day
from orchestration.defs.attestations.partitions import SESSIONS, session_of
from orchestration.issuing import issue_session
from orchestration.progress import Progress
from orchestration.resources import HomeResource
from orchestration.sections.documents import OrganisationSettings
from reports.attestation.issue import IssueSummary
from reports.export.sessions import today_at

INPUTS = tuple(OrganisationSettings.model_fields)


class AttestationConfig(dg.Config):
    """What the attestations say beside the data.

    Default of each input: the setting of the same name in [sessions."ID"], else in [organisation].
    """

    name: str | None = Field(default=None, description="Name of the training organisation.")
    legal_representative: str | None = Field(default=None, description="Name of the legal representative.")
    capacity: str | None = Field(default=None, description="In which capacity the legal representative signs.")
    place: str | None = Field(default=None, description="Place of signing.")
    training_duration: str | None = Field(default=None, description="Duration of training sessions, as typed.")
    footer: str | None = Field(default=None, description="Text at the foot of every page.")
    logo: str | None = Field(default=None, description="File name of the logo in the home's folder assets/.")
    stamp: str | None = Field(default=None, description="File name of the stamp and signature image in assets/.")
    language: str | None = Field(default=None, description="fr or en.")
    issued_on: str | None = Field(
        default=None, description="Date of issue, YYYY-MM-DD. Default: today in the display time zone."
    )
    users: list[str] = Field(
        default=[], description="Only these learners, by user_id or e-mail; the documents of others stay as they are."
    )
    force: bool = Field(default=False, description="Make all anew, though nothing that is printed changed.")


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
    progress.stage("Making the attestations")
    summary = issue_session(
        home.home,
        session_of(context.partition_key),
        issued_on=calendar_day(config.issued_on, "The date of issue") or today_at(home.home.warehouse),
        options={f"organisation.{name}": getattr(config, name) for name in INPUTS},
        users=config.users,
        force=config.force,
        progress=_told(progress, context),
    )
    for warning in summary.warnings:
        context.log.warning(warning)
    return dg.MaterializeResult(metadata=issue_metadata(summary))


def issue_metadata(summary: IssueSummary) -> dict[str, Any]:
    """Return what a run's record says of an issue."""
    manifest = summary.manifest
    return {
        "folder": dg.MetadataValue.path(summary.folder),
        "zip_path": dg.MetadataValue.path(summary.zip_path),
        "zip_sha256": summary.zip_sha256,
        "issue_number": manifest.issue_number,
        "is_new": summary.is_new,
        "documents": len(manifest.documents),
        "states": dg.MetadataValue.json(Counter(document.state for document in manifest.documents)),
        "pages": sum(document.pages for document in manifest.documents),
        "bytes": sum(document.bytes for document in manifest.documents),
        "total_seconds": sum(document.total_seconds for document in manifest.documents),
        # Their names stand in the issue's manifest alone: what Dagster keeps holds nobody's.
        "cancelled": len(manifest.cancelled),
        "left_out": len(manifest.left_out),
        "warnings": dg.MetadataValue.json(list(summary.warnings)),
    }


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


def _told(progress: Progress, context: dg.AssetExecutionContext) -> Callable[[int, int, str], None]:
    """Return where documents are told: the terminal's bar, and every tenth of them in the run's log."""

    def told(done: int, total: int, learner: str) -> None:
        progress.at(done, total, learner)
        if done == total or done * 10 // total > (done - 1) * 10 // total:
            context.log.info(f"{done:,} of {total:,} attestations")

    return told
