"""The one file that reaches inside Dagster, for what its public package does not offer; each import says why.

An upgrade of Dagster is looked at here first. What takes long to load, or opens something, is loaded in the function
that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

import dagster as dg

# An error that is recorded by its message alone, without the traceback of a failure.
from dagster._core.errors import DagsterUserCodeProcessError as DagsterUserCodeProcessError

# An instance with settings of its own beside those of its file.
from dagster._core.instance.ref import InstanceRef as InstanceRef

# What schedules and sensors have on record: when they last looked, and how that ended.
from dagster._core.scheduler.instigation import InstigatorState as InstigatorState
from dagster._core.scheduler.instigation import InstigatorType as InstigatorType
from dagster._core.scheduler.instigation import ScheduleInstigatorData as ScheduleInstigatorData
from dagster._core.scheduler.instigation import SensorInstigatorData as SensorInstigatorData
from dagster._core.scheduler.instigation import TickStatus as TickStatus

# How long a transaction waits for that of another process.
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS

# The names of the tags that say who or what started a run, which partition it has, and what becomes of it.
from dagster._core.storage.tags import AUTOMATION_CONDITION_TAG as AUTOMATION_CONDITION_TAG
from dagster._core.storage.tags import BACKFILL_ID_TAG as BACKFILL_ID_TAG
from dagster._core.storage.tags import PARTITION_NAME_TAG as PARTITION_NAME_TAG
from dagster._core.storage.tags import PRIORITY_TAG as PRIORITY_TAG
from dagster._core.storage.tags import SCHEDULE_NAME_TAG as SCHEDULE_NAME_TAG
from dagster._core.storage.tags import SENSOR_NAME_TAG as SENSOR_NAME_TAG
from dagster._core.storage.tags import WILL_RETRY_TAG as WILL_RETRY_TAG

# An error as events and ticks hold it.
from dagster_shared.error import SerializableErrorInfo as SerializableErrorInfo

if TYPE_CHECKING:
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
    from dagster._daemon.types import DaemonStatus
    from sqlalchemy.engine import Connection
    from starlette.types import ASGIApp

# Part of an instance's settings: what steps print is not captured, which costs a process a step.
NO_CAPTURE = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


_KEPT: WeakKeyDictionary[object, _KeptConnections] = WeakKeyDictionary()


def event_texts(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    """Yield the events of a run as they are stored: the public calls read one kind of event at a time."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
    from sqlalchemy import select

    storage = cast("SqlEventLogStorage", instance.event_log_storage)
    query = select(SqlEventLogStorageTable.c.event).where(SqlEventLogStorageTable.c.run_id == run_id)
    with storage.run_connection(run_id) as connection:
        yield from connection.execute(query).scalars()


class _KeptConnections:
    """The connections to SQLite of a storage of events, one a shard, each with one transaction at a time."""

    def __init__(self, storage: SqliteEventLogStorage) -> None:
        self.storage = storage
        self.connections: dict[str, Connection] = {}
        self.is_one_transaction = False

    @contextmanager
    def connect(self, shard: str) -> Iterator[Connection]:
        """Yield a connection in a transaction, in place of Dagster's own way, which opens one each time."""
        if shard not in self.connections:
            # Dagster's own way makes the tables of a run that is new.
            with type(self.storage)._connect(self.storage, shard):
                pass
        # One at a time, as Dagster has it.
        with self.storage._db_lock:
            if shard not in self.connections:
                self.connections[shard] = self._open(shard)
            connection = self.connections[shard]
            if not self.is_one_transaction:
                with connection.begin():
                    yield connection
                return
            if not connection.in_transaction():
                connection.begin()
            yield connection

    def _open(self, shard: str) -> Connection:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import StaticPool

        engine = create_engine(
            self.storage.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        return engine.connect()

    def commit(self) -> None:
        """End what `is_one_transaction` left open."""
        with self.storage._db_lock:
            for connection in self.connections.values():
                if connection.in_transaction():
                    connection.commit()

    def close(self) -> None:
        """Close all connections."""
        for connection in self.connections.values():
            connection.close()
            connection.engine.dispose()


@contextmanager
def kept_connections(instance: dg.DagsterInstance) -> Iterator[None]:
    """Keep the connections to SQLite in which events of runs are stored, which Dagster opens anew for each event.

    A build stores some hundred, each in up to four transactions, and asks for each which tables there are: more time
    than its data take.
    """
    from dagster._core.storage.event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    kept = _KeptConnections(storage)
    storage._connect = kept.connect  # type: ignore[method-assign]
    storage.has_table = cache(storage.has_table)  # type: ignore[method-assign]
    _KEPT[storage] = kept
    try:
        yield
    finally:
        del storage._connect, storage.has_table, _KEPT[storage]
        kept.close()


@contextmanager
def written_together(instance: dg.DagsterInstance) -> Iterator[None]:
    """Store the events that follow in one transaction, where `kept_connections` holds: they come in one go.

    Nothing that takes long may stand in it: other processes wait for their turn to write.
    """
    kept = _KEPT.get(instance.event_log_storage)
    if kept is None:
        yield
        return
    kept.is_one_transaction = True
    try:
        yield
    finally:
        kept.is_one_transaction = False
        kept.commit()


def database_of_run(instance: dg.DagsterInstance, run_id: str) -> Path | None:
    """Return the file that holds this run alone: in SQLite, Dagster keeps a database a run and never removes it."""
    from dagster._core.storage.event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    return Path(storage.path_for_shard(run_id)) if isinstance(storage, SqliteEventLogStorage) else None


def delete_ticks_after(instance: dg.DagsterInstance, state: InstigatorState, instant: datetime) -> None:
    """Delete the ticks of a schedule or sensor later than `instant` (aware): Dagster deletes only those before one."""
    from dagster._core.storage.schedules.schema import JobTickTable
    from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
    from dagster._time import datetime_from_timestamp

    storage = instance.schedule_storage
    if isinstance(storage, SqlScheduleStorage):
        is_later = JobTickTable.c.timestamp > datetime_from_timestamp(instant.timestamp())
        with storage.connect() as connection:
            connection.execute(
                JobTickTable.delete().where(is_later).where(JobTickTable.c.selector_id == state.selector_id)
            )


def daemon_statuses(instance: dg.DagsterInstance, tolerance_seconds: int) -> Mapping[str, DaemonStatus]:
    """Return the last heartbeat of each part of the daemon that this instance needs."""
    from dagster._daemon.controller import get_daemon_statuses

    return get_daemon_statuses(
        instance,
        instance.get_required_daemon_types(),
        ignore_errors=True,
        heartbeat_tolerance_seconds=tolerance_seconds,
    )


def run_daemon(module: str, log_level: str) -> None:
    """Run Dagster's daemon on the definitions of `module` until it is told to end: its own command, in this process."""
    from dagster._daemon.cli import run_command

    run_command.main(["-m", module, "--log-level", log_level], prog_name="dagster-daemon")


@contextmanager
def pages_app(instance: dg.DagsterInstance, module: str, log_level: str) -> Iterator[ASGIApp]:
    """Yield the application behind Dagster's pages, which its own command would serve without a guard before it."""
    from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._utils.interrupts import setup_interrupt_handlers
    from dagster._utils.log import configure_loggers
    from dagster_shared.cli import WorkspaceOpts
    from dagster_webserver.app import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    configure_loggers(log_level=log_level.upper())
    setup_interrupt_handlers()
    code = workspace_opts_to_load_target(WorkspaceOpts(module_name=(module,)))
    with WorkspaceProcessContext(instance, code, version=__version__, code_server_log_level=log_level) as context:
        yield create_app_from_workspace_process_context(context, live_data_poll_rate=2000)
