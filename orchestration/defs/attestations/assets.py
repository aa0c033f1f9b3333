"""The attestations of one program session."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from orchestration.defs.attestations.issuing import issue_session
from orchestration.defs.attestations.partitions import SESSIONS, session_of
from orchestration.home.clock import calendar_day
from orchestration.runs.asker import Asker
from orchestration.runs.dead_runs import require_on_record
from orchestration.runs.mistakes import tells_mistakes
from orchestration.runs.progress import Progress, counted_stage
from orchestration.runs.resources import HomeResource
from reports.attestation.inputs import GivenInputs
from reports.issuing.issue import IssueSummary
from reports.issuing.kinds import ATTESTATION, KINDS
from reports.issuing.verify import verify
from warehouse.steps import TellStep, tell_nobody

CHECK = "adds_up"
CHECKED = (
    "Every file of the issue is there as the manifest lists it, and each document's attached rows add up to its "
    "printed total, as opco verify finds."
)


INPUT_FIELDS: dict[str, Any] = {
    name: (str | None, Field(default=None, description=field.description))
    for name, field in GivenInputs.model_fields.items()
}
_Inputs = create_model("_Inputs", __base__=dg.Config, **INPUT_FIELDS)


class DocumentConfig(_Inputs):  # type: ignore[valid-type,misc]  # a class made at run time
    """What the documents say beside the data, and how the issue is made.

    Default of each input: that of the issue in force, else the setting of the same name in [sessions."ID"], else in
    [organisation].
    """

    from_settings: bool = Field(
        default=False, description="Take inputs that are not given from the settings, not from the issue in force."
    )
    allow_missing_letters: bool = Field(
        default=False, description="Make documents though no font has one of their letters; a box stands in its place."
    )
    issued_on: str | None = Field(
        default=None, description="Date of issue, DD/MM/YYYY. Default: today in the display time zone."
    )
    issued_on_reason: str | None = Field(
        default=None,
        description="Why the date of issue is before the day of the data or after today: kept with the issue.",
    )
    users: list[str] = Field(
        default=[], description="Only these learners, by user_id or e-mail; the documents of others stay as they are."
    )
    force: bool = Field(default=False, description="Replace all, though nothing that is printed changed.")


@dg.asset(
    group_name="attestations",
    kinds={"pdf"},
    partitions_def=SESSIONS,
    deps=["published_warehouse"],
    check_specs=[dg.AssetCheckSpec(CHECK, asset="opco_attestations", description=CHECKED)],
    description="One PDF per learner who played the session, all in one ZIP, with a manifest: one issue a run.",
)
@tells_mistakes
def opco_attestations(
    context: dg.AssetExecutionContext,
    config: DocumentConfig,
    home: HomeResource,
    progress: dg.ResourceParam[Progress],
    asker: dg.ResourceParam[Asker],
) -> Iterator[Any]:
    """Issue the attestations of the partition's session."""
    yield from issued(context, config, home, progress, asker)


def issued(
    context: dg.AssetExecutionContext,
    config: DocumentConfig,
    home: HomeResource,
    progress: Progress,
    asker: Asker,
    kind: str = ATTESTATION,
    month: str | None = None,
) -> Iterator[Any]:
    """Issue the documents of a kind of the partition's session, and say what was made and whether it is sound."""
    nouns = KINDS[kind].nouns
    summary = issue_session(
        home.home,
        session_of(context.partition_key),
        kind=kind,
        month=month,
        asker=asker,
        issued_on=calendar_day(config.issued_on, "The date of issue"),
        issued_on_reason=(config.issued_on_reason or "").strip() or None,
        given={name: getattr(config, name) for name in GivenInputs.model_fields},
        from_settings=config.from_settings,
        users=config.users,
        force=config.force,
        allow_missing_letters=config.allow_missing_letters,
        on_progress=on_progress(progress, context, nouns),
    )
    for warning in summary.warnings:
        context.log.warning(warning)
    passed, found = checked_issue(summary, counted_stage(progress, f"Verifying the {nouns}"))
    yield dg.MaterializeResult(
        metadata=issue_metadata(summary),
        check_results=[dg.AssetCheckResult(check_name=CHECK, passed=passed, metadata=found)],
    )


def checked_issue(summary: IssueSummary, progress: TellStep = tell_nobody) -> tuple[bool, dict[str, Any]]:
    """Return whether an issue is sound, as `opco verify` finds out, and what was found."""
    found = verify(summary.folder, progress)
    faults = [f"{name}: {fault}" for name, fault in found.faults]
    return found.is_sound, {
        "session": summary.manifest.session_name,
        "documents": found.documents,
        "total_seconds": found.total_seconds,
        "faults": dg.MetadataValue.json(faults),
    }


def issue_metadata(summary: IssueSummary) -> dict[str, Any]:
    """Return what a run's record says of an issue."""
    manifest = summary.manifest
    return {
        "folder": dg.MetadataValue.path(summary.folder),
        "zip_path": dg.MetadataValue.path(summary.zip_path),
        "zip_sha256": summary.zip_sha256,
        "session": manifest.session_name,
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
        "findings": dg.MetadataValue.json([asdict(finding) for finding in summary.findings]),
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


def on_progress(progress: Progress, context: dg.AssetExecutionContext, nouns: str) -> TellStep:
    """Return what reports documents as they are made: the terminal's bar, and every tenth in the run's log.

    Raises OpcoError, before they are issued, where the run is on record no more.
    """

    tell = counted_stage(progress, f"Making the {nouns}")

    def report(done: int, total: int, learner: str) -> None:
        if done == total:
            require_on_record(context.instance, context.run.run_id)
        tell(done, total, learner)
        if done and (done == total or done * 10 // total > (done - 1) * 10 // total):
            context.log.info(f"{done:,} of {total:,} {nouns}")

    return report
