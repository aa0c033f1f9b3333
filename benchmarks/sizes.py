"""Measures what a home of any number of events takes, in time and on the disk: `make bench-sizes EVENTS="1000 100000"`.

The figures of docs/operations.md. Times are wall seconds and, in brackets, processor seconds, which a busy machine
changes less. A restore takes the time of the full build; each night adds to the archive what it delivers, and to
Dagster's records what one build's run takes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.generate import EVENTS_A_LEARNER, generate, generate_night
from benchmarks.run import THREADS, Cost, cost_of

HEAD = (
    "| events | learners | delivered | archive | build | published | Dagster, a run | full build | night | export "
    "| forget | memory |\n" + "| --- " * 12 + "|\n"
)


def size_of(*places: Path) -> int:
    """Return the bytes of the files under `places`."""
    return sum(path.stat().st_size for place in places for path in place.rglob("*") if path.is_file())


def megabytes(size: float) -> str:
    """Return a size for the table."""
    return f"{size / 1e6:,.1f} MB" if size < 1e8 else f"{size / 1e6:,.0f} MB"


def measured(events: int, place: Path) -> str:
    """Return the table's line for a home of so many events, made in `place`."""
    opco = Path(sys.executable).with_name("opco")
    raw, night, home = place / "raw", place / "night", place / "home"
    generate(raw, events)
    generate_night(night, raw, events)
    home.mkdir()
    settings = {"OPCO_BUILD__THREADS": str(THREADS), "OPCO_FORGETTING__RETENTION_YEARS": "0"}

    costs: list[Cost] = []

    def run(*arguments: str | Path) -> Cost:
        costs.append(cost_of([opco, *arguments, "--home", home, "--json"], settings))
        return costs[-1]

    # The first build of a home also lets dbt parse the project, which no later one does.
    run("build", "--raw", raw)
    full = run("build", "--raw", raw, "--full-refresh")
    var = home / "var"
    sizes = [size_of(raw), *(size_of(var / name) for name in ("raw", "build")), size_of(var / "published") // 2]
    records = size_of(var / "dagster") // 2
    later = run("build", "--raw", night)
    export = run("export")
    forget = run("forget", "u0", "--reason", "measured")
    cells = [f"{events:,}", f"{-(-events // EVENTS_A_LEARNER):,}", *map(megabytes, (*sizes, records))]
    cells += [f"{cost.wall:.0f} s ({cost.processor:.0f})" for cost in (full, later, export, forget)]
    return f"| {' | '.join(cells)} | {max(cost.memory for cost in costs):.1f} GiB |\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], help="How many events.")
    arguments = parser.parse_args()
    sys.stdout.write(HEAD)
    for events in arguments.events:
        with tempfile.TemporaryDirectory() as place:
            sys.stdout.write(measured(events, Path(place)))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
