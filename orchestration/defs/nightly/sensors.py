"""What starts by itself beside the night: the build of a delivery that is complete, and the sessions' partitions."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from orchestration.defs.attestations.partitions import SESSIONS, partitions_out_of_step
from orchestration.defs.nightly.schedules import WAITS, unfinished_run
from orchestration.home.lock import running_build
from orchestration.home.paths import Home
from orchestration.home.settings import Settings, load_settings
from orchestration.runs.dead_runs import close_dead_runs
from warehouse.arrivals import decide, parse_state, snapshot_of
from warehouse.published import shown_file

SECONDS = 60


def arrivals_sensor(settings: Settings) -> dg.SensorDefinition:
    """Return the sensor that starts the job `build`, once for each delivery that is complete in the raw folder."""

    @dg.sensor(
        job_name="build",
        name="arrivals",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING if settings.arrivals.enabled else dg.DefaultSensorStatus.STOPPED,
        description="Builds and publishes each delivery that is complete in build.raw_folder (settings of [arrivals]).",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return look_for_a_delivery(Home.find(), context.instance, context.cursor, datetime.now(UTC))

    return arrivals


def look_for_a_delivery(home: Home, instance: dg.DagsterInstance, cursor: str | None, now: datetime) -> dg.SensorResult:
    """Return the run that a complete delivery asks for, or why there is none; the cursor is an `ArrivalState`."""
    settings = load_settings(home)
    if settings.build.raw_folder is None:
        return dg.SensorResult(skip_reason="The setting build.raw_folder names no folder to watch.", cursor=cursor)
    folder = home.folder / settings.build.raw_folder
    try:
        snapshot = snapshot_of(folder)
    except OSError as error:
        # A folder that is not there, or whose files move while they are read.
        return dg.SensorResult(skip_reason=f"{folder} cannot be read now: {error}", cursor=cursor)
    arrivals = settings.arrivals
    quiet = timedelta(minutes=arrivals.quiet_minutes)
    decision = decide(parse_state(cursor), snapshot, now, arrivals.complete_when, quiet)
    if decision.delivery is None:
        return dg.SensorResult(skip_reason=decision.reason, cursor=decision.state.as_text())
    if under_way := _build_under_way(home, instance):
        reason = f"A delivery is complete and waits for {under_way}."
        return dg.SensorResult(skip_reason=reason, cursor=decision.state.as_text())
    request = dg.RunRequest(run_key=f"delivery-{decision.delivery}", tags=WAITS)
    return dg.SensorResult(run_requests=[request], cursor=decision.taken().as_text())


def sessions_sensor() -> dg.SensorDefinition:
    """Return the sensor that keeps the partitions of the attestations those of the published sessions."""

    @dg.sensor(
        name="sessions",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps the partitions of opco_attestations those of the published sessions, gone ones included.",
    )
    def sessions(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        shown = shown_file(Home.find().published)
        if shown is None:
            return dg.SensorResult(skip_reason="Nothing is published yet.")
        if shown.name == context.cursor:
            return dg.SensorResult(skip_reason=f"The published build is still {shown.stem}.", cursor=context.cursor)
        missing, surplus = partitions_out_of_step(context.instance, shown)
        return dg.SensorResult(
            skip_reason=f"Sessions of build {shown.stem}: {len(missing)} added, {len(surplus)} taken away.",
            dynamic_partitions_requests=[
                *([SESSIONS.build_add_request(missing)] if missing else []),
                *([SESSIONS.build_delete_request(surplus)] if surplus else []),
            ],
            cursor=shown.name,
        )

    return sessions


def _build_under_way(home: Home, instance: dg.DagsterInstance) -> str | None:
    """Return what a build would have to wait for."""
    process = running_build(home)
    if process is not None:
        return f"a build that is under way (process {process or 'unknown'})"
    close_dead_runs(home, instance)
    runs = (unfinished_run(instance, job) for job in ("build", "nightly"))
    return next((f"the run {run.run_id} ({run.job_name})" for run in runs if run), None)
