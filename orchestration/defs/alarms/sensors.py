"""The sensor that tells of what is amiss."""

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from orchestration.alarms import SENSOR, Mailer, NotSentError, home_cause, mailer_of, watch
from orchestration.home import Home
from orchestration.settings import load_settings
from warehouse.errors import OpcoError


@dataclass
class Memory:
    """What this process remembers for the day on which the home, and what it holds, cannot be read."""

    mailer: Mailer | None = None
    told: dict[str, str] = field(default_factory=dict)


@dg.definitions
def defs() -> dg.Definitions:
    """Define the sensor; it runs as soon as the daemon does."""
    memory = Memory()
    with contextlib.suppress(OpcoError):
        home = Home.find()
        memory.mailer = mailer_of(home, load_settings(home))

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the recipients of [alarms] by e-mail of failed runs and checks, many rejects, stale data, "
        "and proof of what the LMS lost: each cause once.",
    )
    def alarms(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now = datetime.now(UTC)
        try:
            home = Home.find()
            settings = load_settings(home)
        except OpcoError as error:
            _tell_of_the_home(memory, str(error))
            raise
        mailer = memory.mailer = mailer_of(home, settings)
        if mailer is None:
            return dg.SkipReason("The setting alarms.recipients names nobody.")
        # The file says another thing once it is another file, or time has passed.
        of_this_hour = f"{home.warehouse.resolve().name} {now:%Y-%m-%dT%H}"
        try:
            sent, state = watch(home, settings, context.instance, mailer, now, with_data=context.cursor != of_this_hour)
        except NotSentError:
            raise
        except (OpcoError, OSError) as error:
            _tell_of_the_home(memory, str(error))
            raise
        memory.told.clear()
        context.update_cursor(of_this_hour)
        if state.waiting:
            return dg.SkipReason(f"{len(state.waiting)} message(s) wait until {state.next_try_at}: {state.last_error}")
        return dg.SkipReason(f"{sent} message(s) sent." if sent else "Nothing new to tell.")

    return dg.Definitions(sensors=[alarms])


def _tell_of_the_home(memory: Memory, reason: str) -> None:
    """Tell each recipient once that the home cannot be used, by the settings of a moment ago."""
    if memory.mailer is None:
        return
    for recipient in memory.mailer.recipients:
        if memory.told.get(recipient) != reason:
            memory.mailer.send([home_cause(reason)], recipient)
            memory.told[recipient] = reason
