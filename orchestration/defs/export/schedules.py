"""A job and a schedule for each export that `opco.toml` defines."""

from zoneinfo import ZoneInfo

import dagster as dg

from orchestration.home.paths import Home
from orchestration.home.settings import load_settings, named_exports
from orchestration.home.times import cron

PREFIX = "export_"


def jobs_and_schedules(home: Home, asset: dg.AssetsDefinition) -> dg.Definitions:
    """Return a job for each defined export, and a schedule for each that says when it is made.

    A schedule runs as soon as the daemon does. Errors as `load_settings`.
    """
    zone = load_settings(home).rules.display_timezone
    defined = named_exports(home)
    jobs = [
        dg.define_asset_job(
            PREFIX + name,
            selection=[asset],
            description=f"The export [exports.{name}] of opco.toml.",
            config=_run_config(name, None),
        )
        for name in defined
    ]
    schedules = [
        _schedule(name, definition.schedule, zone) for name, definition in defined.items() if definition.schedule
    ]
    return dg.Definitions(jobs=jobs, schedules=schedules)


def _schedule(name: str, times: str, zone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        job_name=PREFIX + name,
        name=f"{PREFIX}{name}_schedule",
        cron_schedule=cron(times),
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Makes the export [exports.{name}] of opco.toml: {times} ({zone}).",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        # The day for which it was due, also when the daemon comes late.
        today = context.scheduled_execution_time.astimezone(ZoneInfo(zone)).date()
        return dg.RunRequest(run_config=_run_config(name, today.isoformat()))

    return schedule


def _run_config(name: str, today: str | None) -> dict[str, object]:
    return {"ops": {"opco_export": {"config": {"definition": name} | ({"today": today} if today else {})}}}
