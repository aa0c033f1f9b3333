"""`opco alerts`: the current problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opco.options import DebugOption, HomeOption, JsonOption, app
from opco.running import open_home
from opco.terminal import HomeResult, Result, print_result
from orchestration.defs.alerts.alert import Alert, utc
from orchestration.defs.alerts.message import described
from orchestration.defs.alerts.state import read_alert_state
from orchestration.home.paths import Home
from orchestration.home.settings import Settings, load_settings
from warehouse.errors import OpcoError, UserError
from warehouse.wording import counted

if TYPE_CHECKING:
    from orchestration.defs.alerts.notify import Mailer


@app.command(epilog="Examples:  opco alerts   ·   opco alerts --test   ·   opco alerts --run 4f1c6c0e-…")
def alerts(
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message to the recipients, to see that it arrives.")
    ] = False,
    run_id: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN_ID", help="Print all that is on record of why this run failed."),
    ] = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--service", metavar="UNIT", help="Report that this service failed, as systemd's OnFailure= does."
        ),
    ] = None,
    home_folder: HomeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the current problems, who is alerted, and which messages wait to be sent.

    Failed runs that no person started, failed checks, loads with many rejects, stale data, and proof of what the LMS
    lost. The sensor `alerts` of opco dagster reports each problem once to the setting alerts.recipients.
    """
    # A home whose disk has gone is no reason to be silent: the environment may hold all that a message needs.
    home = open_home(home_folder, must_exist=service is None)
    result: Result
    if run_id is not None:
        result = _failed_run(home, run_id)
    elif service is not None:
        result = _report_service(home, service)
    else:
        result = _send_test(home) if test else _problems(home)
    print_result(result, as_json=as_json)


@dataclass(frozen=True)
class AlertsResult(HomeResult, command="alerts"):
    """The problems of a home now, who is alerted, and what waits to be sent."""

    settings_file: Path
    recipients: tuple[str, ...]
    problems: list[dict[str, Any]]
    waiting: int
    next_try_at: str | None
    last_error: str | None

    def lines(self) -> Iterator[str]:
        """Yield each problem, then who is alerted and what waits."""
        for one in self.problems:
            yield f"Problem   {one['heading']}"
            yield from (f"  {name}: {text}" for name, text in one["facts"].items())
            yield from (f"    {line}" for line in one["lines"])
            yield from (f"  {command}" for command in one["commands"])
        if not self.problems:
            yield "No problems."
        nobody = f"nobody: name recipients under [alerts] in {self.settings_file}"
        yield f"Alerted   {', '.join(self.recipients) or nobody}"
        if self.waiting:
            yield f"Waiting   {counted(self.waiting, 'message')}, next try at {self.next_try_at}"
            yield from (f"  {line}" for line in (self.last_error or "").splitlines())


def _problems(home: Home) -> AlertsResult:
    """Return what is wrong now. Nothing is sent, nothing remembered."""
    from orchestration.defs.alerts.data_alerts import data_alerts
    from orchestration.defs.alerts.notify import message_context
    from orchestration.defs.alerts.run_alerts import failing_jobs, home_alert, overdue_night
    from orchestration.runs.jobs import open_instance

    settings, now = load_settings(home), datetime.now(UTC)
    try:
        found = data_alerts(home, settings, now)
    except OpcoError as error:
        found = [home_alert(str(error))]
    with open_instance(home) as instance:
        found += [*failing_jobs(instance, now), *overdue_night(settings, instance, now)]
    state = read_alert_state(home.alerts)
    # The terminal speaks English, whatever the messages do.
    sections = described(found, message_context(home, settings, language="en"))
    return AlertsResult(
        home=home.folder,
        settings_file=home.settings_file,
        recipients=settings.alerts.recipients,
        problems=[{**section, "facts": dict(section["facts"])} for section in sections],
        waiting=len(state.waiting),
        next_try_at=state.next_try_at,
        last_error=state.last_error,
    )


@dataclass(frozen=True)
class SentResult(HomeResult, command="alerts"):
    """What was sent, and to whom."""

    settings_file: Path
    recipients: tuple[str, ...]
    sent: str

    def lines(self) -> list[str]:
        """Return both."""
        return [f"Sent      {self.sent} to {', '.join(self.recipients)}"]


def _send_test(home: Home) -> SentResult:
    """Send the test message. Raises UserError where nobody is alerted, OpcoError as sending."""
    settings = load_settings(home)
    _mailer(home, settings).send_trial()
    return SentResult(home.folder, home.settings_file, settings.alerts.recipients, "a test message")


def _report_service(home: Home, service: str) -> SentResult:
    """Report that `service` failed. Errors as `_send_test`."""
    settings = load_settings(home)
    mailer = _mailer(home, settings)
    values = {"service": service, "at": utc(datetime.now(UTC))}
    alert = Alert("service", f"service/{service}", "service/", values)
    for recipient in mailer.recipients:
        mailer.send([alert], recipient)
    sent = f"an alert that {service} failed"
    return SentResult(home.folder, home.settings_file, settings.alerts.recipients, sent)


def _mailer(home: Home, settings: Settings) -> Mailer:
    from orchestration.defs.alerts.notify import alert_mailer

    mailer = alert_mailer(home, settings)
    if mailer is None:
        raise UserError(f"Nobody would be alerted: name recipients under [alerts] in {home.settings_file}.")
    return mailer


@dataclass(frozen=True)
class FailedRunResult(Result, command="alerts"):
    """Why a run failed."""

    run_id: str
    said: list[str]

    def lines(self) -> list[str]:
        """Return it as it is on record."""
        return self.said


def _failed_run(home: Home, run_id: str) -> FailedRunResult:
    """Return why a run failed. Raises UserError for an unknown run."""
    from orchestration.defs.alerts.run_alerts import why_run_failed
    from orchestration.runs.jobs import open_instance

    with open_instance(home) as instance:
        return FailedRunResult(run_id, why_run_failed(instance, run_id))
