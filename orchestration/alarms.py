"""What is amiss in a home, from Dagster's records and the published file, and who is told of it."""

from __future__ import annotations

import hashlib
import re
import smtplib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.scheduler.instigation import InstigatorState, InstigatorType, TickStatus
from dagster._core.storage.tags import (
    AUTOMATION_CONDITION_TAG,
    BACKFILL_ID_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
    WILL_RETRY_TAG,
)
from dagster_shared.error import SerializableErrorInfo

from orchestration.dead_runs import close_dead_runs
from orchestration.home import Home
from orchestration.mail import mail_server
from orchestration.runs import as_raised, last_ended_runs
from orchestration.settings import Settings
from reports.alarms.causes import JUDGED_HERE, Cause, DeliveredFile, Thresholds, judge
from reports.alarms.message import Place, alarm_message, home_option, trial_message
from reports.alarms.state import AlarmState, Keep, Waiting, kept_alarm_state
from reports.delivery.message import Language
from reports.delivery.recipients import checked_address
from reports.delivery.smtp import MailServer
from warehouse.archive import INSTANT, read_manifest
from warehouse.errors import OpcoError, UserError

SENSOR = "alarms"
# A run with one of these was started by no person, so nobody looks at how it ends.
STARTED_BY_ITSELF = (SCHEDULE_NAME_TAG, SENSOR_NAME_TAG, BACKFILL_ID_TAG, AUTOMATION_CONDITION_TAG)
# A record of a run may appear a moment after its own time.
OVERLAP = timedelta(minutes=10)
FIRST_LINES = 10
# What differs between two failures of one cause: ids and numbers.
VARYING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8,}\b|\d+")


@dataclass(frozen=True)
class Mailer:
    """Sends alarms to their recipients."""

    server: MailServer
    sender: str
    recipients: tuple[str, ...]
    place: Place

    def send(self, causes: list[Cause], recipient: str) -> None:
        """Send one recipient, by one try, the message that tells of `causes`. Raises OpcoError where it was not sent.

        More tries in a row would be longer than Dagster waits for a sensor.
        """
        self.server.send(alarm_message(causes, self.place, self.sender, recipient), pauses=())

    def send_trial(self) -> None:
        """Send every recipient a trial message. Raises OpcoError where one was not sent."""
        for recipient in self.recipients:
            self.server.send(trial_message(self.place, self.sender, recipient), pauses=())


class NotSentError(OpcoError):
    """The mail server took not all messages; they wait."""


def mailer_of(home: Home, settings: Settings) -> Mailer | None:
    """Return what sends the alarms; None where nobody is to be told.

    Raises UserError when a setting that it needs is missing, or an address is none.
    """
    if not settings.alarms.recipients:
        return None
    server, sender = mail_server(settings, "send alarms by e-mail", {})
    recipients = [checked_address(one, "The setting alarms.recipients:") for one in settings.alarms.recipients]
    return Mailer(server, sender, tuple(dict.fromkeys(recipients)), place_of(home, settings))


def place_of(home: Home, settings: Settings, language: Language | None = None) -> Place:
    """Return how messages about `home` are written; in the language of exports, if no other is asked for."""
    return Place(
        str(home.folder),
        home_option(str(home.folder)),
        settings.rules.display_timezone,
        language or settings.export.language,
        settings.organisation.name,
    )


def judged(home: Home, settings: Settings, now: datetime) -> list[Cause]:
    """Return what is amiss in the published file; nothing before the first build. Errors as `open_published`."""
    if not home.warehouse.exists():
        return []
    files = read_manifest(home.archive).files
    said = settings.alarms
    return judge(
        home.warehouse,
        [
            DeliveredFile(
                file.table_name, datetime.strptime(file.loaded_at, INSTANT).replace(tzinfo=UTC), file.row_count
            )
            for file in files
        ],
        Thresholds(said.rejected_rows, said.rejected_pct, said.stale_days),
        now,
    )


def watch(
    home: Home, settings: Settings, instance: DagsterInstance, mailer: Mailer, now: datetime, *, with_data: bool
) -> tuple[int, AlarmState]:
    """Look at what happened since the last time, tell what is new, and return how many messages went out.

    `with_data`: judge the published file as well. Raises NotSentError where a message could not be sent: it waits,
    and is tried again by a later call. Other errors as `kept_alarm_state`.
    """
    # A run whose machine died under it has nobody else to say so.
    close_dead_runs(instance)
    with kept_alarm_state(home.alarms) as (state, keep):
        _look_at_runs(instance, state, now)
        state.replace(["tick"], _failed_ticks(instance), now)
        if with_data:
            _look_at_data(home, settings, state, now)
        keep()
        return _deliver(state, keep, mailer, now), state


def failing_jobs(instance: DagsterInstance) -> list[Cause]:
    """Return the jobs, by partition, whose last run, started by no person, failed; and the schedules and sensors."""
    last = last_ended_runs(instance).values()
    failed = [record for record in last if _is_watched(record) and not record.dagster_run.is_success]
    return [*(_failed_run(instance, record) for record in failed), *_failed_ticks(instance)]


def why_run_failed(instance: DagsterInstance, run_id: str) -> list[str]:
    """Return everything that Dagster's records say of why a run failed. Raises UserError for an unknown run."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        raise UserError(f"No run {run_id} is on record here. Ids are told by the alarms and by Dagster's pages.")
    lines = [f"{run.job_name}: {run.status.value.lower()}"]
    for entry in instance.all_logs(run_id, of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}):
        lines += [entry.dagster_event.message or ""] if entry.dagster_event else []
        error = _error_in(entry)
        lines += error.to_string().splitlines() if error else []
    return lines


def home_cause(reason: str) -> Cause:
    """Return the cause that the home, or what it holds, cannot be used for `reason`."""
    return Cause("home", f"home/{_digest('', reason)}", "home/", {}, _first_lines(reason), ("status",))


def _look_at_data(home: Home, settings: Settings, state: AlarmState, now: datetime) -> None:
    try:
        causes = judged(home, settings, now)
    except OpcoError as error:
        # What was amiss before is so still, as far as anybody can tell.
        state.replace(["home"], [home_cause(str(error))], now)
    else:
        state.replace(["home", *JUDGED_HERE], causes, now)


def _look_at_runs(instance: DagsterInstance, state: AlarmState, now: datetime) -> None:
    """Take the runs that ended since the last look, in the order in which they ended."""
    # What failed before anybody was to be told is not told.
    since = datetime.fromisoformat(state.seen_until) if state.seen_until else now
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
            if _is_watched(record):
                _look_at_checks(instance, record, state, now)
        elif _is_watched(record):
            state.take([_failed_run(instance, record)], now)
    state.seen_until = now.isoformat()
    forgotten = now - 3 * OVERLAP
    state.seen_runs = {
        run_id: at for run_id, at in state.seen_runs.items() if datetime.fromisoformat(at) > max(forgotten, earliest)
    }


def _is_watched(record: RunRecord) -> bool:
    tags = record.dagster_run.tags
    return any(tag in tags for tag in STARTED_BY_ITSELF) and tags.get(WILL_RETRY_TAG) != "true"


def _failed_run(instance: DagsterInstance, record: RunRecord) -> Cause:
    run = record.dagster_run
    step, said = "", ""
    for entry in instance.all_logs(run.run_id, of_type={DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}):
        event = entry.dagster_event
        error = _error_in(entry)
        if event is None or said:
            continue
        step = event.step_key or ""
        said = _said(error) if error else event.message or ""
    return Cause(
        "run",
        f"run/{run.job_name}/{_digest(step, said)}",
        f"run/{run.job_name}",
        {
            "job": run.job_name,
            "step": step or "-",
            "run_id": run.run_id,
            "at": _instant(record.end_time or record.update_timestamp.timestamp()),
        },
        _first_lines(said),
        (f"alarms --run {run.run_id}", "status"),
    )


def _look_at_checks(instance: DagsterInstance, record: RunRecord, state: AlarmState, now: datetime) -> None:
    """Take the checks of a run that ended well: those that failed only warn."""
    run = record.dagster_run
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = entry.dagster_event.event_specific_data if entry.dagster_event else None
        if not isinstance(evaluation, dg.AssetCheckEvaluation):
            continue
        asset = evaluation.asset_key.to_user_string()
        key = f"check/{asset}/{evaluation.check_name}"
        if evaluation.passed:
            state.end(key)
            continue
        told = {name: value.value for name, value in evaluation.metadata.items()}
        scalars = [f"{name}: {value}" for name, value in told.items() if isinstance(value, str | int | float)]
        state.take(
            [
                Cause(
                    "check",
                    key,
                    key,
                    {
                        "check": evaluation.check_name,
                        "asset": asset,
                        "job": run.job_name,
                        "run_id": run.run_id,
                        "at": _instant(entry.timestamp),
                    },
                    _first_lines("\n".join([evaluation.description or "", *scalars])),
                    (f"alarms --run {run.run_id}",),
                )
            ],
            now,
        )


def _failed_ticks(instance: DagsterInstance) -> list[Cause]:
    """Return the schedules and sensors whose last try to start a run failed; the alarms' own one tells by itself."""
    causes = []
    for instigator in instance.all_instigator_state():
        if instigator.instigator_name == SENSOR or not instigator.is_running:
            continue
        if cause := _failed_tick(instance, instigator):
            causes.append(cause)
    return causes


def _failed_tick(instance: DagsterInstance, instigator: InstigatorState) -> Cause | None:
    ticks = instance.get_ticks(
        instigator.instigator_origin_id,
        instigator.selector_id,
        limit=1,
        statuses=[TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE],
    )
    if not ticks or ticks[0].status != TickStatus.FAILURE:
        return None
    said = _said(ticks[0].error) if ticks[0].error else ""
    kind = "schedule" if instigator.instigator_type == InstigatorType.SCHEDULE else "sensor"
    return Cause(
        "tick",
        f"tick/{instigator.instigator_name}/{_digest('', said)}",
        f"tick/{instigator.instigator_name}",
        {"name": f"{kind} {instigator.instigator_name}", "at": _instant(ticks[0].timestamp)},
        _first_lines(said),
        ("alarms",),
    )


def _deliver(state: AlarmState, keep: Keep, mailer: Mailer, now: datetime) -> int:
    if not state.waiting or not state.may_try(now):
        return 0
    sent, errors = 0, []
    for waiting, recipient in _to_send(state, mailer):
        try:
            mailer.send(waiting.causes, recipient)
        except OpcoError as error:
            errors.append(str(error))
            if isinstance(error.__cause__, smtplib.SMTPRecipientsRefused):
                continue
            # The others would meet the same server.
            break
        # Who has it is written down at once: a process that dies tells at most one recipient twice.
        waiting.reached.append(recipient)
        sent += 1
        keep()
    state.waiting = [one for one in state.waiting if not set(mailer.recipients) <= set(one.reached)]
    if errors:
        state.failed("\n".join(errors), now)
        keep()
        raise NotSentError(
            f"{len(state.waiting)} alarm message(s) wait, kept in {keep.folder}; they are tried again from "
            f"{state.next_try_at} on:\n{state.last_error}"
        )
    state.sent()
    keep()
    return sent


def _to_send(state: AlarmState, mailer: Mailer) -> Iterator[tuple[Waiting, str]]:
    for waiting in state.waiting:
        for recipient in mailer.recipients:
            if recipient not in waiting.reached:
                yield waiting, recipient


def _error_in(entry: dg.EventLogEntry) -> SerializableErrorInfo | None:
    data = entry.dagster_event.event_specific_data if entry.dagster_event else None
    error = getattr(data, "error", None)
    return error if isinstance(error, SerializableErrorInfo) else None


def _said(error: SerializableErrorInfo) -> str:
    """Return the words of what was raised, without Dagster's own around it."""
    text = as_raised(error).message.strip()
    return text.removeprefix("warehouse.errors.OpcoError: ").removeprefix("warehouse.errors.UserError: ")


def _first_lines(text: str) -> tuple[str, ...]:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return tuple(lines[:FIRST_LINES])


def _digest(step: str, said: str) -> str:
    alike = VARYING.sub("#", "\n".join((step, *_first_lines(said))))
    return hashlib.sha256(alike.encode()).hexdigest()[:16]


def _instant(timestamp: float) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%dT%H:%M:%SZ}"
