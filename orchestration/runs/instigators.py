"""Schedules and sensors: whether they are still evaluated, and what a clock that was ahead left in their records.

Dagster starts nothing before the last time that it has on record. Where the machine's clock was ahead once, that is in
the future, and nothing would start until then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from orchestration.runs.dagster_internals import (
    InstigatorState,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    delete_ticks_after,
)

# Clocks of two machines may differ by less.
AHEAD = timedelta(minutes=5)
# A sensor is evaluated each minute; of a schedule that is recorded once an hour.
EVALUATED_WITHIN = {InstigatorType.SENSOR: timedelta(minutes=15), InstigatorType.SCHEDULE: timedelta(hours=3)}
RENAMED_SENSORS = ("alarms",)
INSTANTS = (
    "start_timestamp",
    "last_iteration_timestamp",
    "last_tick_timestamp",
    "last_tick_start_timestamp",
    "last_sensor_start_timestamp",
    "last_tick_success_timestamp",
)


@dataclass(frozen=True)
class Silence:
    """A schedule or sensor that starts nothing, and why; `is_ahead` where a clock that was ahead is the reason."""

    name: str
    kind: str
    reason: str
    is_ahead: bool


def silences(instance: dg.DagsterInstance, now: datetime) -> list[Silence]:
    """Return running schedules and sensors that a clock that was ahead keeps silent, or that are no longer evaluated.

    The latter is so, too, while no daemon runs, and for a moment after it started.
    """
    found = []
    for state in instance.all_instigator_state():
        if not state.is_running:
            continue
        latest = _latest(instance, state)
        if latest is None:
            continue
        kind = "schedule" if state.instigator_type == InstigatorType.SCHEDULE else "sensor"
        if latest - now > AHEAD:
            reason = (
                f"It is on record as of {latest:%Y-%m-%dT%H:%M:%SZ}, when the machine's clock was ahead, and starts "
                "nothing before. Start opco dagster again (its daemon, where that is a service of its own), which "
                "repairs it."
            )
        elif now - latest > EVALUATED_WITHIN.get(state.instigator_type, timedelta.max):
            reason = f"It has not looked since {latest:%Y-%m-%dT%H:%M:%SZ}. Does the daemon run? opco dagster"
        else:
            continue
        found.append(Silence(state.instigator_name, kind, reason, latest > now))
    return sorted(found, key=lambda one: one.name)


def forget_renamed(instance: dg.DagsterInstance) -> None:
    """Remove the records of sensors under the names they had before: else they would count as silent for ever."""
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.instigator_name in RENAMED_SENSORS:
            instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)


def repair_clock(instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Put `now` (aware) in place of later times on record, and return the names of the schedules and sensors."""
    repaired = []
    for state in instance.all_instigator_state():
        latest = _latest(instance, state)
        if latest is None or latest - now <= AHEAD:
            continue
        if state.instigator_data is not None:
            past: dict[str, Any] = {name: now.timestamp() for name, at in _instants(state) if at > now}
            instance.update_instigator_state(state.with_data(state.instigator_data._replace(**past)))
        delete_ticks_after(instance, state, now)
        repaired.append(state.instigator_name)
    return sorted(repaired)


def _latest(instance: dg.DagsterInstance, state: InstigatorState) -> datetime | None:
    """Return the last instant that is on record of a schedule or sensor."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    instants = [at for _, at in _instants(state)]
    return max([*instants, *(datetime.fromtimestamp(tick.timestamp, UTC) for tick in ticks)], default=None)


def _instants(state: InstigatorState) -> Iterator[tuple[str, datetime]]:
    data = state.instigator_data
    if isinstance(data, ScheduleInstigatorData | SensorInstigatorData):
        for name in INSTANTS:
            if (at := getattr(data, name, None)) is not None:
                yield name, datetime.fromtimestamp(at, UTC)
