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
DAYS_BACK = 7


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
            self._latest = read_failed_runs(self._home)
        except Exception:
            # Whatever keeps Dagster from telling, the pages go on.
            logger.exception("Dagster's runs could not be read")
        finally:
            self._is_reading = False


def read_failed_runs(home: Home) -> list[FailedRun]:
    """Return what failed in the last days and has not succeeded since. Errors as `open_instance`."""
    from orchestration.runs import last_ended_runs, open_instance

    since = datetime.now(UTC) - timedelta(days=DAYS_BACK)
    with open_instance(home) as instance:
        return [
            FailedRun(record.dagster_run.run_id, job, partition, record.create_timestamp)
            for (job, partition), record in last_ended_runs(instance, since).items()
            if not record.dagster_run.is_success
        ]
