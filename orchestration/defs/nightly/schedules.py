"""When the nightly run begins."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from orchestration.dead_runs import PROCESS_TAG, UNFINISHED, close_dead_runs
from orchestration.home import Home
from orchestration.locking import running_build
from orchestration.resources import WAIT_TAG
from orchestration.settings import Settings
from orchestration.times import cron

# A run that nobody watches waits for a build that is under way: one must not cost the other.
WAITS = {WAIT_TAG: "120"}
WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
# A run that has not come so far as to hold the lock after this time was killed while it started.
STARTS_WITHIN = timedelta(hours=1)


def nightly_schedule(job: UnresolvedAssetJobDefinition, settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule of the nightly job. It never begins a run while another one waits or is under way."""
    nightly, zone = settings.nightly, settings.nightly.zone(settings.rules)

    @dg.schedule(
        job=job,
        name="nightly_schedule",
        cron_schedule=cron(nightly.schedule),
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING if nightly.enabled else dg.DefaultScheduleStatus.STOPPED,
        description=f"Begins the nightly run: {nightly.schedule} ({zone}).",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        close_dead_runs(context.instance)
        under_way = unfinished_run(context.instance, Home.find(), job.name, datetime.now(UTC))
        if under_way is not None:
            status = under_way.status.value.lower()
            return dg.SkipReason(f"The nightly run {under_way.run_id} is not over ({status}): no other one begins.")
        # Periods of exports are relative to the day for which the run was due, also when the daemon comes late.
        today = context.scheduled_execution_time.astimezone(ZoneInfo(settings.rules.display_timezone)).date()
        return dg.RunRequest(run_config={"ops": {"nightly_exports": {"config": {"today": today.isoformat()}}}})

    return schedule


def unfinished_run(instance: dg.DagsterInstance, home: Home, job: str, now: datetime) -> dg.DagsterRun | None:
    """Return a run of a job that builds, where it waits, starts or is under way; None when none does."""
    records = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=[*WAITING, *UNFINISHED]))
    # Such a run holds the lock, or waits for who holds it. Of one on a machine that is gone, nothing else tells.
    is_building = running_build(home) is not None
    for record in records:
        run = record.dagster_run
        lives = run.status is dg.DagsterRunStatus.QUEUED or (is_building and PROCESS_TAG in run.tags)
        if lives or now - record.update_timestamp.replace(tzinfo=UTC) < STARTS_WITHIN:
            return run
    return None
