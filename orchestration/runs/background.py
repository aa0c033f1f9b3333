"""Runs in the background: each in a process of its own, which outlives the server on whose page it was asked for.

What was asked for, how far it is and what came of it are in one folder a run, where any process finds them. A run that
was stopped with the machine is found again, and started again, by `resume`. `supervision` watches each.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.home.sections.portal import RunSettings
from orchestration.runs.supervision import (
    CANCELLED,
    LOCK,
    LOG,
    MADE,
    ORDER,
    PROGRESS,
    RESULT,
    UPDATE_SECONDS,
    used_seconds,
    write_result,
)
from warehouse.files import try_lock, written_atomically

Kind = Literal["attestations", "certificate", "attendance", "log", "export"]
DOCUMENT_KINDS: tuple[Kind, ...] = ("certificate", "attendance", "log")
"""The kinds of runs that make documents of a session beside its attestations."""
ASSETS: dict[str, str] = {
    "attestations": "opco_attestations",
    "certificate": "opco_certificates",
    "attendance": "opco_attendance",
    "log": "opco_logs",
    "export": "opco_export",
}
"""The asset that each kind of run makes; its job has the name of the kind."""
Status = Literal["waiting", "running", "done", "failed", "stopped", "cancelled"]

RUN_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{16}")
"""When it was asked for (UTC, to the microsecond: ids are in the order of their runs), and what nobody guesses."""
CANCELLED_WITHIN_SECONDS = 5
SEARCHED = 300
"""Number of the latest runs among which one that is under way is looked for."""
REMEMBERED = 2000
MOST_STARTS = 2
"""A run that dies each time is not started for ever."""
RESUMED_WITHIN = timedelta(days=1)
"""Nobody waits any more for what was asked for longer ago; its date of issue would be another day's."""


@dataclass(frozen=True)
class Order:
    """What was asked for: the job's kind, its asset's configuration, by whom (an e-mail address), when (UTC)."""

    run_id: str
    kind: Kind
    config: dict[str, Any]
    asked_by: str
    asked_at: str
    session_id: str | None = None
    about: str = ""

    @property
    def instant(self) -> datetime:
        """When it was asked for."""
        return datetime.fromisoformat(self.asked_at)


@dataclass(frozen=True)
class BackgroundRun:
    """A run and how far it is. `result` is its asset's metadata, None where it made nothing; `error` what went wrong.

    `is_mistake` says that the error is one of what was asked for, not of the program; `cancelled_by` who cancelled it.
    """

    order: Order
    status: Status
    stage: str = ""
    done: int = 0
    total: int | None = None
    result: dict[str, Any] | None = None
    error: str = ""
    is_mistake: bool = False
    cancelled_by: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.status in ("done", "failed", "stopped", "cancelled")


class BackgroundRuns:
    """The background runs of a home."""

    def __init__(self, home: Home, limits: RunSettings | None = None) -> None:
        """Take the time and memory that a run may use from `limits`, by default those of the settings' defaults."""
        self._home = home
        self._limits = limits or RunSettings()
        self._folder = home.background_runs
        # What is over does not change any more.
        self._over: dict[str, BackgroundRun] = {}

    def start(
        self, kind: Kind, config: Mapping[str, Any], *, asked_by: str, session_id: str | None = None, about: str = ""
    ) -> BackgroundRun:
        """Start a run and return it; where one of this session is under way, or the same one of this person, that one.

        `config` is the asset's configuration, `about` a line that names it to people. Raises OSError when the disk is
        full.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if kind == "attestations" and session_id is not None and (one := self.under_way(session_id)):
                return one
            for one in self.latest():
                same = (one.order.kind, one.order.asked_by, one.order.config) == (kind, asked_by, dict(config))
                if same and not one.is_over:
                    return one
            order = _order(kind, config, asked_by, session_id, about)
            self._write_order(order)
            self._launch(order)
        return BackgroundRun(order, "waiting")

    def keep(
        self, kind: Kind, config: Mapping[str, Any], result: dict[str, Any], made: str, *, asked_by: str
    ) -> BackgroundRun:
        """Keep a run that was done at once, with what came of it; a process of its own puts it on Dagster's record.

        `result` is its asset's metadata, `made` what the asset is told of it, as JSON. Raises OSError when the disk is
        full.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            order = _order(kind, config, asked_by)
            folder = self._folder / order.run_id
            # The order last: without it there is no run.
            with written_atomically(folder / MADE) as temporary:
                temporary.write_text(made, encoding="utf-8")
            write_result(folder, {"ok": True, "result": result})
            self._write_order(order)
            self._launch(order)
        return BackgroundRun(order, "done", result=result)

    def find(self, run_id: str) -> BackgroundRun | None:
        """Return a run; None when there is none of this id."""
        # What is no id never becomes a path.
        if not RUN_ID.fullmatch(run_id):
            return None
        if (known := self._over.get(run_id)) is not None:
            return known
        folder = self._folder / run_id
        order = _read(folder / ORDER)
        if order is None:
            return None
        run = _state(Order(**order), folder)
        if run.status in ("done", "failed", "cancelled"):
            while len(self._over) >= REMEMBERED:
                self._over.pop(next(iter(self._over)), None)
            self._over[run_id] = run
        return run

    def latest(self, limit: int | None = SEARCHED) -> Iterator[BackgroundRun]:
        """Yield runs, the latest first, `limit` of them at most; None for all."""
        names = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        for name in sorted((one for one in names if RUN_ID.fullmatch(one)), reverse=True)[:limit]:
            if (run := self.find(name)) is not None:
                yield run

    def under_way(self, session_id: str, kinds: Container[Kind] = ("attestations",)) -> BackgroundRun | None:
        """Return the run of these kinds that makes a session's documents and is not over yet."""
        for run in self.latest():
            if run.order.session_id == session_id and run.order.kind in kinds and not run.is_over:
                return run
        return None

    def will_resume(self, run: BackgroundRun) -> bool:
        """Tell whether `resume` would start a run again: one that was stopped before its end.

        Not what may have sent a message already, what died `MOST_STARTS` times, what was asked for longer ago than
        `RESUMED_WITHIN`, what has used up its time, nor attestations for which another order came later: its inputs
        hold.
        """
        order = run.order
        if run.status != "stopped" or order.config.get("recipients"):
            return False
        if self._starts(order) >= MOST_STARTS or datetime.now(UTC) - order.instant > RESUMED_WITHIN:
            return False
        if used_seconds(self._folder / order.run_id) >= self._limits.seconds:
            return False
        asked = (one.order for one in self.latest())
        later = (one for one in asked if one.run_id > order.run_id and one.kind == order.kind)
        is_of_session = order.kind == "attestations"
        return not is_of_session or all(one.session_id != order.session_id for one in later)

    def cancel(self, run: BackgroundRun, *, by: str) -> BackgroundRun:
        """End a run that is not over, or would start again, and return it as it is a moment later.

        What it leaves is what a run that was killed leaves. `by` is who cancels it: an e-mail address, or an account.
        """
        folder = self._folder / run.order.run_id
        if not run.is_over or run.status == "stopped":
            with written_atomically(folder / CANCELLED) as temporary:
                cancelled = {"by": by, "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
                temporary.write_text(json.dumps(cancelled, ensure_ascii=False), encoding="utf-8")
            end = time.monotonic() + CANCELLED_WITHIN_SECONDS
            while time.monotonic() < end and not _state(run.order, folder).is_over:
                time.sleep(UPDATE_SECONDS / 3)
        return self.find(run.order.run_id) or run

    def resume(self) -> int:
        """Start the runs of `will_resume` again, and the recording of those that are not yet; return how many."""
        if not self._folder.is_dir():
            return 0
        with self._alone():
            stopped = [run.order for run in self.latest() if self.will_resume(run) or self._lacks_record(run.order)]
            for order in reversed(stopped):
                self._launch(order)
        return len(stopped)

    def _lacks_record(self, order: Order) -> bool:
        """Tell whether what was made at once is to be put on Dagster's record, and nobody is at it."""
        folder = self._folder / order.run_id
        return (folder / MADE).exists() and not _is_held(folder / LOCK) and self._starts(order) < MOST_STARTS

    def _write_order(self, order: Order) -> None:
        with written_atomically(self._folder / order.run_id / ORDER) as temporary:
            temporary.write_text(json.dumps(asdict(order), ensure_ascii=False, indent=2), encoding="utf-8")

    def _starts(self, order: Order) -> int:
        """Return how often a run was started."""
        return len(list((self._folder / order.run_id).glob("start-*")))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / ".lock").open("a", encoding="ascii") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _launch(self, order: Order) -> None:
        folder = self._folder / order.run_id
        (folder / f"start-{self._starts(order) + 1}").touch()
        # The lock is taken here and inherited: from the first moment on it shows that a process is at work.
        with (folder / LOCK).open("a", encoding="ascii") as lock, (folder / LOG).open("ab") as log:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "orchestration.runs.supervision", str(folder)),
                    *(str(self._limits.seconds), str(self._limits.bytes), str(lock.fileno())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                # Ctrl-C in the terminal of the server is not meant for it.
                start_new_session=True,
                env={**os.environ, HOME_VARIABLE: str(self._home.folder)},
            )
        threading.Thread(target=process.wait, daemon=True).start()


def _order(
    kind: Kind, config: Mapping[str, Any], asked_by: str, session_id: str | None = None, about: str = ""
) -> Order:
    asked_at = datetime.now(UTC)
    run_id = f"{asked_at:%Y%m%dT%H%M%S%f}-{secrets.token_hex(8)}"
    return Order(run_id, kind, dict(config), asked_by, f"{asked_at:%Y-%m-%dT%H:%M:%SZ}", session_id, about)


def _state(order: Order, folder: Path) -> BackgroundRun:
    progress = _read(folder / PROGRESS) or {}
    # In this order: a run that ends meanwhile has its result before it lets go of its lock.
    is_at_work = _is_held(folder / LOCK)
    if (result := _read(folder / RESULT)) is not None:
        if result["ok"]:
            return BackgroundRun(order, "done", result=result["result"])
        return BackgroundRun(order, "failed", error=result["error"], is_mistake=result["is_mistake"])
    if not is_at_work:
        if (cancelled := _read(folder / CANCELLED)) is not None:
            return BackgroundRun(order, "cancelled", cancelled_by=cancelled["by"])
        return BackgroundRun(order, "stopped")
    stage = progress.get("stage", "")
    status: Status = "waiting" if stage in ("", "Waiting") else "running"
    return BackgroundRun(order, status, stage, progress.get("done", 0), progress.get("total"))


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("a", encoding="ascii") as stream:
            # Shared: those who look do not hold one another for the worker.
            return not try_lock(stream, shared=True)
    except OSError:
        return False


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found
