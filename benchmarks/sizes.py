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

OPCO = Path(sys.executable).with_name("opco")
HEAD = (
    "| events | learners | delivered | archive | build | published | Dagster, a run | full build | night | export "
    "| forget | memory |\n" + "| --- " * 12 + "|\n"
)


def size_of(*places: Path) -> int:
    """Return the bytes of the files under `places`; a link takes none."""
    return sum(
        path.stat().st_size for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()
    )


def megabytes(size: float) -> str:
    """Return a size for the table."""
    return f"{size / 1e6:,.1f} MB" if size < 1e8 else f"{size / 1e6:,.0f} MB"


def parse_once(place: Path) -> None:
    """Let dbt parse the project, for all homes, by a build of nearly nothing."""
    generate(place / "raw", 100)
    (place / "home").mkdir()
    cost_of([OPCO, "build", "--raw", place / "raw", "--home", place / "home", "--json"])


def measured(events: int, place: Path) -> str:
    """Return the table's line for a home of so many events, made in `place`."""
    raw, night, home = place / "raw", place / "night", place / "home"
    generate(raw, events)
    generate_night(night, raw, events)
    home.mkdir()
    settings = {"OPCO_BUILD__THREADS": str(THREADS), "OPCO_FORGETTING__RETENTION_YEARS": "0"}

    costs: list[Cost] = []

    def run(*arguments: str | Path) -> Cost:
        costs.append(cost_of([OPCO, *arguments, "--home", home, "--json"], settings))
        return costs[-1]

    full = run("build", "--raw", raw)
    var = home / "var"
    sizes = [size_of(one) for one in (raw, var / "raw", var / "build", var / "published", var / "dagster")]
    later = run("build", "--raw", night)
    export = run("export")
    forget = run("forget", "u0", "--reason", "measured")
    cells = [f"{events:,}", f"{-(-events // EVENTS_A_LEARNER):,}", *map(megabytes, sizes)]
    cells += [f"{cost.wall:.0f} s ({cost.processor:.0f})" for cost in (full, later, export, forget)]
    return f"| {' | '.join(cells)} | {max(cost.memory for cost in costs):.1f} GiB |\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], help="How many events.")
    arguments = parser.parse_args()
    sys.stdout.write(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        parse_once(Path(folder) / "first")
        for number, events in enumerate(arguments.events):
            sys.stdout.write(measured(events, Path(folder) / str(number)))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
