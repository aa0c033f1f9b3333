"""Measures what a build takes beside its data, against importing its libraries: `make bench-start`.

All in one run, as processor seconds: a full build of the demo campus, builds in which nothing is new, and one with a
second delivery of 1,000 events. The floor is a process that imports Dagster, dbt and DuckDB, and ends.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks.run import Cost, cost_of
from warehouse.project import PROJECT_DIR

TURNS = 2
LIBRARIES = "import dagster, dagster_dbt, dbt.cli.main, dbt.adapters.duckdb, duckdb"
NEW_EVENTS = 1000


def main() -> None:
    """Build the demo, again and again, and print."""
    opco = Path(sys.executable).with_name("opco")
    with tempfile.TemporaryDirectory() as name:
        raw = Path(name) / "raw"
        shutil.copytree(PROJECT_DIR / "demo" / "raw", raw)
        homes = [Path(name) / f"home-{turn}" for turn in range(TURNS)]

        def build(home: Path) -> Cost:
            home.mkdir(exist_ok=True)
            return cost_of([opco, "build", "--raw", raw, "--home", home])

        # What is parsed once for all homes of a checkout is no part of it.
        build(Path(name) / "first")
        floors = [cost_of([sys.executable, "-c", LIBRARIES]) for _ in range(TURNS)]
        full = [build(home) for home in homes]
        nothing_new = [build(home) for home in homes]
        write_events(raw)
        second = [build(home) for home in homes]
    floor, *costs = (min(one, key=lambda cost: cost.processor) for one in (floors, full, nothing_new, second))
    sys.stdout.write(f"the demo campus; the best of {TURNS}\nlibraries (floor)       {floor}\n")
    for title, cost in zip(("full build", "nothing new", f"{NEW_EVENTS:,} events new"), costs, strict=True):
        sys.stdout.write(f"{title:23} {cost}  {cost.processor / floor.processor:6.2f} floors\n")
    sys.stdout.write(f"{NEW_EVENTS:,} new / nothing new {costs[2].processor / costs[1].processor:8.2f}\n")


def write_events(raw: Path) -> None:
    """Write a further file of events, a day after those of the demo, of learners and courses that it has."""
    events = raw / "learning_events"
    with duckdb.connect() as db:
        known = db.execute(
            # Not every line of the demo can be read.
            "select distinct user_id, session_id, course_id "
            f"from read_json('{events}/*.jsonl.gz', ignore_errors = true, "
            "columns = {user_id: 'varchar', session_id: 'varchar', course_id: 'varchar'}) "
            "where session_id is not null order by all limit 100"
        ).fetchall()
    with (events / "2026-11_more.jsonl").open("w", encoding="utf-8") as file:
        for number in range(NEW_EVENTS):
            user, session, course = known[number % len(known)]
            minute = number // len(known)
            event = {
                "event_id": f"new-{number}",
                "user_id": user,
                "session_id": session,
                "course_id": course,
                "verb": "active",
                "occurred_at": f"2026-11-10T05:{minute:02}:00Z",
            }
            file.write(json.dumps(event) + "\n")


if __name__ == "__main__":
    main()
