"""Runs whose process was killed: nobody was left to record their end, so the next one that looks does.

A run's process holds a lock of the home as long as it lives, and the kernel lets go of it with the process, whatever
number, host or container that had.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import dagster as dg

from orchestration.home.paths import Home
from warehouse.errors import OpcoError
from warehouse.files import try_lock

BEGUN = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, *BEGUN]
# What has not come so far as to hold its lock after this time was killed while it started.
STARTS_WITHIN = timedelta(minutes=10)
KILLED = "The process of this run was killed before its end. Nothing half-made was shown to readers."

_held: dict[Path, IO[str]] = {}


def live(home: Home, run_id: str) -> None:
    """Hold the lock that shows that the run's process lives, until the process ends or `living` lets go of it."""
    path = _lock_of(home, run_id)
    if path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        stream = path.open("a", encoding="ascii")
        fcntl.flock(stream, fcntl.LOCK_EX)
        # Who looked just now may have taken the file away.
        with suppress(FileNotFoundError):
            if os.fstat(stream.fileno()).st_ino == path.stat().st_ino:
                break
        stream.close()
    _held[path] = stream


@contextmanager
def living(home: Home, run_id: str) -> Iterator[None]:
    """Hold the lock of `live` while the block lasts."""
    live(home, run_id)
    try:
        yield
    finally:
        path = _lock_of(home, run_id)
        path.unlink(missing_ok=True)
        _held.pop(path).close()


def require_on_record(instance: dg.DagsterInstance, run_id: str) -> None:
    """Raise OpcoError where the run was deleted, or its end recorded, while it went on: it may show nothing any more.

    What is published or issued has a run on record.
    """
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        became = "deleted" if run is None else f"recorded as {run.status.value.lower()}"
        raise OpcoError(
            f"The run {run_id} was {became} while it was at work, so that no record would say what it makes. Nothing "
            "more is published or issued by it; start another one."
        )


def close_dead_runs(home: Home, instance: dg.DagsterInstance) -> list[str]:
    """Record the end of the runs whose process lives no more, and return their ids.

    Those that somebody had asked to end are cancelled, the others failed.
    """
    closed = []
    now = datetime.now(UTC)
    records = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
    for record in records:
        run = record.dagster_run
        if _lives(_lock_of(home, run.run_id), now - record.update_timestamp.replace(tzinfo=UTC)):
            continue
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, KILLED)
        else:
            instance.report_run_failed(run, KILLED)
        closed.append(run.run_id)
    _remove_locks_but(home, {record.dagster_run.run_id for record in records} - set(closed))
    return closed


def _lives(lock: Path, silent_for: timedelta) -> bool:
    """Tell whether a process holds the lock, or may not have come so far yet."""
    if lock in _held:
        return True
    try:
        with lock.open(encoding="ascii") as stream:
            # Shared: those who look do not hold one another for the run.
            return not try_lock(stream, shared=True)
    except FileNotFoundError:
        # A time that is yet to come is one of a clock that was ahead.
        return timedelta(minutes=-1) < silent_for < STARTS_WITHIN


def _remove_locks_but(home: Home, unfinished: set[str]) -> None:
    for path in home.living_runs.iterdir() if home.living_runs.is_dir() else ():
        if path.name in unfinished or path in _held:
            continue
        with suppress(FileNotFoundError), path.open("a", encoding="ascii") as stream:
            if try_lock(stream):
                path.unlink(missing_ok=True)


def _lock_of(home: Home, run_id: str) -> Path:
    return home.living_runs / run_id
