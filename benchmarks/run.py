"""Measures builds against their floor in one run: `make bench EVENTS=10000000 MEMORY_LIMIT=4GB`.

A full build is compared with a hand-written script (`floor.sql`), a night's build with the full build. What a build of
nearly nothing takes as well, dbt's start-up and Dagster's, is measured in the same run and taken off both.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import duckdb

from benchmarks.generate import generate, generate_night

FLOOR = Path(__file__).with_name("floor.sql")
THREADS = 2
TINY_EVENTS = 1000


@dataclass(frozen=True)
class Cost:
    """What a process took, those that it started included: wall and processor seconds, peak memory in GiB."""

    wall: float
    processor: float
    memory: float

    def __sub__(self, start_up: Cost) -> Cost:
        return Cost(self.wall - start_up.wall, self.processor - start_up.processor, self.memory)

    def __str__(self) -> str:
        return f"{self.wall:8.2f} s wall {self.processor:8.2f} s processor {1024 * self.memory:7,.0f} MB"


def cost_of(command: list[str | Path], settings: dict[str, str] | None = None) -> Cost:
    """Run a command to its end and return what it took; stop where it fails."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            list(map(str, command)), stdout=said, stderr=said, env={**os.environ, **(settings or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{command} failed:\n{said.read().decode()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024**2)


def cost_of_call(task: Callable[..., None], *arguments: object) -> Cost:
    """Call a function in a process of its own and return what the call took, the imports of its module apart."""
    context = get_context("spawn")
    reading, writing = context.Pipe()
    process = context.Process(target=_call, args=(writing, task, arguments))
    process.start()
    writing.close()
    found: Cost = reading.recv()
    process.join()
    return found


def _call(pipe: Connection, task: Callable[..., None], arguments: tuple[object, ...]) -> None:
    wall, processor = time.perf_counter(), time.process_time()
    task(*arguments)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    # `ru_maxrss` would have the memory of the process that started this one.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    pipe.send(Cost(wall, processor, int(peak) / 1024**2))


def floor(folder: Path, target: Path, memory_limit: str) -> None:
    """Run the floor's script on the events of a raw folder, into a new DuckDB file."""
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"set threads = {THREADS}")
        connection.execute(f"set memory_limit = '{memory_limit}'")
        connection.execute(FLOOR.read_text(encoding="utf-8").replace("{folder}", str(folder)))


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="How many events. Default: 1,000,000.")
    parser.add_argument("--memory-limit", default="4GB", help="Of the floor's and the build's database. Default: 4GB.")
    parser.add_argument("--floor", nargs=2, type=Path, metavar=("RAW", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.floor:
        folder, target = arguments.floor
        floor(folder, target, arguments.memory_limit)
        return

    settings = {"OPCO_BUILD__THREADS": str(THREADS), "OPCO_BUILD__MEMORY_LIMIT": arguments.memory_limit}
    opco = Path(sys.executable).with_name("opco")

    def build(raw: Path, home: Path) -> Cost:
        home.mkdir(exist_ok=True)
        return cost_of([opco, "build", "--raw", raw, "--home", home, "--json"], settings)

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for size, events in (("tiny", TINY_EVENTS), ("raw", arguments.events)):
            generate(place / size, events)
            generate_night(place / f"{size}-night", place / size, events)
        itself: list[str | Path] = [sys.executable, "-m", "benchmarks.run", "--memory-limit", arguments.memory_limit]
        floor_cost = cost_of([*itself, "--floor", place / "raw", place / "floor.duckdb"])
        # Twice: the first build also lets dbt parse the project, which no later one does.
        build(place / "tiny", place / "parsed-home")
        full_start_up = build(place / "tiny", place / "tiny-home")
        night_start_up = build(place / "tiny-night", place / "tiny-home")
        full = build(place / "raw", place / "home")
        night = build(place / "raw-night", place / "home")
        spread = sum(path.stat().st_size for path in (place / "home").rglob("*") if path.is_file()) / 1024**3

    full_alone, night_alone = full - full_start_up, night - night_start_up
    sys.stdout.write(
        f"{arguments.events:,} events, {THREADS} threads, the database's memory limited to {arguments.memory_limit}\n"
        f"floor                        {floor_cost}\n"
        f"full build                   {full}\n"
        f"  of {TINY_EVENTS:,} events            {full_start_up}\n"
        f"night: 1 % more, 2 % touched {night}\n"
        f"  of {TINY_EVENTS:,} events            {night_start_up}\n"
        f"full build / floor, start-up apart     {full_alone.wall / floor_cost.wall:6.2f} wall "
        f"{full_alone.processor / floor_cost.processor:6.2f} processor\n"
        f"night / full build, start-up apart     {night_alone.wall / full_alone.wall:6.2f} wall "
        f"{night_alone.processor / full_alone.processor:6.2f} processor\n"
        f"night / full build, start-up included  {night.wall / full.wall:6.2f} wall "
        f"{night.processor / full.processor:6.2f} processor\n"
        f"home on disk {spread:.2f} GiB\n"
    )


if __name__ == "__main__":
    main()
