"""The raw tables: one load takes them all."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from orchestration.defs.raw.archive_check import require_known_archive
from orchestration.home.clock import clock
from orchestration.home.paths import Home
from orchestration.home.settings import home_sources
from orchestration.home.sources import raw_folder_of
from orchestration.runs.mistakes import tells_mistakes
from orchestration.runs.progress import Progress, counted_stage
from orchestration.runs.resources import BuildLock, HomeResource
from warehouse.archive import TableLoad, load_delivery, read_whole_manifest
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
    sources = [dg.AssetKey(["sources", name]) for name in home_sources(Home.find())]

    @dg.multi_asset(
        name="raw_tables",
        specs=[
            dg.AssetSpec(
                dg.AssetKey(["raw", name]),
                group_name="raw",
                kinds={"parquet"},
                deps=sources,
                description=f"The table `{name}` of the raw contract, as delivered, in the archive.",
            )
            for name in tables
        ],
    )
    @tells_mistakes
    def load(
        context: dg.AssetExecutionContext,
        config: LoadConfig,
        home: HomeResource,
        build_lock: BuildLock,  # noqa: ARG001 - asked for to be held
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.MaterializeResult[None]]:
        folder = raw_folder_of(home.home, config.raw_folder or home.settings().build.raw_folder)
        if folder is None:
            raise UserError(
                "No raw folder is named, and no source was pulled. Give one: --raw FOLDER of opco build or opco "
                "nightly, `raw_folder` in the launchpad's configuration, or raw_folder under [build] in "
                f"{home.home.settings_file}. Or define a source there, and pull it: opco pull --all"
            )
        # Before an entry is added to a chain that was started again.
        require_known_archive(home.home, read_whole_manifest(home.home.archive))
        summary = load_delivery(
            folder,
            home.home.archive,
            loaded_at=clock(config.as_of),
            settings=home.settings().raw.reading(),
            progress=counted_stage(progress, "Loading"),
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
