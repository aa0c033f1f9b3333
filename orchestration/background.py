"""Runs that go on by themselves: each in a process of its own, which outlives whoever asked for it.

What was asked for, how far it is and what came of it stand in a folder a run, so that any process can tell them. A run
that was stopped with the machine is found again, and begun again, by `resume`.
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
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Literal

from orchestration.home import HOME_VARIABLE, Home
from warehouse.errors import OpcoError, UserError
from warehouse.files import try_lock, written_atomically

Kind = Literal["attestations", "export"]
Status = Literal["waiting", "running", "done", "failed", "stopped"]

ASSETS: dict[Kind, str] = {"attestations": "opco_attestations", "export": "opco_export"}
RUN_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{16}")
"""When it was asked for (UTC, to the microsecond: ids are in the order of their runs), and what nobody guesses."""
ORDER, PROGRESS, RESULT, LOCK, LOG = "order.json", "progress.json", "result.json", "lock", "log.txt"
MOST_AT_ONCE = 2
"""Runs at work side by side, each of them in several processes; the others wait."""
TOLD_EVERY_SECONDS = 0.3
LOOKED_AT = 300
"""So many of the latest runs are looked at for one that is under way."""
REMEMBERED = 2000
MOST_STARTS = 2
"""A run that dies each time it is begun is not begun for ever."""
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

    `is_mistake` tells that the error is one of what was asked for, not of the program.
    """

    order: Order
    status: Status
    stage: str = ""
    done: int = 0
    total: int | None = None
    result: dict[str, Any] | None = None
    error: str = ""
    is_mistake: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.status in ("done", "failed", "stopped")


class BackgroundRuns:
    """The background runs of a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder = home.background_runs
        # What is over does not change any more.
        self._over: dict[str, BackgroundRun] = {}

    def start(
        self, kind: Kind, config: Mapping[str, Any], *, asked_by: str, session_id: str | None = None, about: str = ""
    ) -> BackgroundRun:
        """Begin a run and return it; where one of this session is under way, or the same one of this person, that one.

        `config` is the asset's configuration, `about` a line that tells it from others. Raises OSError when the disk
        takes no more.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if kind == "attestations" and session_id is not None and (one := self.under_way(session_id)):
                return one
            for one in self.latest():
                asked = one.order
                if not one.is_over and (asked.kind, asked.asked_by, asked.config) == (kind, asked_by, dict(config)):
                    return one
            asked_at = datetime.now(UTC)
            run_id = f"{asked_at:%Y%m%dT%H%M%S%f}-{secrets.token_hex(8)}"
            order = Order(run_id, kind, dict(config), asked_by, f"{asked_at:%Y-%m-%dT%H:%M:%SZ}", session_id, about)
            with written_atomically(self._folder / run_id / ORDER) as temporary:
                temporary.write_text(json.dumps(asdict(order), ensure_ascii=False, indent=2), encoding="utf-8")
            self._begin(order)
        return BackgroundRun(order, "waiting")

    def find(self, run_id: str) -> BackgroundRun | None:
        """Return a run; None when there is none of this id."""
        # What is no id never becomes a path.
        if not RUN_ID.fullmatch(run_id):
            return None
        if (known := self._over.get(run_id)) is not None:
            return known
        place = self._folder / run_id
        order = _read(place / ORDER)
        if order is None:
            return None
        run = _state(Order(**order), place)
        if run.status in ("done", "failed"):
            while len(self._over) >= REMEMBERED:
                self._over.pop(next(iter(self._over)), None)
            self._over[run_id] = run
        return run

    def latest(self, limit: int | None = LOOKED_AT) -> Iterator[BackgroundRun]:
        """Yield runs, the latest first, `limit` of them at most; None for all."""
        names = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        for name in sorted((one for one in names if RUN_ID.fullmatch(one)), reverse=True)[:limit]:
            if (run := self.find(name)) is not None:
                yield run

    def under_way(self, session_id: str) -> BackgroundRun | None:
        """Return the making of a session's attestations that is not over yet."""
        for run in self.latest():
            if run.order.session_id == session_id and run.order.kind == "attestations" and not run.is_over:
                return run
        return None

    def will_resume(self, run: BackgroundRun) -> bool:
        """Tell whether `resume` would begin a run again: one that was stopped before its end.

        Not what may have sent a message already, what died `MOST_STARTS` times, what was asked for longer ago than
        `RESUMED_WITHIN`, nor attestations for which another order came later: its inputs hold.
        """
        order = run.order
        if run.status != "stopped" or order.config.get("recipients"):
            return False
        if self._starts(order) >= MOST_STARTS or datetime.now(UTC) - order.instant > RESUMED_WITHIN:
            return False
        asked = (one.order for one in self.latest())
        later = (one for one in asked if one.run_id > order.run_id and one.kind == order.kind)
        return order.kind == "export" or all(one.session_id != order.session_id for one in later)

    def resume(self) -> int:
        """Begin again the runs of `will_resume`, and return how many that were."""
        if not self._folder.is_dir():
            return 0
        begun = 0
        with self._alone():
            stopped = [run.order for run in self.latest() if self.will_resume(run)]
            for order in reversed(stopped):
                self._begin(order)
                begun += 1
        return begun

    def _starts(self, order: Order) -> int:
        """Return how often a run was begun."""
        return len(list((self._folder / order.run_id).glob("start-*")))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self._folder / ".lock").open("a", encoding="ascii") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _begin(self, order: Order) -> None:
        place = self._folder / order.run_id
        (place / f"start-{self._starts(order) + 1}").touch()
        # The lock is taken here and inherited: from the first moment on whoever looks sees that somebody is at work.
        with (place / LOCK).open("a", encoding="ascii") as lock, (place / LOG).open("ab") as log:
            fcntl.flock(lock, fcntl.LOCK_EX)
            process = subprocess.Popen(
                [sys.executable, "-m", "orchestration.background", str(place)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                # Ctrl-C in the terminal of the server is not meant for it.
                start_new_session=True,
                env={**os.environ, HOME_VARIABLE: str(self._home.folder)},
            )
        threading.Thread(target=process.wait, daemon=True).start()


class FileProgress:
    """Progress that other processes read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = 0.0
        self._said: dict[str, Any] = {"stage": "", "done": 0, "total": None}

    def stage(self, title: str, total: int | None = None) -> None:
        """Begin a stage; the one before it is over."""
        self._said = {"stage": title, "done": 0, "total": total}
        self._tell()

    def step(self, note: str = "") -> None:
        """One step of the stage is done."""
        del note
        self._said["done"] += 1
        self._tell(now=False)

    def at(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` steps of the stage are done."""
        del note
        self._said |= {"done": done, "total": total}
        self._tell(now=done == total)

    def _tell(self, *, now: bool = True) -> None:
        moment = time.monotonic()
        if not now and moment - self._told < TOLD_EVERY_SECONDS:
            return
        self._told = moment
        temporary = self._path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(self._said), encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            # The work is worth more than its bar.
            temporary.unlink(missing_ok=True)


def work(place: Path) -> bool:
    """Do what the order in the folder `place` asks for, write what came of it, and tell whether it went well."""
    order = Order(**json.loads((place / ORDER).read_text(encoding="utf-8")))
    progress = FileProgress(place / PROGRESS)
    result: dict[str, Any]
    try:
        with _slot(place.parent, progress):
            result = {"ok": True, "result": _run(order, Home.find(), progress)}
    except Exception as error:
        traceback.print_exc()
        said = isinstance(error, OpcoError)
        message = str(error) if said else f"{type(error).__name__}: {error}"
        result = {"ok": False, "error": message, "is_mistake": isinstance(error, UserError)}
    with written_atomically(place / RESULT) as temporary:
        temporary.write_text(json.dumps(result, ensure_ascii=False, default=str), encoding="utf-8")
    return bool(result["ok"])


def _run(order: Order, home: Home, progress: FileProgress) -> dict[str, Any] | None:
    """Run the order's job and return its asset's metadata; None where it had nothing to make."""
    from orchestration.runs import open_instance, run_job

    progress.stage("Starting")
    asset = ASSETS[order.kind]
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(sys.stderr))
        instance = stack.enter_context(open_instance(home))
        partition = None
        if order.kind == "attestations":
            from orchestration.defs.attestations.assets import defs
            from orchestration.defs.attestations.partitions import add_session

            partition = add_session(instance, home.warehouse, order.session_id or "")
        else:
            from orchestration.defs.export.assets import defs
        made = run_job(
            home,
            defs(),
            order.kind,
            instance=instance,
            progress=progress,
            ops={asset: order.config},
            partition_key=partition,
        )
    return made.get(asset)


@contextmanager
def _slot(folder: Path, progress: FileProgress) -> Iterator[None]:
    """Hold one of the places at work; wait for one where all are taken."""
    progress.stage("Waiting")
    streams: list[IO[str]] = []
    try:
        streams += [(folder / f".slot-{number}").open("a", encoding="ascii") for number in range(MOST_AT_ONCE)]
        while not any(try_lock(stream) for stream in streams):
            time.sleep(TOLD_EVERY_SECONDS)
        yield
    finally:
        for stream in streams:
            stream.close()


def _state(order: Order, place: Path) -> BackgroundRun:
    progress = _read(place / PROGRESS) or {}
    # In this order: a run that ends meanwhile has its result before it lets go of its lock.
    is_at_work = _is_held(place / LOCK)
    if (result := _read(place / RESULT)) is not None:
        if result["ok"]:
            return BackgroundRun(order, "done", result=result["result"])
        return BackgroundRun(order, "failed", error=result["error"], is_mistake=result["is_mistake"])
    if not is_at_work:
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


if __name__ == "__main__":
    sys.exit(0 if work(Path(sys.argv[1])) else 1)
