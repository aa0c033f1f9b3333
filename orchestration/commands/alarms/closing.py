"""What `opco alarms` says at its end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from orchestration.alarms import Mailer, failing_jobs, home_cause, judged, mailer_of, place_of, why_run_failed
from orchestration.commands.closing import Closing
from orchestration.home import Home
from orchestration.runs import open_instance
from orchestration.settings import Settings, load_settings
from orchestration.terminal import counted
from reports.alarms.causes import Cause
from reports.alarms.message import told
from reports.alarms.state import read_alarm_state
from warehouse.errors import OpcoError, UserError

NOBODY = "nobody: name who is to be told, recipients under [alarms] in {file}"


def alarms_closing(home: Home) -> Closing:
    """Return what is amiss in `home` now, who is told, and what waits. Nothing is sent, nothing remembered."""
    settings = load_settings(home)
    now = datetime.now(UTC)
    try:
        causes = judged(home, settings, now)
    except OpcoError as error:
        causes = [home_cause(str(error))]
    with open_instance(home) as instance:
        causes += failing_jobs(instance)
    state = read_alarm_state(home.alarms)
    return {
        **_opening(home, settings),
        "amiss": _told(home, settings, causes),
        "waiting": len(state.waiting),
        "next_try_at": state.next_try_at,
        "last_error": state.last_error,
    }


def trial_closing(home: Home) -> Closing:
    """Send the trial message and return to whom. Raises UserError where nobody is to be told, OpcoError as sending."""
    settings = load_settings(home)
    _mailer(home, settings).send_trial()
    return {**_opening(home, settings), "sent": "a trial message"}


def service_closing(home: Home, service: str) -> Closing:
    """Send word that `service` failed and return to whom. Errors as `trial_closing`."""
    settings = load_settings(home)
    mailer = _mailer(home, settings)
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    cause = Cause("service", f"service/{service}", "service/", {"service": service, "at": now}, (), ())
    for recipient in mailer.recipients:
        mailer.send([cause], recipient)
    return {**_opening(home, settings), "sent": f"word that {service} failed"}


def run_closing(home: Home, run_id: str) -> Closing:
    """Return why a run failed. Raises UserError for an unknown run."""
    with open_instance(home) as instance:
        return {"command": "alarms", "ok": True, "run_id": run_id, "said": why_run_failed(instance, run_id)}


def alarms_lines(closing: Closing) -> list[str]:
    """Return what `opco alarms` prints."""
    if "sent" in closing:
        return [f"Sent      {closing['sent']} to {', '.join(closing['recipients'])}"]
    lines = [line for one in closing["amiss"] for line in _amiss_lines(one)]
    if not lines:
        lines = ["Nothing is amiss."]
    lines.append(f"Told      {', '.join(closing['recipients']) or NOBODY.format(file=closing['settings_file'])}")
    if closing["waiting"]:
        lines.append(f"Waiting   {counted(closing['waiting'], 'message')}, next try at {closing['next_try_at']}")
        lines += [f"  {line}" for line in (closing["last_error"] or "").splitlines()]
    return lines


def run_lines(closing: Closing) -> list[str]:
    """Return what `opco alarms --run` prints."""
    lines: list[str] = closing["said"]
    return lines


def _mailer(home: Home, settings: Settings) -> Mailer:
    mailer = mailer_of(home, settings)
    if mailer is None:
        raise UserError(f"Nobody would be told: name recipients under [alarms] in {home.settings_file}.")
    return mailer


def _opening(home: Home, settings: Settings) -> Closing:
    return {
        "command": "alarms",
        "ok": True,
        "home": str(home.folder),
        "settings_file": str(home.settings_file),
        "recipients": list(settings.alarms.recipients),
    }


def _told(home: Home, settings: Settings, causes: list[Cause]) -> list[dict[str, Any]]:
    # The terminal speaks English, whatever the messages do.
    place = place_of(home, settings, language="en")
    return [{**section, "facts": dict(section["facts"])} for section in told(causes, place)]


def _amiss_lines(section: dict[str, Any]) -> list[str]:
    return [
        f"Amiss     {section['heading']}",
        *(f"  {name}: {text}" for name, text in section["facts"].items()),
        *(f"    {line}" for line in section["lines"]),
        *(f"  {command}" for command in section["commands"]),
    ]
