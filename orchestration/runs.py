"""Runs of Dagster jobs inside this process, recorded under the home like those of the web server."""

import contextlib
import getpass
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.utils import make_new_run_id
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from orchestration.dead_runs import close_dead_runs, process_tags
from orchestration.home import Home
from orchestration.home_stamp import stamp_home
from orchestration.log_lines import RUN_ID
from orchestration.progress import Progress
from orchestration.resources import run_resources
from orchestration.settings import load_settings
from warehouse.errors import OpcoError, UserError, tells_of_damage
from warehouse.files import written_atomically

INSTANCE_FILE = "dagster.yaml"
RUNS_READ = 500
# A file that does not begin so is its owner's, and is left alone.
INSTANCE_HEAD = "# Dagster's instance of this home"
INSTANCE_SETTINGS = f"""\
{INSTANCE_HEAD}; written anew by opco when its settings change. Without the first line it is yours to edit.
telemetry:
  enabled: false
nux:
  enabled: false
"""
# Longer than any question to a database that answers at all.
STATEMENT_MILLISECONDS = 60_000
# A run in the terminal shows its progress there; capturing its output as well costs a process a step.
NO_CAPTURE = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


def prepare_instance(home: Home) -> None:
    """Write Dagster's instance file under the home as the settings say: runs in SQLite beside it, or in PostgreSQL.

    The password of PostgreSQL goes by the environment, to this process and those that it starts.
    """
    path = home.dagster / INSTANCE_FILE
    said = load_settings(home).dagster
    wanted = INSTANCE_SETTINGS
    if said.postgres_url:
        # Of the drivers, the one that Dagster brings. A text of JSON is one of YAML.
        url = json.dumps(said.postgres_url.replace("postgresql://", "postgresql+psycopg2://", 1))
        wanted += f"storage:\n  postgres:\n    postgres_url: {url}\n"
    if said.postgres_password:
        os.environ["PGPASSWORD"] = said.postgres_password.get_secret_value()
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
            raise OpcoError(_fault_of_records(home, error)) from error
        # Else Dagster opens a connection to PostgreSQL an event, some thousand times a build. No matter to SQLite.
        instance.optimize_for_webserver(statement_timeout=STATEMENT_MILLISECONDS, pool_recycle=3600, max_overflow=20)
        try:
            yield instance
        except SQLAlchemyError as error:
            if not tells_of_damage(_cause(error)):
                raise
            raise OpcoError(_fault_of_records(home, error)) from error


def _unreadable(path: Path, error: Exception) -> str:
    said = str(error).strip().splitlines()[0]
    return (
        f"{path} is no file of Dagster's settings: {said}\n"
        f"It does not begin with {INSTANCE_HEAD!r}, so that opco leaves it alone. Mend it, or remove it: opco then "
        "writes its own."
    )


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ or error.__context__ or error


def _fault_of_records(home: Home, error: Exception) -> str:
    """Return what keeps Dagster's records from being used, and what to do."""
    cause = _cause(error)
    said = str(getattr(cause, "orig", None) or cause).strip()
    if tells_of_damage(cause):
        return (
            f"Dagster's history of runs is damaged ({said}). It holds no data, and a new one begins without it: stop "
            f"opco dagster, remove {home.dagster / 'history'} and {home.dagster / 'schedules'}, and run the command "
            "again."
        )
    url = load_settings(home).dagster.postgres_url
    remedy = (
        "See that the database runs and lets this user in: the setting dagster.postgres_url and the variable "
        "OPCO_DAGSTER__POSTGRES_PASSWORD."
        if url
        else f"See that the account {getpass.getuser()} may write there, and that the disk has room."
    )
    return f"Dagster's runs cannot be read or written, in {url or home.dagster}: {said}\nNothing was done. {remedy}"


def last_ended_runs(instance: dg.DagsterInstance, since: datetime | None = None) -> dict[tuple[str, str], dg.RunRecord]:
    """Return the last run that succeeded or failed, by job and partition (`""` where it has none), newest first.

    Only the newest `RUNS_READ` runs are read, of those made after `since` (aware).
    """
    ended = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE], created_after=since)
    last: dict[tuple[str, str], dg.RunRecord] = {}
    for record in instance.get_run_records(ended, limit=RUNS_READ):
        run = record.dagster_run
        last.setdefault((run.job_name, run.tags.get(PARTITION_NAME_TAG, "")), record)
    return last


def run_job(
    home: Home,
    definitions: dg.Definitions,
    job: str,
    *,
    instance: dg.DagsterInstance,
    progress: Progress,
    ops: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
    partition_key: str | None = None,
    goes_on: bool = False,
    debug: bool = False,
) -> dict[str, dict[str, Any]]:
    """Run `job` to its end and return the metadata of what it materialised, by asset key (parts joined by `/`).

    `ops` is the steps' configuration. The exception of a failed step comes out as it was raised, at once; with
    `goes_on`, steps that do not depend on it run first, and an OpcoError (UserError where all are of that kind) tells
    the words of all that failed.
    """
    complete = dg.Definitions.merge(
        definitions,
        dg.Definitions(resources=run_resources(home, progress), executor=dg.in_process_executor),
    )
    close_dead_runs(instance)
    run_id = make_new_run_id()
    RUN_ID.set(run_id)
    try:
        result = complete.resolve_job_def(job).execute_in_process(
            run_id=run_id,
            instance=instance,
            partition_key=partition_key,
            tags={**process_tags(), **(tags or {})},
            raise_on_error=not goes_on,
            run_config={
                "ops": {name: {"config": dict(config)} for name, config in ops.items()},
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
        made.asset_key.to_user_string(): {name: value.value for name, value in made.materialization.metadata.items()}
        for made in result.get_asset_materialization_events()
        if made.asset_key is not None
    }


def _failure(result: dg.ExecuteInProcessResult) -> OpcoError:
    """Return what stopped a run, in the words of the steps that failed, or else of the run itself."""
    steps = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    run = [event.job_failure_data.error for event in result.all_events if event.is_job_failure]
    errors = [as_raised(error) for error in steps or run if error is not None]
    kind = UserError if errors and all(error.cls_name == UserError.__name__ for error in errors) else OpcoError
    # Python writes the name of its class before what an exception says.
    return kind("\n".join(error.message.strip().split(": ", 1)[-1] for error in errors))


def as_raised(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """Return what was raised in a step or a resource, out of what Dagster wraps it in."""
    while error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return error
