"""Measures a full build against its floor in one run, and prints ratio and peak memory: `make bench EVENTS=1000000`."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from multiprocessing import Process
from pathlib import Path
from subprocess import run

import duckdb

from benchmarks.generate import generate

FLOOR = Path(__file__).with_name("floor.sql")
THREADS = 2
TINY_EVENTS = 1000


def floor(folder: Path, target: Path) -> None:
    """Run the floor's script on the events of a raw folder, into a new DuckDB file."""
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"set threads = {THREADS}")
        connection.execute(FLOOR.read_text(encoding="utf-8").replace("{folder}", str(folder)))


def seconds_of_floor(folder: Path, target: Path) -> float:
    """Return the wall time of the floor, in a process of its own."""
    start = time.perf_counter()
    process = Process(target=floor, args=(folder, target))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit("The floor failed.")
    return time.perf_counter() - start


def seconds_of_build(folder: Path, home: Path) -> float:
    """Return the wall time of `opco build` on a new home."""
    home.mkdir()
    command = [
        str(Path(sys.executable).with_name("opco")),
        "build",
        "--raw",
        str(folder),
        "--home",
        str(home),
        "--json",
    ]
    start = time.perf_counter()
    run(command, check=True, capture_output=True, env={**os.environ, "OPCO_BUILD__THREADS": str(THREADS)})
    return time.perf_counter() - start


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="How many events. Default: 1,000,000.")
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        generate(place / "tiny", TINY_EVENTS)
        generate(place / "raw", events)
        floor_seconds = seconds_of_floor(place / "raw", place / "floor.duckdb")
        start_up = seconds_of_build(place / "tiny", place / "tiny-home")
        build = seconds_of_build(place / "raw", place / "home")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    sys.stdout.write(
        f"{events:,} events, {THREADS} threads\n"
        f"floor       {floor_seconds:8.1f} s\n"
        f"full build  {build:8.1f} s, of which {start_up:.1f} s a build of {TINY_EVENTS:,} events takes too\n"
        f"ratio       {(build - start_up) / floor_seconds:8.1f} without that start-up\n"
        f"peak memory {peak:8.2f} GiB of the largest process\n"
    )


if __name__ == "__main__":
    main()
