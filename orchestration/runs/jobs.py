"""Runs of Dagster jobs in this process, recorded under the home like those of the web server."""

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import yaml
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from orchestration.home.disk_space import check_disk_space
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from orchestration.home.stamp import stamp_home
from orchestration.runs.asker import Asker, this_account
from orchestration.runs.dagster_internals import (
    AUTOMATION_CONDITION_TAG,
    NO_CAPTURE,
    PARTITION_NAME_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
    InstanceRef,
    SerializableErrorInfo,
    kept_connections,
)
from orchestration.runs.dead_runs import close_dead_runs, living
from orchestration.runs.json_logs import RUN_ID
from orchestration.runs.loading import loading
from orchestration.runs.progress import Progress
from orchestration.runs.resources import run_resources
from warehouse.account import account
from warehouse.errors import OpcoError, UserError, tells_of_damage
from warehouse.files import written_atomically

# The folders of defs/ that a job needs, so that dbt is not loaded where it is not used.
DOMAINS = {
    "build": ("raw", "warehouse"),
    "rebuild": ("warehouse",),
    "attestations": ("attestations",),
    "certificate": ("documents",),
    "attendance": ("documents",),
    "log": ("documents",),
    "pull": ("sources",),
    "nightly": ("sources", "raw", "warehouse", "export", "attestations", "nightly"),
}
# Of the job export, and of those of the exports that opco.toml defines.
DOMAIN_OF_EXPORTS = ("export",)
INSTANCE_FILE = "dagster.yaml"
RUNS_READ = 500
# A run without any of these was asked for by a person, a backfill too.
AUTOMATIC = (SCHEDULE_NAME_TAG, SENSOR_NAME_TAG, AUTOMATION_CONDITION_TAG)
# A file that does not begin so is its owner's, and is left alone.
INSTANCE_HEAD = "# Dagster's instance of this home"
INSTANCE_SETTINGS = f"""\
{INSTANCE_HEAD}; rewritten by opco when its settings change. Without the first line it is yours to edit.
telemetry:
  enabled: false
nux:
  enabled: false
"""
# Longer than any question to a database that answers at all.
STATEMENT_MILLISECONDS = 60_000


def prepare_instance(home: Home) -> None:
    """Write Dagster's instance file under the home as the settings say: runs in SQLite beside it, or in PostgreSQL.

    The password of PostgreSQL goes by the environment, to this process and those that it starts.
    """
    path = home.dagster / INSTANCE_FILE
    settings = load_settings(home).dagster
    wanted = INSTANCE_SETTINGS
    if settings.postgres_url:
        # Of the drivers, the one that Dagster brings. A text of JSON is one of YAML.
        url = json.dumps(settings.postgres_url.replace("postgresql://", "postgresql+psycopg2://", 1))
        wanted += f"storage:\n  postgres:\n    postgres_url: {url}\n"
    if settings.postgres_password:
        os.environ["PGPASSWORD"] = settings.postgres_password.get_secret_value()
    found = path.read_text(encoding="utf-8", errors="replace") if path.exists() else INSTANCE_HEAD
    if found != wanted and found.startswith(INSTANCE_HEAD):
        with written_atomically(path) as temporary:
            temporary.write_text(wanted, encoding="utf-8")


def _leave_syncing_to_the_system(connection: Any, record: Any) -> None:
    # Dagster opens, commits and closes a connection an event, some thousand times a build: a third of a small
    # build's time waiting for the disk. A killed process loses nothing; a power cut may lose records of runs, no data.
    del record
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = off")


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Yield the Dagster instance of the home.

    Raises OpcoError when its PostgreSQL cannot be reached, or its SQLite is damaged (then or in what is done with it),
    and UserError when somebody's own `dagster.yaml` cannot be read.
    """
    stamp_home(home)
    prepare_instance(home)
    if not event.contains(Engine, "connect", _leave_syncing_to_the_system):
        event.listen(Engine, "connect", _leave_syncing_to_the_system)
    with contextlib.ExitStack() as stack:
        try:
            ref = InstanceRef.from_dir(str(home.dagster), overrides=NO_CAPTURE)
            instance = stack.enter_context(dg.DagsterInstance.from_ref(ref))
        except (yaml.YAMLError, UnicodeDecodeError, dg.DagsterInvalidConfigError) as error:
            raise UserError(_unreadable(home.dagster / INSTANCE_FILE, error)) from error
        except Exception as error:
            # Dagster's PostgreSQL storage wraps what SQLAlchemy raises.
            if not isinstance(error, SQLAlchemyError) and not isinstance(error.__cause__, SQLAlchemyError):
                raise
            raise OpcoError(_why_unusable(home, error)) from error
        # Else Dagster opens a connection to PostgreSQL an event, some thousand times a build. No matter to SQLite.
        instance.optimize_for_webserver(statement_timeout=STATEMENT_MILLISECONDS, pool_recycle=3600, max_overflow=20)
        try:
            yield instance
        except SQLAlchemyError as error:
            if not tells_of_damage(_cause(error)):
                raise
            raise OpcoError(_why_unusable(home, error)) from error


def _unreadable(path: Path, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0]
    return (
        f"{path} is no file of Dagster's settings: {reason}\n"
        f"It does not begin with {INSTANCE_HEAD!r}, so that opco leaves it alone. Repair it, or remove it: opco then "
        "writes its own."
    )


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ or error.__context__ or error


def _why_unusable(home: Home, error: Exception) -> str:
    """Return what keeps Dagster's records from being used, and what to do."""
    cause = _cause(error)
    reason = str(getattr(cause, "orig", None) or cause).strip()
    if tells_of_damage(cause):
        return (
            f"Dagster's history of runs is damaged ({reason}). It holds no data, and a new one begins without it: stop "
            f"opco dagster, remove {home.dagster / 'history'} and {home.dagster / 'schedules'}, and run the command "
            "again."
        )
    url = load_settings(home).dagster.postgres_url
    remedy = (
        "See that the database runs and lets this user in: the setting dagster.postgres_url and the variable "
        "OPCO_DAGSTER__POSTGRES_PASSWORD."
        if url
        else f"See that the account {account()} may write there, and that the disk has room."
    )
    return f"Dagster's runs cannot be read or written, in {url or home.dagster}: {reason}\nNothing was done. {remedy}"


def last_ended_runs(instance: dg.DagsterInstance, since: datetime | None = None) -> dict[tuple[str, str], dg.RunRecord]:
    """Return the last run that succeeded or failed, by job and partition (`""` where it has none), newest first.

    One that failed for a mistake of the person who asked for it is no failure of the job, and is left out.
    Only the newest `RUNS_READ` runs are read, of those made after `since` (aware).
    """
    ended = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE], created_after=since)
    last: dict[tuple[str, str], dg.RunRecord] = {}
    for record in instance.get_run_records(ended, limit=RUNS_READ):
        run = record.dagster_run
        key = (run.job_name, run.tags.get(PARTITION_NAME_TAG, ""))
        if key not in last and (run.is_success or not is_mistake(instance, run)):
            last[key] = record
    return last


def run_job(
    home: Home,
    job: str,
    config: Mapping[str, Any],
    *,
    instance: dg.DagsterInstance,
    progress: Progress,
    session_id: str | None = None,
    tags: Mapping[str, str] | None = None,
    output: Path | None = None,
    continue_on_failure: bool = False,
    asker: Asker | None = None,
    made: str | None = None,
    debug: bool = False,
) -> dict[str, dict[str, Any]]:
    """Run a job to its end in this process: that of a command, or in the background that of a page's worker.

    Return the metadata of what it materialised, by asset key (parts joined by `/`). `config` is the steps'
    configuration by name, `session_id` the partition of attestations, `output` the file that an export is to be,
    `asker` who asked (None for a command of this account), `made` what a page made already and is to be put on record.
    The exception of a failed step comes out as it was raised, at once; with `continue_on_failure`, steps that do not
    depend on it run first, and an OpcoError (UserError where all are of that kind) holds the messages of all that
    failed. The stage that `progress` is in has one step left, which is over once the job is read. Raises OpcoError as
    well when the disk is too full.
    """
    check_disk_space(home)
    with loading():
        domains = [
            import_module(f"orchestration.defs.{domain}.assets").defs()
            for domain in DOMAINS.get(job, DOMAIN_OF_EXPORTS)
        ]
    resources = run_resources(home, progress, output, asker or this_account("command"), made)
    complete = dg.Definitions.merge(*domains, dg.Definitions(resources=resources, executor=dg.in_process_executor))
    partition_key = None
    if session_id is not None:
        # Loaded where it is needed: a build has no need of the documents.
        from orchestration.defs.attestations.partitions import add_session

        partition_key = add_session(instance, home.warehouse, session_id)
    close_dead_runs(home, instance)
    run_id = str(uuid4())
    RUN_ID.set(run_id)
    job_definition = complete.resolve_job_def(job)
    progress.step()
    try:
        with living(home, run_id), kept_connections(instance):
            result = job_definition.execute_in_process(
                run_id=run_id,
                instance=instance,
                partition_key=partition_key,
                tags=dict(tags or {}),
                raise_on_error=not continue_on_failure,
                run_config={
                    "ops": {step: {"config": dict(of_step)} for step, of_step in config.items()},
                    # The boundary prints one message; the traceback is in the run's record, or with --debug here.
                    "loggers": {"console": {"config": {"log_level": "DEBUG" if debug else "CRITICAL"}}},
                },
            )
    except dg.DagsterError as error:
        # What a step raises comes out bare, what a resource raises (the lock) wrapped.
        if isinstance(error.__cause__, OpcoError):
            raise error.__cause__ from error
        raise
    if not result.success:
        raise _failure(result)
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None
    }


def _failure(result: dg.ExecuteInProcessResult) -> OpcoError:
    """Return what stopped a run: the messages of the steps that failed, or else that of the run itself."""
    steps = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    run = [event.job_failure_data.error for event in result.all_events if event.is_job_failure]
    errors = [as_raised(error) for error in steps or run if error is not None]
    kind = UserError if errors and all(error.cls_name == UserError.__name__ for error in errors) else OpcoError
    return kind("\n".join(map(words_of, errors)))


def words_of(error: SerializableErrorInfo) -> str:
    """Return what an exception says, without the name of its class, which Python writes before it."""
    return re.sub(rf"^(?:[\w.]+\.)?{re.escape(error.cls_name or '')}: ", "", error.message.strip())


def error_in(entry: dg.EventLogEntry) -> SerializableErrorInfo | None:
    """Return the error that an entry of a run's log holds."""
    data = entry.dagster_event.event_specific_data if entry.dagster_event else None
    error = getattr(data, "error", None)
    return error if isinstance(error, SerializableErrorInfo) else None


def errors_of(instance: dg.DagsterInstance, run_id: str) -> list[SerializableErrorInfo]:
    """Return what was raised in the steps of a failed run, or else in the run itself."""
    for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE):
        logs = instance.all_logs(run_id, of_type=kind)
        if errors := [as_raised(error) for entry in logs if (error := error_in(entry))]:
            return errors
    return []


def is_mistake(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Tell whether a run failed for a mistake of the person who asked for it: no failure of the program."""
    if any(tag in run.tags for tag in AUTOMATIC):
        return False
    errors = errors_of(instance, run.run_id)
    return bool(errors) and all(error.cls_name == UserError.__name__ for error in errors)


def as_raised(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """Return what was raised in a step or a resource, out of what Dagster wraps it in."""
    while error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return error
