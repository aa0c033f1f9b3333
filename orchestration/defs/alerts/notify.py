"""Finds what is new among the problems of a home, and reports each problem once."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from datetime import datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from orchestration.defs.alerts.alert import Alert
from orchestration.defs.alerts.data_alerts import DATA_KINDS, data_alerts
from orchestration.defs.alerts.message import MessageContext, alert_message, trial_message
from orchestration.defs.alerts.run_alerts import (
    check_outcomes,
    failed_run,
    failed_ticks,
    home_alert,
    is_watched,
    overdue_night,
)
from orchestration.defs.alerts.state import AlertState, Save, locked_alert_state
from orchestration.home.mail import mail_server
from orchestration.home.paths import Home, option_of_home
from orchestration.home.settings import Settings
from orchestration.runs.jobs import is_mistake
from reports.delivery.recipients import checked_address
from reports.delivery.smtp import MailServer
from reports.language import Language
from warehouse.errors import OpcoError

# A record of a run may appear a moment after its own time.
OVERLAP = timedelta(minutes=10)
AFTER_A_CLOCK_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Mailer:
    """Sends alerts to their recipients."""

    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    context: MessageContext

    def send(self, alerts: list[Alert], recipient: str) -> None:
        """Send one recipient, by one try, the message about `alerts`. Raises OpcoError where it was not sent.

        More tries in a row would be longer than Dagster waits for a sensor.
        """
        self.server.send(alert_message(alerts, self.context, self.sender, recipient), pauses=())

    def send_trial(self) -> None:
        """Send every recipient a test message. Raises OpcoError where one was not sent."""
        for recipient in self.recipients:
            self.server.send(trial_message(self.context, self.sender, recipient), pauses=())


class NotSentError(OpcoError):
    """The mail server took not all messages; they wait."""


def alert_mailer(home: Home, settings: Settings) -> Mailer | None:
    """Return what sends the alerts; None where nobody is alerted.

    Raises UserError when a setting that it needs is missing, or an address is none.
    """
    if not settings.alerts.recipients:
        return None
    server, sender = mail_server(settings, "send alerts by e-mail", {})
    recipients = [checked_address(one, "The setting alerts.recipients:") for one in settings.alerts.recipients]
    return Mailer(server, sender, tuple(dict.fromkeys(recipients)), message_context(home, settings))


def message_context(home: Home, settings: Settings, language: Language | None = None) -> MessageContext:
    """Return how messages about `home` are written; in the language of exports, if no other is asked for."""
    return MessageContext(
        str(home.folder),
        option_of_home(home.folder),
        settings.rules.display_timezone,
        language or settings.export.language,
        settings.organisation.name,
    )


def report_problems(
    home: Home, settings: Settings, instance: DagsterInstance, mailer: Mailer, now: datetime, *, with_data: bool
) -> tuple[int, AlertState]:
    """Check what happened since the last time, report what is new, and return how many messages went out.

    `with_data`: check the published file as well. Raises NotSentError where a message could not be sent: it waits,
    and is tried again by a later call. Other errors as `locked_alert_state`.
    """
    with locked_alert_state(home.alerts) as (state, save):
        _check_runs(instance, state, now)
        state.replace(["tick"], failed_ticks(instance, now), now)
        state.replace(["night"], overdue_night(settings, instance, now), now)
        if with_data:
            _check_data(home, settings, state, now)
        save()
        return _deliver(home, state, save, mailer, now), state


def _check_data(home: Home, settings: Settings, state: AlertState, now: datetime) -> None:
    try:
        alerts = data_alerts(home, settings, now)
    except OpcoError as error:
        # Earlier problems are still there, as far as anybody can tell.
        state.replace(["home"], [home_alert(str(error))], now)
    else:
        state.replace(["home", *DATA_KINDS], alerts, now)


def _check_runs(instance: DagsterInstance, state: AlertState, now: datetime) -> None:
    """Take the runs that ended since the last check, in the order in which they ended."""
    # What failed before anybody was to be alerted is not reported.
    since = datetime.fromisoformat(state.seen_until) if state.seen_until else now
    if since > now:
        # The clock was ahead at the last check: nobody knows when that was.
        since = now - AFTER_A_CLOCK_AHEAD
    earliest = since - OVERLAP
    for record in instance.get_run_records(
        RunsFilter(statuses=[DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE], updated_after=earliest),
        order_by="update_timestamp",
        ascending=True,
    ):
        run = record.dagster_run
        is_news = record.end_time is None or record.end_time > earliest.timestamp()
        if run.run_id in state.seen_runs or not is_news:
            continue
        state.seen_runs[run.run_id] = now.isoformat()
        if not state.seen_until:
            continue
        if run.is_success:
            state.end(f"run/{run.job_name}/")
            for key, alert in check_outcomes(instance, record) if is_watched(record) else ():
                if alert is None:
                    state.end(key)
                else:
                    state.take([alert], now)
        elif is_watched(record) and not is_mistake(instance, run):
            state.take([failed_run(instance, record)], now)
    state.seen_until = now.isoformat()
    forgotten = now - 3 * OVERLAP
    state.seen_runs = {
        run_id: at for run_id, at in state.seen_runs.items() if datetime.fromisoformat(at) > max(forgotten, earliest)
    }


def _deliver(home: Home, state: AlertState, save: Save, mailer: Mailer, now: datetime) -> int:
    if not state.waiting or not state.may_try(now):
        return 0
    sent, errors = 0, []
    to_send = [(one, to) for one in state.waiting for to in mailer.recipients if to not in one.reached]
    for waiting, recipient in to_send:
        try:
            mailer.send(waiting.alerts, recipient)
        except OpcoError as error:
            errors.append(str(error))
            if isinstance(error.__cause__, smtplib.SMTPRecipientsRefused):
                continue
            # The others would meet the same server.
            break
        # Who has it is written down at once: a process that dies alerts at most one recipient twice.
        waiting.reached.append(recipient)
        sent += 1
        save()
    state.waiting = [one for one in state.waiting if not set(mailer.recipients) <= set(one.reached)]
    if errors:
        state.failed("\n".join(errors), now)
        save()
        raise NotSentError(
            f"{len(state.waiting)} alert message(s) wait, kept in {home.alerts}; they are tried again from "
            f"{state.next_try_at} on:\n{state.last_error}"
        )
    state.sent()
    save()
    return sent
