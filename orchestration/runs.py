"""Runs of Dagster jobs inside this process, recorded under the home like those of the web server."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestration.home import Home
from orchestration.home_stamp import stamp_home
from orchestration.progress import Progress
from orchestration.resources import run_resources
from warehouse.errors import OpcoError
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
    stamp_home(home)
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
    partition_key: str | None = None,
    debug: bool = False,
) -> dict[str, dict[str, Any]]:
    """Run `job` to its end and return the metadata of what it materialised, by asset key (parts joined by `/`).

    `ops` is the steps' configuration. The exception of a failed step comes out as it was raised.
    """
    complete = dg.Definitions.merge(
        definitions,
        dg.Definitions(resources=run_resources(home, progress), executor=dg.in_process_executor),
    )
    try:
        result = complete.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=partition_key,
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
    return {
        made.asset_key.to_user_string(): {name: value.value for name, value in made.materialization.metadata.items()}
        for made in result.get_asset_materialization_events()
        if made.asset_key is not None
    }
