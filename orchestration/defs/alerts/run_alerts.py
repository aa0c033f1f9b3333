"""Alerts from Dagster's records: failed runs and checks, schedules and sensors that cannot start, an overdue night."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from orchestration.defs.alerts.alert import Alert, utc
from orchestration.defs.alerts.data_alerts import PROBLEMS
from orchestration.home.settings import Settings
from orchestration.home.times import last_time
from orchestration.runs.dagster_internals import (
    AUTOMATION_CONDITION_TAG,
    BACKFILL_ID_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
    WILL_RETRY_TAG,
    InstigatorState,
    InstigatorType,
    SerializableErrorInfo,
    TickStatus,
)
from orchestration.runs.instigators import silences
from orchestration.runs.jobs import as_raised, error_in, last_ended_runs
from warehouse.errors import UserError

SENSOR = "alerts"
NIGHTLY_SCHEDULE = "nightly_schedule"
# The last ones are enough, and the last by far where clocks went back.
RUNS_OF_NIGHTS = 50
# A run with one of these was started by no person, so nobody watches how it ends.
STARTED_BY_ITSELF = (SCHEDULE_NAME_TAG, SENSOR_NAME_TAG, BACKFILL_ID_TAG, AUTOMATION_CONDITION_TAG)
FIRST_LINES = 10
# What differs between two failures with one cause: ids and numbers.
VARYING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8,}\b|\d+")


def failing_jobs(instance: DagsterInstance, now: datetime) -> list[Alert]:
    """Return the jobs, by partition, whose last run, started by no person, failed; and the schedules and sensors."""
    last = last_ended_runs(instance).values()
    failed = [record for record in last if is_watched(record) and not record.dagster_run.is_success]
    return [*(failed_run(instance, record) for record in failed), *failed_ticks(instance, now)]


def overdue_night(settings: Settings, instance: DagsterInstance, now: datetime) -> list[Alert]:
    """Return that no nightly run has ended well since one was due, `alerts.night_hours` ago or longer.

    Nothing where nights are off, or none was due since they were turned on.
    """
    hours, nightly = settings.alerts.night_hours, settings.nightly
    if hours is None or not nightly.enabled:
        return []
    due = last_time(nightly.schedule, nightly.zone(settings.rules), now - timedelta(hours=hours))
    states = [one for one in instance.all_instigator_state() if one.instigator_name == NIGHTLY_SCHEDULE]
    if not any(_was_on(instance, one, due) for one in states):
        return []
    well = RunsFilter(job_name="nightly", statuses=[DagsterRunStatus.SUCCESS])
    last = [record.end_time for record in instance.get_run_records(well, limit=RUNS_OF_NIGHTS) if record.end_time]
    if any(due.timestamp() <= at <= now.timestamp() for at in last):
        return []
    newest = instance.get_run_records(RunsFilter(job_name="nightly"), limit=1)
    return [
        Alert(
            "night",
            "night/",
            "night/",
            {
                "hours": str(hours),
                "due": _instant(due.timestamp()),
                "ended": _instant(max(last)) if last else "",
            },
            tuple(f"{one.dagster_run.run_id}: {one.dagster_run.status.value.lower()}" for one in newest),
            ("alerts", "status"),
        )
    ]


def _was_on(instance: DagsterInstance, schedule: InstigatorState, due: datetime) -> bool:
    ticks = instance.get_ticks(schedule.instigator_origin_id, schedule.selector_id, before=due.timestamp() + 1, limit=1)
    return schedule.is_running and bool(ticks)


def reasons_of_failed_ticks(instance: DagsterInstance) -> list[str]:
    """Return the running schedules and sensors whose last try to start its work failed, each with its error."""
    running = (one for one in instance.all_instigator_state() if one.is_running)
    alerts = [alert for one in running if (alert := _failed_tick(instance, one))]
    return [f"{alert.values['name']}: {' '.join(alert.lines)}" for alert in alerts]


def why_run_failed(instance: DagsterInstance, run_id: str) -> list[str]:
    """Return everything that Dagster's records say of why a run failed. Raises UserError for an unknown run."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        raise UserError(f"No run {run_id} is on record here. Alerts and Dagster's pages show the ids.")
    lines = [f"{run.job_name}: {run.status.value.lower()}"]
    for entry in instance.all_logs(run_id, of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}):
        lines += [entry.dagster_event.message or ""] if entry.dagster_event else []
        error = error_in(entry)
        lines += error.to_string().splitlines() if error else []
    return lines


def home_alert(reason: str) -> Alert:
    """Return the alert that the home, or what it holds, cannot be used for `reason`."""
    return Alert("home", f"home/{_digest('', reason)}", "home/", {}, _first_lines(reason), ("status",))


def is_watched(record: RunRecord) -> bool:
    """Tell whether nobody watches how a run ends, as it was started by no person, and it is not tried again."""
    tags = record.dagster_run.tags
    return any(tag in tags for tag in STARTED_BY_ITSELF) and tags.get(WILL_RETRY_TAG) != "true"


def failed_run(instance: DagsterInstance, record: RunRecord) -> Alert:
    """Return the alert about a run that failed, with the first lines of its error."""
    run = record.dagster_run
    step, reason = "", ""
    for entry in instance.all_logs(run.run_id, of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}):
        event = entry.dagster_event
        error = error_in(entry)
        if event is None or reason:
            continue
        step = event.step_key or ""
        reason = _error_text(error) if error else event.message or ""
    return Alert(
        "run",
        f"run/{run.job_name}/{_digest(step, reason)}",
        f"run/{run.job_name}",
        {
            "job": run.job_name,
            "step": step or "-",
            "run_id": run.run_id,
            "at": _instant(record.end_time or record.update_timestamp.timestamp()),
        },
        _first_lines(reason),
        (f"alerts --run {run.run_id}", "status"),
    )


def check_outcomes(instance: DagsterInstance, record: RunRecord) -> Iterator[tuple[str, Alert | None]]:
    """Yield the key of each check of a run that ended well, and the alert where it failed: such checks only warn."""
    run = record.dagster_run
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = entry.dagster_event.event_specific_data if entry.dagster_event else None
        # The rows of the problems have alerts of their own, which say more.
        if not isinstance(evaluation, dg.AssetCheckEvaluation) or evaluation.asset_key.path[-1] == PROBLEMS:
            continue
        asset = evaluation.asset_key.to_user_string()
        key = f"check/{asset}/{evaluation.check_name}"
        if evaluation.passed:
            yield key, None
            continue
        metadata = {name: one.value for name, one in evaluation.metadata.items()}
        scalars = [f"{name}: {value}" for name, value in metadata.items() if isinstance(value, str | int | float)]
        values = {
            "check": evaluation.check_name,
            "asset": asset,
            "job": run.job_name,
            "run_id": run.run_id,
            "at": _instant(entry.timestamp),
        }
        lines = _first_lines("\n".join([evaluation.description or "", *scalars]))
        yield key, Alert("check", key, key, values, lines, (f"alerts --run {run.run_id}",))


def failed_ticks(instance: DagsterInstance, now: datetime) -> list[Alert]:
    """Return the schedules and sensors whose last try to start a run failed, and those that a clock keeps silent.

    The sensor of the alerts reports its own failures.
    """
    alerts = [
        Alert(
            "tick",
            f"tick/{one.name}/silent",
            f"tick/{one.name}",
            {"name": f"{one.kind} {one.name}", "at": _instant(now.timestamp())},
            (one.reason,),
            ("health daemon",),
        )
        for one in silences(instance, now)
        if one.is_ahead
    ]
    for instigator in instance.all_instigator_state():
        if instigator.instigator_name == SENSOR or not instigator.is_running:
            continue
        if alert := _failed_tick(instance, instigator):
            alerts.append(alert)
    return alerts


def _failed_tick(instance: DagsterInstance, instigator: InstigatorState) -> Alert | None:
    ticks = instance.get_ticks(
        instigator.instigator_origin_id,
        instigator.selector_id,
        limit=1,
        statuses=[TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE],
    )
    if not ticks or ticks[0].status != TickStatus.FAILURE:
        return None
    reason = _error_text(ticks[0].error) if ticks[0].error else ""
    kind = "schedule" if instigator.instigator_type == InstigatorType.SCHEDULE else "sensor"
    return Alert(
        "tick",
        f"tick/{instigator.instigator_name}/{_digest('', reason)}",
        f"tick/{instigator.instigator_name}",
        {"name": f"{kind} {instigator.instigator_name}", "at": _instant(ticks[0].timestamp)},
        _first_lines(reason),
        ("alerts",),
    )


def _error_text(error: SerializableErrorInfo) -> str:
    """Return the message of what was raised, without Dagster's own around it."""
    text = as_raised(error).message.strip()
    return text.removeprefix("warehouse.errors.OpcoError: ").removeprefix("warehouse.errors.UserError: ")


def _first_lines(text: str) -> tuple[str, ...]:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return tuple(lines[:FIRST_LINES])


def _digest(step: str, reason: str) -> str:
    alike = VARYING.sub("#", "\n".join((step, *_first_lines(reason))))
    return hashlib.sha256(alike.encode()).hexdigest()[:16]


def _instant(timestamp: float) -> str:
    return utc(datetime.fromtimestamp(timestamp, UTC))
