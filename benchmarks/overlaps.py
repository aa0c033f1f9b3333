"""Measures a learner whose connections all overlap against one whose do not: `make bench-overlaps`.

Both are built in full, in homes of their own; what a build of ten connections takes is taken off both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks.run import Cost, cost_of

FEW = 10
# Of connection `n` of so many: the seconds after which it begins and ends.
SECONDS = {
    "overlapping": ("n", "{connections} + n"),
    "one by one": ("n * 1200", "n * 1200 + 900"),
}


def generate(folder: Path, connections: int, beginning: str, end: str) -> None:
    """Write a raw folder of one learner with `connections`, which begin and end after so many seconds."""
    folder.mkdir()
    (folder / "users.csv").write_text("user_id\nu\n", encoding="utf-8")
    (folder / "program_templates.csv").write_text("program_template_id,name\np,P\n", encoding="utf-8")
    (folder / "program_sessions.csv").write_text("session_id,program_template_id,name\ns,p,S\n", encoding="utf-8")
    (folder / "courses.csv").write_text("course_id,name\nc,C\n", encoding="utf-8")
    with duckdb.connect() as db:
        db.execute(
            "copy (select 'x' || n as connection_id, 'u' as user_id, 's' as session_id, 'c' as course_id, "
            f"timestamp '2024-01-08 06:00:00' + to_seconds({beginning}) as connected_at, "
            f"timestamp '2024-01-08 06:00:00' + to_seconds({end.format(connections=connections)}) as disconnected_at "
            f"from range({connections:d}) as numbers (n)) to '{folder}/course_connections.parquet'"
        )


def main() -> None:
    """Generate, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=20_000, help="Of the learner. Default: 20,000.")
    connections = parser.parse_args().connections
    opco = Path(sys.executable).with_name("opco")
    with tempfile.TemporaryDirectory() as name:
        alone = {}
        for number, (title, seconds) in enumerate(SECONDS.items()):
            costs: list[Cost] = []
            # The first home of a checkout also has the project parsed.
            for count in (FEW, FEW, connections):
                place = Path(name) / f"{number}-{len(costs)}"
                place.mkdir()
                (place / "home").mkdir()
                generate(place / "raw", count, *seconds)
                costs.append(cost_of([opco, "build", "--raw", place / "raw", "--home", place / "home", "--json"]))
            alone[title] = costs[2].processor - costs[1].processor
            sys.stdout.write(f"{connections:,} connections, {title:12} {costs[2]}, alone {alone[title]:.2f} s\n")
        one, other = alone.values()
        sys.stdout.write(f"overlapping / one by one, alone: {one / other:.2f}\n")


if __name__ == "__main__":
    main()
