"""Dagster's failed runs, for the dashboard: read in the background, as Dagster takes seconds to load."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from orchestration.home.paths import Home

logger = logging.getLogger("portal")

READ_EVERY_SECONDS = 30.0
WAITS_SECONDS = 1.0
DAYS_BACK = 7


@dataclass(frozen=True)
class FailedRun:
    """The latest run of a job (of one partition, if it has any) that failed; `at` is UTC, `reason` why."""

    run_id: str
    job: str
    partition: str
    at: datetime
    reason: str

    @property
    def session_id(self) -> str | None:
        """The session whose attestations it was to make: a partition's key is its id, encoded where it has to be."""
        return unquote(self.partition) or None


class FailedRuns:
    """What failed in the last days and has not succeeded since."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._reading: threading.Event | None = None
        self._latest: Sequence[FailedRun] = ()

    def latest(self, wait: float = WAITS_SECONDS) -> Sequence[FailedRun] | None:
        """Return them as they were half a minute ago at most; None while they are being read, or cannot be.

        `wait`: how many seconds a reading that is under way may take meanwhile.
        """
        with self._lock:
            if self._is_current():
                return self._latest
            # A slow disk must not pile up threads that all ask Dagster the same.
            if self._reading is None:
                self._reading = threading.Event()
                threading.Thread(target=self._read, args=[self._reading], daemon=True).start()
            reading = self._reading
        reading.wait(wait)
        with self._lock:
            return self._latest if self._is_current() else None

    def _is_current(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at <= READ_EVERY_SECONDS

    def _read(self, reading: threading.Event) -> None:
        began = time.monotonic()
        try:
            found = read_failed_runs(self._home)
            with self._lock:
                self._latest, self._read_at = found, began
        except Exception:
            # Whatever keeps Dagster from telling, the pages go on.
            logger.exception("Dagster's runs could not be read")
        finally:
            with self._lock:
                self._reading = None
            reading.set()


def read_failed_runs(home: Home) -> list[FailedRun]:
    """Return what failed in the last days and has not succeeded since. Errors as `open_instance`.

    What a person asked for wrongly is none of it.
    """
    from orchestration.runs.jobs import errors_of, last_ended_runs, open_instance, words_of

    since = datetime.now(UTC) - timedelta(days=DAYS_BACK)
    with open_instance(home) as instance:
        return [
            FailedRun(
                run_id := record.dagster_run.run_id,
                job,
                partition,
                record.create_timestamp,
                "\n".join(map(words_of, errors_of(instance, run_id))),
            )
            for (job, partition), record in last_ended_runs(instance, since).items()
            if not record.dagster_run.is_success
        ]
