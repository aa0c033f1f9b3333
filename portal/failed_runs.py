"""Dagster's failed runs, for the dashboard: read in the background, as Dagster takes seconds to load."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestration.home import Home

logger = logging.getLogger("portal")

READ_EVERY_SECONDS = 30.0
RUNS_READ = 200
DAYS_BACK = 7
PARTITION = "dagster/partition"


@dataclass(frozen=True)
class FailedRun:
    """The latest run of a job (of one partition, if it has any) that failed; `at` is UTC."""

    run_id: str
    job: str
    partition: str
    at: datetime


class FailedRuns:
    """What failed in the last days and has not succeeded since."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._is_reading = False
        self._latest: Sequence[FailedRun] | None = None

    def latest(self) -> Sequence[FailedRun] | None:
        """Return them as they were half a minute ago at most; None while they are read for the first time."""
        with self._lock:
            is_due = not self._read_at or time.monotonic() - self._read_at > READ_EVERY_SECONDS
            # A slow disk must not pile up threads that all ask Dagster the same.
            if is_due and not self._is_reading:
                self._is_reading = True
                self._read_at = time.monotonic()
                threading.Thread(target=self._read, daemon=True).start()
        return self._latest

    def _read(self) -> None:
        try:
            self._latest = _failed(self._home)
        except Exception:
            # Whatever keeps Dagster from telling, the pages go on.
            logger.exception("Dagster's runs could not be read")
        finally:
            self._is_reading = False


def _failed(home: Home) -> list[FailedRun]:
    import dagster as dg

    from orchestration.runs import open_instance

    since = datetime.now(UTC) - timedelta(days=DAYS_BACK)
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    found: dict[tuple[str, str], FailedRun | None] = {}
    with open_instance(home) as instance:
        filters = dg.RunsFilter(statuses=ended, created_after=since)
        for record in instance.get_run_records(filters=filters, limit=RUNS_READ):
            run = record.dagster_run
            key = (run.job_name, run.tags.get(PARTITION, ""))
            if key not in found:
                failed = run.status is dg.DagsterRunStatus.FAILURE
                found[key] = FailedRun(run.run_id, *key, record.create_timestamp) if failed else None
    return [run for run in found.values() if run is not None]
