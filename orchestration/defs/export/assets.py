"""The OPCO export file."""

import hashlib
import json
from pathlib import Path

import dagster as dg
from pydantic import Field, ValidationError

from orchestration.home import Home
from orchestration.progress import Progress
from orchestration.resources import HomeResource
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from reports.warehouse import open_published
from warehouse.errors import UserError
from warehouse.files import safe_file_name


class ExportConfig(dg.Config):
    """Which lines and columns, and how they are written. All filters are optional and hold together."""

    date_from: str | None = Field(default=None, description="First day, YYYY-MM-DD, in the display time zone.")
    date_to: str | None = Field(default=None, description="Last day, YYYY-MM-DD, included.")
    users: list[str] = Field(default=[], description="E-mail addresses or user ids.")
    groups: list[str] = Field(default=[], description="Names or ids of groups; members of sub-groups count.")
    sessions: list[str] = Field(default=[], description="Ids or exact names of program sessions.")
    custom_fields: list[str] = Field(default=[], description="Titles or ids of the custom fields shown; none: all.")
    dialect: str | None = Field(default=None, description="excel or rfc4180. Default: the setting export.dialect.")
    language: str | None = Field(default=None, description="en or fr. Default: the setting export.language.")
    output: str | None = Field(default=None, description="The file; relative to the home. Default: in var/exports.")


@dg.asset(
    group_name="export",
    kinds={"csv"},
    deps=["published_warehouse"],
    description="One line per connection per user per course per program session, as a CSV file with its JSON.",
)
def opco_export(
    config: ExportConfig, home: HomeResource, progress: dg.ResourceParam[Progress]
) -> dg.MaterializeResult[None]:
    """Write one export file as configured."""
    settings = home.settings({"export.dialect": config.dialect, "export.language": config.language}).export
    filters = _filters(config)
    options = ExportOptions(dialect=settings.dialect, language=settings.language)
    place = home.home
    output = place.folder / config.output if config.output else _default_output(place, filters, options)
    place.refuse_own_place(output, "--output")
    progress.stage("Exporting")
    summary = write_export(place.warehouse, output, filters, options, progress=progress.at)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(summary.path),
            "json_path": dg.MetadataValue.path(summary.json_path),
            "dagster/row_count": summary.rows,
            "bytes": summary.bytes,
            "sha256": summary.sha256,
            "learners": summary.learners,
            "sessions": summary.sessions,
            "data_as_of": f"{summary.data_as_of:%Y-%m-%dT%H:%M:%SZ}",
            "build_id": summary.build_id,
        }
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Define the export and the job that makes one."""
    return dg.Definitions(
        assets=[opco_export],
        jobs=[dg.define_asset_job("export", selection=[opco_export], description="One OPCO export file.")],
    )


def _filters(config: ExportConfig) -> ExportFilters:
    names = ("date_from", "date_to", "users", "groups", "sessions", "custom_fields")
    try:
        return ExportFilters.model_validate({name: getattr(config, name) for name in names})
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))} {one['input']!r}: {one['msg']}" for one in error.errors()]
        raise UserError("A filter cannot be used:\n" + "\n".join(wrong)) from error


def _default_output(home: Home, filters: ExportFilters, options: ExportOptions) -> Path:
    """Name the file after its data and build, and apart for each choice of filters and options."""
    with open_published(home.warehouse) as connection:
        row = connection.execute("select strftime(data_as_of, '%Y-%m-%d'), build_id from warehouse_build").fetchone()
    data_as_of, build_id = row or ("", "")
    name = f"opco-export-{data_as_of}-{safe_file_name(build_id)}"
    if filters != ExportFilters.model_validate({}) or options != ExportOptions():
        asked = json.dumps([filters.model_dump(mode="json"), vars(options)], sort_keys=True)
        name += f"-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"
    return home.exports / f"{name}.csv"
