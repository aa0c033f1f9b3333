"""Watches one background run: waits for its turn, starts its process, and ends it where it has to.

A process of its own, small because many may wait: it loads neither Dagster nor DuckDB. It holds the run's lock, which
shows that somebody is at work, and ends the run's processes when the run is cancelled, or has used up its time or
memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from warehouse.files import try_lock, written_atomically

ORDER, PROGRESS, RESULT, LOCK, LOG = "order.json", "progress.json", "result.json", "lock", "log.txt"
MADE = "made.json"
"""What a page made at once, until Dagster has it on record."""
CANCELLED = "cancelled.json"
"""Who cancelled the run, and when; that it is there ends the run."""
USED = "used.txt"
"""Seconds for which the run was at work, however often it was started."""
MOST_AT_ONCE = 2
"""Runs at work side by side, each of them in several processes; the others wait."""
UPDATE_SECONDS = 0.3
NOTED_SECONDS = 5.0
PAGE = os.sysconf("SC_PAGE_SIZE")
TOO_LONG = (
    "The run was ended: it was at work for longer than the {0} minutes that the setting runs.minutes allows. Nothing "
    "half-made was issued or sent, and it does not start again by itself. Ask for less at a time, or raise the setting."
)
TOO_LARGE = (
    "The run was ended: its processes took more than the {0} MB of memory that the setting runs.memory allows. Nothing "
    "half-made was issued or sent, and it does not start again by itself. Ask for less at a time, or raise the setting."
)
DIED = (
    "The run's process was ended from outside (signal {0}), as a machine does that has no memory left. Nothing "
    "half-made was issued, and it does not start again by itself."
)
STOPPED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""So a machine ends what it stops for a while: the run goes on later."""


class FileProgress:
    """Progress that other processes read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_at = 0.0
        self._progress: dict[str, Any] = {"stage": "", "done": 0, "total": None}

    def stage(self, title: str, total: int | None = None, note: str = "") -> None:
        """Start a stage; the one before it is over."""
        del note
        self._progress = {"stage": title, "done": 0, "total": total}
        self._write()

    def step(self, note: str = "") -> None:
        """One step of the stage is done."""
        del note
        self._progress["done"] += 1
        self._write(now=False)

    def at(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` steps of the stage are done."""
        del note
        self._progress |= {"done": done, "total": total}
        self._write(now=done == total)

    def _write(self, *, now: bool = True) -> None:
        moment = time.monotonic()
        if not now and moment - self._written_at < UPDATE_SECONDS:
            return
        self._written_at = moment
        temporary = self._path.with_suffix(".tmp")
        try:
            temporary.write_text(json.dumps(self._progress), encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            # The work is worth more than its bar.
            temporary.unlink(missing_ok=True)


def supervise(folder: Path, seconds: float, memory: int, lock: int) -> None:
    """Bring the run whose order stands in `folder` to its end.

    It may be at work for `seconds`, in all its starts together, with `memory` bytes in all its processes together.
    `lock` is the descriptor of its lock, which the processes that it starts hold too.
    """
    with _slot(folder, FileProgress(folder / PROGRESS)) as is_held:
        fault = _watched(folder, seconds, memory, lock) if is_held else ""
    if fault and not (folder / RESULT).exists():
        write_result(folder, {"ok": False, "error": fault, "is_mistake": True})


def write_result(folder: Path, result: dict[str, Any]) -> None:
    """Keep what came of a run."""
    with written_atomically(folder / RESULT) as temporary:
        temporary.write_text(json.dumps(result, ensure_ascii=False, default=str), encoding="utf-8")


def used_seconds(folder: Path) -> float:
    """Return for how long a run was at work."""
    try:
        return float((folder / USED).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0.0


def _watched(folder: Path, seconds: float, memory: int, lock: int) -> str:
    """Run the order's process to its end, or to that of its time; return what ended it where it was not itself."""
    before = used_seconds(folder)
    if before >= seconds:
        return TOO_LONG.format(round(seconds / 60))
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.worker", str(folder)],
        # It ends when this end of its input is closed: it never outlives who watches it.
        stdin=subprocess.PIPE,
        pass_fds=[lock],
        # A group of its own, which is ended as a whole.
        start_new_session=True,
    )
    started, noted = time.monotonic(), 0.0
    try:
        while process.poll() is None:
            time.sleep(UPDATE_SECONDS)
            passed = time.monotonic() - started
            if passed - noted > NOTED_SECONDS:
                noted = passed
                _note_used(folder, before + passed)
            if (folder / CANCELLED).exists():
                return ""
            if before + passed > seconds:
                return TOO_LONG.format(round(seconds / 60))
            if _memory_of_group(process.pid) > memory:
                return TOO_LARGE.format(memory // 10**6)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _note_used(folder, before + time.monotonic() - started)
    if process.returncode >= 0 or -process.returncode in STOPPED_BY:
        return ""
    return DIED.format(-process.returncode)


def _note_used(folder: Path, seconds: float) -> None:
    # The work is worth more than its clock.
    with contextlib.suppress(OSError), written_atomically(folder / USED) as temporary:
        temporary.write_text(f"{seconds:.1f}", encoding="ascii")


def _memory_of_group(group: int) -> int:
    """Return the bytes that the processes of a group hold in memory, what they share counted in each; 0 if unknown."""
    total = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of a program, in brackets, may hold anything.
            facts = file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if len(facts) > 21 and int(facts[2]) == group:
            total += int(facts[21]) * PAGE
    return total


@contextlib.contextmanager
def _slot(folder: Path, progress: FileProgress) -> Iterator[bool]:
    """Hold one of the slots, waiting where all are taken; yield False where the run is cancelled first."""
    progress.stage("Waiting")
    streams: list[IO[str]] = []
    try:
        streams += [(folder.parent / f".slot-{number}").open("a", encoding="ascii") for number in range(MOST_AT_ONCE)]
        while not (is_cancelled := (folder / CANCELLED).exists()) and not any(try_lock(stream) for stream in streams):
            time.sleep(UPDATE_SECONDS)
        yield not is_cancelled
    finally:
        for stream in streams:
            stream.close()


if __name__ == "__main__":
    supervise(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
