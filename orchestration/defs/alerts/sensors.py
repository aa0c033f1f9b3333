"""The sensor that sends alerts."""

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from orchestration.defs.alerts.notify import Mailer, NotSentError, alert_mailer, report_problems
from orchestration.defs.alerts.run_alerts import SENSOR, home_alert
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.runs.dead_runs import close_dead_runs
from warehouse.errors import OpcoError


@dataclass
class Memory:
    """What this process remembers for the day on which the home, and what it holds, cannot be read."""

    mailer: Mailer | None = None
    reported: dict[str, str] = field(default_factory=dict)


@dg.definitions
def defs() -> dg.Definitions:
    """Define the sensor; it runs as soon as the daemon does."""
    memory = Memory()
    with contextlib.suppress(OpcoError):
        home = Home.find()
        memory.mailer = alert_mailer(home, load_settings(home))

    @dg.sensor(
        name=SENSOR,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports failed runs and checks, many rejects, stale data and proof of what the LMS lost by e-mail "
        "to the recipients of [alerts], each problem once.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now = datetime.now(UTC)
        try:
            home = Home.find()
            settings = load_settings(home)
        except OpcoError as error:
            _report_home(memory, str(error))
            raise
        # A run whose machine died under it has nobody else to say so, and keeps others from beginning.
        close_dead_runs(home, context.instance)
        mailer = memory.mailer = alert_mailer(home, settings)
        if mailer is None:
            return dg.SkipReason("The setting alerts.recipients names nobody.")
        # The file has other problems once it is another file, or time has passed.
        of_this_hour = f"{home.warehouse.resolve().name} {now:%Y-%m-%dT%H}"
        try:
            sent, state = report_problems(
                home, settings, context.instance, mailer, now, with_data=context.cursor != of_this_hour
            )
        except NotSentError:
            raise
        except (OpcoError, OSError) as error:
            _report_home(memory, str(error))
            raise
        memory.reported.clear()
        context.update_cursor(of_this_hour)
        if state.waiting:
            return dg.SkipReason(f"{len(state.waiting)} message(s) wait until {state.next_try_at}: {state.last_error}")
        return dg.SkipReason(f"{sent} message(s) sent." if sent else "Nothing new to report.")

    return dg.Definitions(sensors=[alerts])


def _report_home(memory: Memory, reason: str) -> None:
    """Report to each recipient once that the home cannot be used, by the settings of a moment ago."""
    if memory.mailer is None:
        return
    for recipient in memory.mailer.recipients:
        if memory.reported.get(recipient) != reason:
            memory.mailer.send([home_alert(reason)], recipient)
            memory.reported[recipient] = reason
