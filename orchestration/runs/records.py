"""What Dagster keeps of runs, and what of it may go: by Dagster's own calls, whichever database they go to."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg

from orchestration.runs.dagster_internals import database_of_run, event_texts
from warehouse.forgotten import Identifiers
from warehouse.search import readable

PAGE = 500


@dataclass(frozen=True)
class RecordedRun:
    """A run on record, and the bytes of the files that hold it alone (none where runs share one database)."""

    run_id: str
    job_name: str
    created_at: datetime
    byte_count: int


def runs_before(instance: dg.DagsterInstance, before: datetime) -> list[RecordedRun]:
    """Return the runs that began before `before` and hold no asset's newest materialisation, oldest first.

    So the asset catalogue shows of every asset, and of every partition, what it showed before they go.
    """
    needed = _runs_of_newest_materialisations(instance)
    return [
        _recorded(instance, record.dagster_run.run_id, record.dagster_run.job_name, record.create_timestamp)
        for record in _run_records(instance, dg.RunsFilter(created_before=before))
        if record.dagster_run.run_id not in needed
    ]


def runs_that_hold(instance: dg.DagsterInstance, identifiers: Identifiers) -> list[RecordedRun]:
    """Return the runs whose configuration, tags or events hold one of the identifiers."""
    if not identifiers:
        return []
    return [
        _recorded(instance, record.dagster_run.run_id, record.dagster_run.job_name, record.create_timestamp)
        for record in _run_records(instance, dg.RunsFilter())
        if identifiers.are_in(readable(dg.serialize_value(record.dagster_run)))
        or any(identifiers.are_in(readable(text)) for text in event_texts(instance, record.dagster_run.run_id))
    ]


def delete_runs(instance: dg.DagsterInstance, runs: Sequence[RecordedRun]) -> None:
    """Delete runs with their events, their logs, and the files that held nothing else."""
    for run in runs:
        instance.delete_run(run.run_id)
        for path in _own_files(instance, run.run_id):
            path.unlink(missing_ok=True)
        for folder in _log_folders(instance, run.run_id):
            shutil.rmtree(folder, ignore_errors=True)


def wipe_assets_that_hold(instance: dg.DagsterInstance, identifiers: Identifiers) -> None:
    """Let Dagster forget the materialisations of every asset whose newest one holds one of the identifiers."""
    held = [
        record.asset_entry.asset_key
        for record in instance.get_asset_records()
        if (event := record.asset_entry.last_materialization)
        and identifiers.are_in(readable(dg.serialize_value(event)))
    ]
    instance.wipe_assets(held)


def purge_ticks(instance: dg.DagsterInstance, before: datetime) -> None:
    """Delete what schedules and sensors put on record before `before`."""
    for state in instance.all_instigator_state():
        instance.purge_ticks(state.instigator_origin_id, state.selector_id, before.timestamp())


def vacuum(folder: Path) -> int:
    """Give back what deleted records took in SQLite files under `folder`, and return how many bytes that was.

    A file that another program is writing to stays as it is until the next time.
    """
    freed = 0
    for path in sorted(folder.rglob("*.db")):
        before = _size_with_log(path)
        try:
            with closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
                connection.execute("vacuum")
                connection.execute("pragma wal_checkpoint(truncate)")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) and "busy" not in str(error):
                raise
        freed += before - _size_with_log(path)
    return freed


def _size_with_log(path: Path) -> int:
    both = (path, path.with_name(f"{path.name}-wal"))
    return sum(one.stat().st_size for one in both if one.exists())


def _run_records(instance: dg.DagsterInstance, filters: dg.RunsFilter) -> list[dg.RunRecord]:
    records: list[dg.RunRecord] = []
    cursor = None
    while page := instance.get_run_records(filters, limit=PAGE, cursor=cursor, ascending=True):
        records += page
        cursor = page[-1].dagster_run.run_id
    return records


def _runs_of_newest_materialisations(instance: dg.DagsterInstance) -> set[str]:
    needed = set()
    for key in instance.all_asset_keys():
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        newest = instance.get_latest_storage_id_by_partition(key, kind)
        record = instance.get_latest_materialization_event(key)
        if record is not None:
            needed.add(record.run_id)
        ids = list(newest.values())
        for start in range(0, len(ids), PAGE):
            records = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + PAGE])
            needed |= {one.run_id for one in instance.fetch_materializations(records, limit=PAGE).records}
    return needed


def _recorded(instance: dg.DagsterInstance, run_id: str, job_name: str, created_at: datetime) -> RecordedRun:
    logs = [path for folder in _log_folders(instance, run_id) for path in folder.rglob("*") if path.is_file()]
    sizes = (path.stat().st_size for path in (*_own_files(instance, run_id), *logs) if path.exists())
    return RecordedRun(run_id, job_name, created_at, sum(sizes))


def _own_files(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    """Return the files that hold this run alone."""
    path = database_of_run(instance, run_id)
    return [path.with_name(f"{path.name}{suffix}") for suffix in ("", "-wal", "-shm")] if path else []


def _log_folders(instance: dg.DagsterInstance, run_id: str) -> list[Path]:
    """Return the folders of what the run's steps printed, and of what they passed on to each other."""
    folder = Path(instance.storage_directory()) / run_id
    return [folder] if folder.is_dir() else []
