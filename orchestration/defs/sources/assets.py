"""One asset a source of `opco.toml`, upstream of the raw tables: a pull takes them all into one delivery."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from connectors.delivery import deliver
from orchestration.home.paths import Home
from orchestration.home.settings import home_sources, load_settings
from orchestration.home.sources import require_defined, source_of, sources_folder
from orchestration.home.times import cron
from orchestration.runs.mistakes import tells_mistakes
from orchestration.runs.progress import Progress
from orchestration.runs.resources import HomeResource
from warehouse.archive import read_manifest

PULL = "pull"


class PullConfig(dg.Config):
    """What to pull."""

    sources: list[str] = Field(default=[], description="Names of sources; without any, all of opco.toml.")
    full: bool = Field(default=False, description="Read everything again, instead of what is new.")
    dry_run: bool = Field(default=False, description="Deliver nothing; say what would be.")
    allow_empty: bool = Field(default=False, description="Deliver a source without users that had some before.")
    skip: bool = Field(default=False, description="Pull nothing: the raw folder comes from elsewhere.")


def source_key(name: str) -> dg.AssetKey:
    """Return the asset of a source."""
    return dg.AssetKey(["sources", name])


@dg.definitions
def defs() -> dg.Definitions:
    """Define the sources of the home, the job that pulls them, and a schedule for each that says when; none without."""
    home = Home.find()
    sources = home_sources(home)
    if not sources:
        return dg.Definitions()

    @dg.multi_asset(
        name="pull_sources",
        specs=[
            dg.AssetSpec(
                source_key(name),
                group_name="sources",
                kinds={settings.kind},
                skippable=True,
                description=f"What the source [sources.{name}] of opco.toml has, as raw tables of a delivery.",
            )
            for name, settings in sources.items()
        ],
    )
    @tells_mistakes
    def pull(
        context: dg.AssetExecutionContext, config: PullConfig, home: HomeResource, progress: dg.ResourceParam[Progress]
    ) -> Iterator[dg.MaterializeResult[None]]:
        if not config.skip:
            yield from _pull(context, config, home.home, progress)

    zone = load_settings(home).rules.display_timezone
    return dg.Definitions(
        assets=[pull],
        jobs=[dg.define_asset_job(PULL, selection=[pull], description="From the sources to one delivery.")],
        schedules=[
            dg.ScheduleDefinition(
                name=f"pull_{name.replace('-', '_')}_schedule",
                job_name=PULL,
                cron_schedule=cron(settings.schedule),
                execution_timezone=zone,
                run_config={"ops": {"pull_sources": {"config": {"sources": [name]}}}},
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description=f"Pulls the source [sources.{name}] of opco.toml: {settings.schedule} ({zone}).",
            )
            for name, settings in sources.items()
            if settings.schedule
        ],
    )


def _pull(
    context: dg.AssetExecutionContext, config: PullConfig, home: Home, progress: Progress
) -> Iterator[dg.MaterializeResult[None]]:
    defined = home_sources(home)
    require_defined(defined, config.sources)
    wanted, archive = config.sources or list(defined), read_manifest(home.archive)
    started_at = datetime.now(UTC)
    made = deliver(
        sources_folder(home),
        {name: source_of(name, defined[name]) for name in wanted},
        home=home.folder,
        started_at=started_at,
        # A growing table's file that the archive has needs no second delivery.
        known={version.file for version in archive.files},
        forgotten=[record.user_id for record in archive.forgotten],
        is_full=config.full,
        is_dry_run=config.dry_run,
        allows_empty=config.allow_empty,
        on_progress=lambda name, step: progress.stage(f"{name}: {step}"),
    )
    seconds = (datetime.now(UTC) - started_at).total_seconds()
    for name, report in made.reports.items():
        for finding in report.findings:
            if finding.level == "warning":
                context.log.warning(f"{name}: {finding.text} ({finding.count})")
        yield dg.MaterializeResult(
            asset_key=source_key(name),
            metadata={
                "dagster/row_count": sum(report.rows.values()),
                "rows": dg.MetadataValue.json(dict(report.rows)),
                "pull_seconds": seconds,
                "delivery": dg.MetadataValue.path(made.folder),
                "last_activity": report.last_activity.isoformat() if report.last_activity else "",
                # Its examples may name people: they stay in the delivery, which a forgetting reaches.
                "report": dg.MetadataValue.json(report.without_examples().to_json()),
            },
        )
