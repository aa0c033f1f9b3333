"""The OPCO export file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import dagster as dg
from pydantic import Field, create_model

from orchestration.defs.export.file import SUMMARY, default_name, facts_of
from orchestration.defs.export.request import ExportRequest, resolve
from orchestration.defs.export.schedules import jobs_and_schedules
from orchestration.home.paths import Home
from orchestration.runs.mistakes import tells_mistakes
from orchestration.runs.progress import Progress, counted_stage
from orchestration.runs.resources import HomeResource
from reports.export.checks import DESCRIPTIONS, Check
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, ExportSummary, FileNotSoundError, refuse_another_file, write_export
from warehouse.errors import UserError
from warehouse.published import open_published, require_as_published

if TYPE_CHECKING:
    from orchestration.defs.export.delivery import Mailing

SUFFIXES = {".csv": "csv", ".xlsx": "xlsx", ".parquet": "parquet"}


# Dagster's configuration knows lists, not tuples, and checks no choices: `ExportRequest.of` does.
FIELDS: dict[str, Any] = {
    name: (
        list[str] if get_origin(field.annotation) is tuple else bool if field.annotation is bool else str | None,
        Field(default=[] if field.default == () else field.default, description=field.description),
    )
    for name, field in ExportRequest.model_fields.items()
}
_Request = create_model("_Request", __base__=dg.Config, **FIELDS)


class ExportConfig(_Request):  # type: ignore[valid-type,misc]  # a class made at run time
    """Which lines and columns, how they are written, who gets a link. All filters are optional and hold together."""

    output: str | None = Field(default=None, description="The file's name in var/exports. Default: a telling one.")


@dataclass(frozen=True)
class ExportJob:
    """What a run has to do, definition and settings taken into account."""

    filters: ExportFilters
    options: ExportOptions
    definition: str | None
    output: Path
    mailing: "Mailing | None"
    home: Home

    def write(self, progress: Progress, title: str = "Exporting") -> ExportSummary:
        """Write the file and check it. Errors as `write_export` and `require_as_published`."""
        warehouse = self.home.warehouse
        if warehouse.exists():
            # The link may be replaced meanwhile: what was looked at is what is exported.
            warehouse = warehouse.resolve()
            require_as_published(warehouse)
        return write_export(warehouse, self.output, self.filters, self.options, progress=counted_stage(progress, title))

    def send(self, summary: ExportSummary, progress: Progress) -> None:
        """Send the link, where recipients are named. Errors as `Mailing.send`."""
        if self.mailing:
            self.mailing.send(summary, self.filters, self.options.language, self.definition, progress)

    def metadata(self, summary: ExportSummary) -> dict[str, Any]:
        """Return what a run's record says of the file."""
        facts = facts_of(summary, self.filters, self.options)
        return {
            **facts,
            "path": dg.MetadataValue.path(facts["path"]),
            "json_path": dg.MetadataValue.path(facts["json_path"]),
            "filters": dg.MetadataValue.json(facts["filters"]),
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
@tells_mistakes
def opco_export(
    context: dg.AssetExecutionContext, config: ExportConfig, home: HomeResource, progress: dg.ResourceParam[Progress]
) -> Iterator[Any]:
    """Write one export file as configured, check it, and send the link where recipients are named."""
    job = export_job(config, home)
    if job is None:
        context.log.info("No session ended in the period of the definition: nothing is written and nothing sent.")
        return
    try:
        # A page that made the file already gave it away; here it is put on record.
        summary = SUMMARY.validate_json(home.made) if home.made else job.write(progress)
    except FileNotSoundError as error:
        yield from _check_results(error.checks)
        raise
    yield dg.MaterializeResult(asset_key="opco_export", metadata=job.metadata(summary))
    yield from _check_results(summary.checks)
    job.send(summary, progress)


@dg.definitions
def defs() -> dg.Definitions:
    """Define the export, the job that makes one, and a job with a schedule for each that opco.toml defines."""
    export = dg.define_asset_job("export", selection=[opco_export], description="One OPCO export file.")
    return dg.Definitions.merge(
        dg.Definitions(assets=[opco_export], jobs=[export]), jobs_and_schedules(Home.find(), opco_export)
    )


def export_job(config: ExportConfig, home: HomeResource) -> ExportJob | None:
    """Return what there is to do; None when a definition finds nothing to export."""
    request = config.model_dump()
    file = _named_output(home.home, request.pop("output"), home.output)
    resolved = resolve(ExportRequest.of(request), home.home)
    choices = resolved.choices
    settings = home.settings(
        {
            "export.format": choices.format or (SUFFIXES.get(file.suffix.lower()) if file else None),
            "export.dialect": choices.dialect,
            "export.language": choices.language,
        }
    )
    options = ExportOptions(**dict(settings.export), decimal_hours=choices.decimal_hours)
    mailing = None
    if choices.recipients:
        # Loaded where it is needed: an export without it starts faster.
        from orchestration.defs.export.delivery import prepare_mailing

        # Who may receive the file is known before the job is done.
        mailing = prepare_mailing(home.home, settings, choices.recipients)
    if resolved.filters is None:
        return None
    if file is None:
        with open_published(home.home.warehouse) as db:
            file = home.home.exports / default_name(db, resolved.filters, options, request["definition"])
    return ExportJob(resolved.filters, options, request["definition"], file, mailing, home.home)


def _named_output(home: Home, name: str | None, path: str | None) -> Path | None:
    """Return the file that a run names within var/exports, or a command by its path; None for a name of our own.

    Raises UserError for a name that is none, and for a folder or a file that is not the export's to write.
    """
    if path is not None:
        home.refuse_home_files(Path(path), "--output")
        file = Path(path)
    elif name is None:
        return None
    elif name and Path(name).name == name and name.isprintable() and not name.startswith("."):
        file = home.exports / name
    else:
        raise UserError(
            f"The output {name!r} of a run is to be the name of a file in {home.exports}, such as export.csv.\n"
            "A file elsewhere is written by the command alone: opco export --output FILE."
        )
    refuse_another_file(file)
    return file


def _check_results(checks: tuple[Check, ...]) -> Iterator[dg.AssetCheckResult]:
    for check in checks:
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key="opco_export",
            passed=check.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"expected": check.expected, "found": check.found},
        )
