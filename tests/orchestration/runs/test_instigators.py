"""Schedules and sensors that begin nothing: after a clock that was ahead, and where nobody looks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from opco.services import health_of
from opco.status import status_of
from orchestration.defs.alerts.run_alerts import failing_jobs, overdue_night
from orchestration.defs.alerts.state import AlertState
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.runs.instigators import forget_renamed, repair_clock, silences
from orchestration.runs.jobs import open_instance
from warehouse.errors import OpcoError

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def of_now() -> None:
    """Let a test begin now: health goes by the machine's clock, and a suite is collected long before its last test."""
    global NOW
    NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with open_instance(home) as opened:
        yield opened


def running(instance: dg.DagsterInstance, name: str, at: datetime, error: str | None = None) -> InstigatorState:
    """Record a schedule or sensor that looked last, and as if for the first time, at an instant."""
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("orchestration.definitions"), "repository"), name
    )
    kind = InstigatorType.SCHEDULE if name.endswith("_schedule") else InstigatorType.SENSOR
    stamp = at.timestamp()
    state = InstigatorState(
        origin,
        kind,
        InstigatorStatus.RUNNING,
        ScheduleInstigatorData("15 4 * * *", stamp, stamp)
        if kind is InstigatorType.SCHEDULE
        else SensorInstigatorData(stamp, cursor="kept", last_tick_start_timestamp=stamp),
    )
    instance.add_instigator_state(state)
    tick(instance, state, at, error)
    return state


def tick(instance: dg.DagsterInstance, state: InstigatorState, at: datetime, error: str | None = None) -> None:
    instance.create_tick(
        TickData(
            state.instigator_origin_id,
            state.instigator_name,
            state.instigator_type,
            TickStatus.FAILURE if error else TickStatus.SUCCESS,
            at.timestamp(),
            selector_id=state.selector_id,
            run_ids=[],
            error=SerializableErrorInfo(error, [], "UserError") if error else None,
        )
    )


def shows_itself(instance: dg.DagsterInstance, ahead: float = 0) -> None:
    for part in instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() + ahead, part, "1", None))


@pytest.mark.parametrize("name", ["nightly_schedule", "arrivals"])
def test_what_a_clock_that_was_ahead_silences_is_told_and_mended(
    home: Home, instance: dg.DagsterInstance, name: str
) -> None:
    state = running(instance, name, NOW - timedelta(minutes=1))
    assert silences(instance, NOW) == []
    ahead = NOW + timedelta(days=60)
    tick(instance, state, ahead)
    shows_itself(instance)

    (silence,) = silences(instance, NOW)
    assert (silence.name, silence.is_ahead) == (name, True)
    (alert,) = failing_jobs(instance, NOW)
    assert (alert.kind, alert.key) == ("tick", f"tick/{name}/silent")
    assert any(line.startswith("Silent    ") for line in status_of(home, NOW, to_the_last_byte=False).lines())
    with pytest.raises(OpcoError, match=rf"Not well(?s:.*){name}(?s:.*)clock was ahead"):
        health_of(home, "daemon", None)

    assert repair_clock(instance, NOW) == [name]
    assert silences(instance, NOW) == []
    assert failing_jobs(instance, NOW) == []
    (left,) = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    assert left.timestamp == (NOW - timedelta(minutes=1)).timestamp()
    assert repair_clock(instance, NOW) == []
    assert health_of(home, "daemon", None).startswith("Well: ")


def test_a_sensor_under_its_earlier_name_is_not_silent_for_ever(home: Home, instance: dg.DagsterInstance) -> None:
    running(instance, "alarms", NOW - timedelta(days=1), error="535")
    running(instance, "arrivals", NOW - timedelta(minutes=1))
    shows_itself(instance)
    with pytest.raises(OpcoError, match="alarms"):
        health_of(home, "daemon", None)
    forget_renamed(instance)
    assert [one.instigator_name for one in instance.all_instigator_state()] == ["arrivals"]
    assert failing_jobs(instance, NOW) == []
    assert health_of(home, "daemon", None).startswith("Well: ")


def test_what_is_kept_of_a_schedule_or_sensor_is_of_now_after_mending(instance: dg.DagsterInstance) -> None:
    for name in ("nightly_schedule", "arrivals"):
        running(instance, name, NOW + timedelta(days=60))
    assert repair_clock(instance, NOW) == ["arrivals", "nightly_schedule"]
    states = {state.instigator_name: state.instigator_data for state in instance.all_instigator_state()}
    stamp = NOW.timestamp()
    assert states["nightly_schedule"] == ScheduleInstigatorData("15 4 * * *", stamp, stamp)
    assert states["arrivals"] == SensorInstigatorData(stamp, cursor="kept", last_tick_start_timestamp=stamp)


def test_health_looks_at_what_the_daemon_begins(home: Home, instance: dg.DagsterInstance) -> None:
    shows_itself(instance)
    state = running(instance, "sessions", NOW)
    assert health_of(home, "daemon", None).startswith("Well: ")
    tick(instance, state, NOW + timedelta(seconds=1), "warehouse.errors.UserError: No export 'monthly' is defined.")
    with pytest.raises(OpcoError, match="sensor sessions: No export 'monthly' is defined"):
        health_of(home, "daemon", None)


def test_health_is_not_well_where_a_sensor_looks_no_more(home: Home, instance: dg.DagsterInstance) -> None:
    shows_itself(instance)
    running(instance, "sessions", NOW - timedelta(hours=1))
    with pytest.raises(OpcoError, match="sensor sessions: It has not looked since"):
        health_of(home, "daemon", None)


def test_a_daemon_that_showed_itself_in_a_time_to_come_does_not_show_itself(
    home: Home, instance: dg.DagsterInstance
) -> None:
    shows_itself(instance, ahead=60 * 86400)
    with pytest.raises(OpcoError, match="did not show themselves"):
        health_of(home, "daemon", None)


def test_a_night_that_nothing_came_of_is_told(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = NOW.replace(hour=3, minute=15, second=0)
    monkeypatch.setenv("OPCO_NIGHTLY__TIMEZONE", "Africa/Lagos")  # where 04:15 is 03:15 UTC all the year

    def told(at: datetime) -> list[str]:
        return [line for alert in overdue_night(load_settings(home), instance, at) for line in alert.lines]

    assert told(due + timedelta(hours=7)) == []
    monkeypatch.setenv("OPCO_NIGHTLY__ENABLED", "true")
    # Turned on by day: no night was due yet.
    state = running(instance, "nightly_schedule", due + timedelta(hours=1))
    assert told(due + timedelta(hours=7)) == []
    tick(instance, state, due)
    assert told(due + timedelta(hours=5)) == []
    (alert,) = overdue_night(load_settings(home), instance, due + timedelta(hours=7))
    assert alert.values == {"hours": "6", "due": f"{due:%Y-%m-%dT%H:%M:%SZ}", "ended": ""}

    job = dg.job(name="nightly")(lambda: None)
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert told(due + timedelta(hours=7)) == [f"{run.run_id}: started"]
    monkeypatch.setenv("OPCO_ALERTS__NIGHT_HOURS", "none")
    assert told(due + timedelta(hours=7)) == []
    monkeypatch.setenv("OPCO_ALERTS__NIGHT_HOURS", "6")
    result = job.execute_in_process(instance=instance)
    assert result.success
    ended = instance.get_run_records(dg.RunsFilter(run_ids=[result.run_id]))[0].end_time
    assert ended is not None
    at = datetime.fromtimestamp(ended, UTC)
    # Of the night before it this run is the one that ended well; of those after it, it is not.
    assert told(at + timedelta(seconds=1)) == []
    assert len(told(at + timedelta(days=2))) == 1


def test_alerts_wait_for_no_time_that_a_clock_ahead_named() -> None:
    state = AlertState()
    state.failed("refused", NOW + timedelta(days=60))
    assert state.may_try(NOW)
    state.failed("refused", NOW)
    assert not state.may_try(NOW)
    assert state.may_try(NOW + timedelta(hours=1))
