"""The OPCO export file."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from orchestration.defs.export.schedules import jobs_and_schedules
from orchestration.export_request import ExportRequest, what_is_asked
from orchestration.home import Home
from orchestration.progress import Progress
from orchestration.resources import HomeResource
from reports.export.checks import DESCRIPTIONS, Check
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, ExportSummary, FileNotSoundError, write_export
from reports.warehouse import open_published
from warehouse.files import safe_file_name

if TYPE_CHECKING:
    from orchestration.defs.export.delivery import Mailing

SUFFIXES = {".csv": "csv", ".xlsx": "xlsx", ".parquet": "parquet"}


class ExportConfig(dg.Config):
    """Which lines and columns, how they are written, who gets a link. All filters are optional and hold together."""

    date_from: str | None = Field(default=None, description="First day, YYYY-MM-DD, in the display time zone.")
    date_to: str | None = Field(default=None, description="Last day, YYYY-MM-DD, included.")
    users: list[str] = Field(default=[], description="E-mail addresses or user ids.")
    groups: list[str] = Field(default=[], description="Names or ids of groups; members of sub-groups count.")
    sessions: list[str] = Field(default=[], description="Ids or exact names of program sessions.")
    custom_fields: list[str] = Field(default=[], description="Titles or ids of the custom fields shown; none: all.")
    definition: str | None = Field(
        default=None, description="Name of an export defined in opco.toml, in place of the filters."
    )
    today: str | None = Field(
        default=None, description="Day that a definition's periods are relative to, YYYY-MM-DD. Default: today."
    )
    format: str | None = Field(
        default=None, description="csv, xlsx or parquet. Default: the output's suffix, else the setting export.format."
    )
    dialect: str | None = Field(default=None, description="excel or rfc4180. Default: the setting export.dialect.")
    language: str | None = Field(default=None, description="en or fr. Default: the setting export.language.")
    output: str | None = Field(default=None, description="The file; relative to the home. Default: in var/exports.")
    recipients: list[str] = Field(default=[], description="E-mail addresses that receive a link to the file.")


@dataclass(frozen=True)
class Work:
    """What a run has to do, definition and settings taken into account."""

    filters: ExportFilters
    options: ExportOptions
    definition: str | None
    output: Path
    mailing: "Mailing | None"
    home: Home

    def write(self, progress: Progress) -> ExportSummary:
        """Write the file and check it. Errors as `write_export`."""
        self.home.refuse_own_place(self.output, "--output")
        return write_export(self.home.warehouse, self.output, self.filters, self.options, progress=progress.at)

    def send(self, summary: ExportSummary, progress: Progress) -> None:
        """Send the link, where recipients are named. Errors as `Mailing.send`."""
        if self.mailing:
            self.mailing.send(summary, self.filters, self.options.language, self.definition, progress)

    def metadata(self, summary: ExportSummary) -> dict[str, Any]:
        """Return what a run's record says of the file."""
        return {
            "path": dg.MetadataValue.path(summary.path),
            "json_path": dg.MetadataValue.path(summary.json_path),
            "format": self.options.format,
            "filters": dg.MetadataValue.json(self.filters.model_dump(mode="json")),
            "dagster/row_count": summary.rows,
            "bytes": summary.bytes,
            "sha256": summary.sha256,
            "learners": summary.learners,
            "sessions": summary.sessions,
            "cut_cells": summary.cut_cells,
            "data_as_of": f"{summary.data_as_of:%Y-%m-%dT%H:%M:%SZ}",
            "build_id": summary.build_id,
            **(self.mailing.facts if self.mailing else {}),
        }


@dg.multi_asset(
    name="opco_export",
    # Skippable, and its checks with it: a definition such as "sessions that ended yesterday" may ask for nothing.
    specs=[
        dg.AssetSpec(
            "opco_export",
            group_name="export",
            deps=["published_warehouse"],
            description="One line per connection per user per course per program session, as a file with its JSON.",
            skippable=True,
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(name, asset="opco_export", description=description, blocking=True)
        for name, description in DESCRIPTIONS.items()
    ],
    can_subset=True,
)
def opco_export(
    context: dg.AssetExecutionContext, config: ExportConfig, home: HomeResource, progress: dg.ResourceParam[Progress]
) -> Iterator[Any]:
    """Write one export file as configured, check it, and send the link where recipients are named."""
    work = work_of(config, home)
    if work is None:
        context.log.info("No session ended in the period of the definition: nothing is written and nothing sent.")
        return
    progress.stage("Exporting")
    try:
        summary = work.write(progress)
    except FileNotSoundError as error:
        yield from _check_results(error.checks)
        raise
    yield dg.MaterializeResult(asset_key="opco_export", metadata=work.metadata(summary))
    yield from _check_results(summary.checks)
    work.send(summary, progress)


@dg.definitions
def defs() -> dg.Definitions:
    """Define the export, the job that makes one, and a job with a schedule for each that opco.toml defines."""
    jobs, schedules = jobs_and_schedules(Home.find(), opco_export)
    return dg.Definitions(
        assets=[opco_export],
        jobs=[dg.define_asset_job("export", selection=[opco_export], description="One OPCO export file."), *jobs],
        schedules=schedules,
    )


def work_of(config: ExportConfig, home: HomeResource) -> Work | None:
    """Return what there is to do; None when a definition finds nothing to export."""
    place = home.home
    said = config.model_dump()
    output = said.pop("output")
    asked = what_is_asked(ExportRequest.of(said), place)
    settings = home.settings(
        {
            "export.format": asked.format or (SUFFIXES.get(Path(output).suffix.lower()) if output else None),
            "export.dialect": asked.dialect,
            "export.language": asked.language,
        }
    )
    written = settings.export
    options = ExportOptions(format=written.format, dialect=written.dialect, language=written.language)
    mailing = None
    if asked.recipients:
        # Loaded where it is needed: an export without it starts faster.
        from orchestration.defs.export.delivery import prepare_mailing

        # Who may receive the file is known before the work is done.
        mailing = prepare_mailing(place, settings, asked.recipients)
    if asked.filters is None:
        return None
    file = place.folder / output if output else _default_output(place, asked.filters, options, config.definition)
    return Work(asked.filters, options, config.definition, file, mailing, place)


def _check_results(checks: tuple[Check, ...]) -> Iterator[dg.AssetCheckResult]:
    for check in checks:
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key="opco_export",
            passed=check.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"expected": check.expected, "found": check.found},
        )


def _default_output(home: Home, filters: ExportFilters, options: ExportOptions, definition: str | None) -> Path:
    """Name the file after its data and build, and apart for each choice of filters and options."""
    with open_published(home.warehouse) as connection:
        row = connection.execute("select strftime(data_as_of, '%Y-%m-%d'), build_id from warehouse_build").fetchone()
    data_as_of, build_id = row or ("", "")
    name = f"opco-{definition or 'export'}-{data_as_of}-{safe_file_name(build_id)}"
    if filters != ExportFilters.model_validate({}) or options != ExportOptions(format=options.format):
        asked = json.dumps([filters.model_dump(mode="json"), vars(options)], sort_keys=True)
        name += f"-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"
    return home.exports / f"{name}.{options.format}"
