"""The raw tables: one load takes them all."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from orchestration.clock import clock
from orchestration.progress import Progress
from orchestration.resources import BuildLock, HomeResource
from warehouse.archive import TableLoad, load_delivery
from warehouse.contract import raw_tables
from warehouse.errors import UserError


class LoadConfig(dg.Config):
    """What to load."""

    raw_folder: str | None = Field(
        default=None, description="The raw folder; relative to the home. Default: the setting build.raw_folder."
    )
    as_of: str | None = Field(
        default=None, description="Start of the load, such as 2026-11-10T06:00:00Z. Default: now."
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Define one asset a table of the raw contract, all made by one load."""
    tables = raw_tables()

    @dg.multi_asset(
        name="raw_tables",
        specs=[
            dg.AssetSpec(
                dg.AssetKey(["raw", name]),
                group_name="raw",
                kinds={"parquet"},
                description=f"The table `{name}` of the raw contract, as delivered, in the archive.",
            )
            for name in tables
        ],
    )
    def load(
        context: dg.AssetExecutionContext,
        config: LoadConfig,
        home: HomeResource,
        build_lock: BuildLock,  # noqa: ARG001 - asked for to be held
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult[None]]:
        folder = config.raw_folder or home.settings().build.raw_folder
        if folder is None:
            raise UserError(
                "No raw folder is named. Give one: --raw FOLDER of opco build or opco nightly, `raw_folder` in the "
                f"launchpad's configuration, or raw_folder under [build] in {home.home.settings_file}."
            )
        progress.stage("Loading")
        summary = load_delivery(
            home.home.folder / folder, home.home.archive, loaded_at=clock(config.as_of), progress=progress.step
        )
        for warning in summary.warnings:
            context.log.warning(warning)
        for name in tables:
            brought = summary.tables.get(name, TableLoad())
            yield dg.MaterializeResult(
                asset_key=dg.AssetKey(["raw", name]),
                metadata={
                    "dagster/row_count": brought.rows,
                    "files": brought.files,
                    "new_files": brought.new_files,
                    "load_number": summary.load_number,
                },
            )

    return dg.Definitions(assets=[load])
