"""When the nightly run starts."""

from zoneinfo import ZoneInfo

import dagster as dg

from orchestration.defs.alerts.run_alerts import NIGHTLY_SCHEDULE
from orchestration.home.paths import Home
from orchestration.home.settings import Settings
from orchestration.home.times import cron
from orchestration.runs.dagster_internals import PRIORITY_TAG
from orchestration.runs.dead_runs import UNFINISHED, close_dead_runs
from orchestration.runs.resources import WAIT_TAG

NIGHTLY = "nightly"
# A run that nobody watches waits for a build that is under way: one must not cost the other. In the queue it goes
# before what can wait, such as a backfill of hundreds of sessions.
WAITS = {WAIT_TAG: "120", PRIORITY_TAG: "10"}


def nightly_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Return the schedule of the nightly job. It never starts a run while another one waits or is under way."""
    nightly, zone = settings.nightly, settings.nightly.zone(settings.rules)

    @dg.schedule(
        job_name=NIGHTLY,
        name=NIGHTLY_SCHEDULE,
        cron_schedule=cron(nightly.schedule),
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING if nightly.enabled else dg.DefaultScheduleStatus.STOPPED,
        description=f"Starts the nightly run: {nightly.schedule} ({zone}).",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        close_dead_runs(Home.find(), context.instance)
        under_way = unfinished_run(context.instance, NIGHTLY)
        if under_way is not None:
            status = under_way.status.value.lower()
            return dg.SkipReason(f"The nightly run {under_way.run_id} is not over ({status}): no other one starts.")
        # Periods of exports are relative to the day for which the run was due, also when the daemon comes late.
        today = context.scheduled_execution_time.astimezone(ZoneInfo(settings.rules.display_timezone)).date()
        return dg.RunRequest(run_config={"ops": {"nightly_exports": {"config": {"today": today.isoformat()}}}})

    return schedule


def unfinished_run(instance: dg.DagsterInstance, job: str) -> dg.DagsterRun | None:
    """Return a run of a job that waits, starts or is under way, once the dead ones are closed; None when none does."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.QUEUED, *UNFINISHED]), limit=1)
    return runs[0] if runs else None
