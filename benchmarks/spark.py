"""Measures full builds of the same events on both engines: `make bench-spark ARGS="--events 1000000 10000000"`.

Each size is built in an empty home by DuckDB, then in another by Spark in this machine's Java. What Spark moved between
tasks is taken from its own event log. `--one-learner` lets one learner have all events of a size.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.generate import EVENTS_A_LEARNER, generate
from benchmarks.run import THREADS, Cost, cost_of


def shuffled(logs: Path) -> tuple[int, int]:
    """Return the bytes that tasks handed to each other, and those laid aside on the disk, by Spark's event logs."""
    metrics = list(_task_metrics(logs))
    return (
        sum(one["Shuffle Write Metrics"]["Shuffle Bytes Written"] for one in metrics),
        sum(one["Disk Bytes Spilled"] for one in metrics),
    )


def _task_metrics(logs: Path) -> Iterator[dict[str, Any]]:
    for file in logs.rglob("events_*"):
        with file.open(encoding="utf-8", newline="\n") as lines:
            for event in map(json.loads, lines):
                if event["Event"] == "SparkListenerTaskEnd" and event.get("Task Metrics"):
                    yield event["Task Metrics"]


def build(raw: Path, place: Path, engine: str, memory_limit: str) -> Cost:
    """Build a raw folder in an empty home and return what that took."""
    (place / "logs").mkdir(parents=True)
    (place / "home").mkdir()
    (place / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.dir file://{place}/logs\nspark.eventLog.compress false\n",
        encoding="utf-8",
    )
    settings = {
        "OPCO_BUILD__THREADS": str(THREADS),
        "OPCO_BUILD__MEMORY_LIMIT": memory_limit,
        "SPARK_CONF_DIR": str(place),
    }
    opco = Path(sys.executable).with_name("opco")
    return cost_of([opco, "build", "--raw", raw, "--home", place / "home", "--engine", engine, "--json"], settings)


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000], help="How many. Default: 1,000,000.")
    parser.add_argument("--memory-limit", default="4GB", help="Of DuckDB, and of Java. Default: 4GB.")
    parser.add_argument("--one-learner", action="store_true", help="One learner has all events.")
    arguments = parser.parse_args()
    for events in arguments.events:
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            generate(place / "raw", events, events if arguments.one_learner else EVENTS_A_LEARNER)
            whose = "one learner" if arguments.one_learner else f"a learner has {EVENTS_A_LEARNER:,}"
            sys.stdout.write(f"{events:,} events ({whose}), {THREADS} threads, memory {arguments.memory_limit}\n")
            costs = []
            for engine in ("duckdb", "spark"):
                costs.append(build(place / "raw", place / engine, engine, arguments.memory_limit))
                sys.stdout.write(f"{engine:7} {costs[-1]}\n")
                sys.stdout.flush()
            moved, spilled = shuffled(place / "spark" / "logs")
            sys.stdout.write(
                f"spark / duckdb {costs[1].processor / costs[0].processor:.2f} processor, "
                f"{costs[1].wall / costs[0].wall:.2f} wall; "
                f"{moved / 1e6:,.0f} MB shuffled, {spilled / 1e6:,.0f} MB laid aside\n"
            )


if __name__ == "__main__":
    main()
