"""Runs of Dagster jobs inside this process, recorded under the home like those of the web server."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestration.dead_runs import close_dead_runs, process_tags
from orchestration.home import Home
from orchestration.progress import Progress
from orchestration.resources import run_resources
from warehouse.errors import OpcoError, UserError
from warehouse.files import written_atomically

INSTANCE_FILE = "dagster.yaml"
INSTANCE_SETTINGS = """\
# Dagster's instance of this home; runs, events and partitions are kept beside this file, in SQLite.
telemetry:
  enabled: false
nux:
  enabled: false
"""
# A run in the terminal shows its progress there; capturing its output as well costs a process a step.
NO_CAPTURE = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


def write_instance_settings(home: Home) -> None:
    """Write Dagster's instance file under the home where it is missing."""
    path = home.dagster / INSTANCE_FILE
    if not path.exists():
        with written_atomically(path) as temporary:
            temporary.write_text(INSTANCE_SETTINGS, encoding="utf-8")


def _leave_syncing_to_the_system(connection: Any, record: Any) -> None:
    # Dagster opens, commits and closes a connection an event, some thousand times a build: a third of a small
    # build's time waiting for the disk. A killed process loses nothing; a power cut may lose records of runs, no data.
    del record
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = off")


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """Yield the Dagster instance kept under the home."""
    write_instance_settings(home)
    event.listen(Engine, "connect", _leave_syncing_to_the_system)
    try:
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home.dagster), overrides=NO_CAPTURE)) as instance:
            yield instance
    finally:
        event.remove(Engine, "connect", _leave_syncing_to_the_system)


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
    try:
        result = complete.resolve_job_def(job).execute_in_process(
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
    errors = [_as_raised(error) for error in steps or run if error is not None]
    kind = UserError if errors and all(error.cls_name == UserError.__name__ for error in errors) else OpcoError
    # Python writes the name of its class before what an exception says.
    return kind("\n".join(error.message.strip().split(": ", 1)[-1] for error in errors))


def _as_raised(error: SerializableErrorInfo) -> SerializableErrorInfo:
    """Return what was raised in a step or a resource, out of what Dagster wraps it in."""
    while error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return error
