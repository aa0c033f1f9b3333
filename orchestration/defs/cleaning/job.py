"""The job `cleaning`, which does what `opco clean` does, and its schedule."""

from contextlib import nullcontext
from datetime import UTC, datetime

import dagster as dg

from orchestration.defs.cleaning.cleaning import clean
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.home.times import cron
from orchestration.runs.progress import Progress
from orchestration.runs.resources import HomeResource

# A build may be at work when it is time: it is waited for.
WHILE_A_BUILD_IS_AT_WORK = dg.RetryPolicy(max_retries=6, delay=600)


@dg.op(
    description="Remove earlier builds, old exports, expired copies, leftovers and old records of runs.",
    retry_policy=WHILE_A_BUILD_IS_AT_WORK,
)
def clean_home(context: dg.OpExecutionContext, home: HomeResource, progress: dg.ResourceParam[Progress]) -> None:
    """Clean the home as its settings say; nothing that has to be named goes."""
    settings = home.settings().cleaning
    cleaned = clean(
        home.home, settings, records=nullcontext(context.instance), now=datetime.now(UTC), progress=progress
    )
    context.add_output_metadata(
        {
            "bytes": cleaned.bytes,
            "kept_bytes": sum(cleaned.kept.values()),
            "cleaned": dg.MetadataValue.json(
                {kind: {"count": one.count, "bytes": one.bytes} for kind, one in cleaned.cleaned.items()}
            ),
        }
    )


@dg.job(name="cleaning", description="What opco clean does: earlier builds, old exports, old records of runs.")
def cleaning() -> None:
    """Clean the home."""
    clean_home()


@dg.definitions
def defs() -> dg.Definitions:
    """Define the job, and its schedule where the settings name a time."""
    home = Home.find()
    settings = load_settings(home)
    times = settings.cleaning.schedule
    if times is None:
        return dg.Definitions(jobs=[cleaning])
    schedule = dg.ScheduleDefinition(
        job=cleaning,
        name="cleaning_schedule",
        cron_schedule=cron(times),
        execution_timezone=settings.rules.display_timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Cleans the home: {times} ({settings.rules.display_timezone}).",
    )
    return dg.Definitions(jobs=[cleaning], schedules=[schedule])
