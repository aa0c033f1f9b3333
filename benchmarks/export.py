"""Measures exports against a bare COPY in one run: `make bench-export LINES=5000000`.

The lines are the demo campus's connections, learners and sessions, copied under other ids until there are enough.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Process, Queue
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from subprocess import run
from typing import Any
from unittest.mock import patch

import duckdb

from reports.export.checks import check_file
from reports.export.columns import export_columns
from reports.export.filters import ExportFilters
from reports.export.write import ExportOptions, write_export
from warehouse.project import PROJECT_DIR
from warehouse.sql import quoted_identifier

XLSX_LINES = 1_000_000
SESSION = "S-2026-MGMT-09"
# A copy's learners stand among those of the others, as names do.
COPIED = {
    "dim_learners": "user_id || '-' || copy as user_id, copy || '.' || email as email, {name}",
    "dim_program_sessions": "session_id || '-' || copy as session_id",
    "fct_opco_connections": (
        "user_id || '-' || copy as user_id, session_id || '-' || copy as session_id, copy || '.' || email as email, "
        "{name}, md5(connection_id || copy) as connection_id"
    ),
}
NAME = "chr(65 + cast(hash(copy) % 26 as integer)) || lower(hex(copy)) || last_name as last_name"


@dataclass(frozen=True)
class Measured:
    """What a piece of work took, in a process of its own: all of it, and of that the writing."""

    wall: float
    peak_gib: float
    write_wall: float
    write_cpu: float


def opco(*arguments: str) -> float:
    """Run an `opco` command and return its wall time."""
    start = time.perf_counter()
    run([str(Path(sys.executable).with_name("opco")), *arguments, "--json"], check=True, capture_output=True)
    return time.perf_counter() - start


def multiply(source: Path, target: Path, lines: int) -> None:
    """Write a published file with `lines` lines, made of copies of those of `source`."""
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"attach '{source.resolve()}' as demo (read_only)")
        (count,) = connection.execute("select count(*) from demo.fct_opco_connections").fetchall()[0]
        for (table,) in connection.execute(
            "select table_name from duckdb_tables() where database_name = 'demo' order by table_name"
        ).fetchall():
            query = f"select * from demo.{table}"
            if table in COPIED:
                replaced = COPIED[table].format(name=NAME)
                copies = -(-lines // count)
                query = f"select one.* replace ({replaced}) from demo.{table} as one, range({copies}) as r (copy)"
            if table == "fct_opco_connections":
                query += f" order by hash(copy) limit {lines}"
            connection.execute(f"create table {table} as {query}")


def bare_copy(warehouse: Path, target: Path) -> tuple[float, float]:
    """COPY the file's columns as they are, in no order, and return the seconds and the processor's seconds."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        columns = ", ".join(quoted_identifier(column.name) for column in export_columns(connection, ()))
        query = f"copy (select {columns} from fct_opco_connections) to '{target}' (format csv, delimiter ';')"
        wall, cpu = time.perf_counter(), time.process_time()
        connection.execute(query)
        return time.perf_counter() - wall, time.process_time() - cpu


def export(warehouse: Path, target: Path, options: ExportOptions) -> tuple[float, float]:
    """Write an export with its checks, and return the seconds of writing alone, without checks and checksum."""
    checking = (0.0, 0.0)

    def timed(*arguments: Any) -> Any:
        nonlocal checking
        wall, cpu = time.perf_counter(), time.process_time()
        checks = check_file(*arguments)
        checking = (time.perf_counter() - wall, time.process_time() - cpu)
        return checks

    wall, cpu = time.perf_counter(), time.process_time()
    with patch("reports.export.write.check_file", timed):
        write_export(warehouse, target, ExportFilters(), options)
    return time.perf_counter() - wall - checking[0], time.process_time() - cpu - checking[1]


def _measured(work: Callable[..., tuple[float, float]], arguments: tuple[Any, ...], results: Queue[Measured]) -> None:
    start = time.perf_counter()
    write_wall, write_cpu = work(*arguments)
    peak_gib = getrusage(RUSAGE_SELF).ru_maxrss / 1024**2
    results.put(Measured(time.perf_counter() - start, peak_gib, write_wall, write_cpu))


def measure(work: Callable[..., tuple[float, float]], *arguments: Any) -> Measured:
    """Do `work` in a process of its own and return what it took."""
    results: Queue[Measured] = Queue()
    process = Process(target=_measured, args=(work, arguments, results))
    process.start()
    measured = results.get()
    process.join()
    return measured


def best_of_two(work: Callable[..., tuple[float, float]], *arguments: Any) -> Measured:
    """Measure `work` twice and return the faster one: what else the machine does only ever adds."""
    return min((measure(work, *arguments) for _ in range(2)), key=lambda one: one.write_wall)


def main() -> None:
    """Multiply, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=5_000_000, help="How many lines. Default: 5,000,000.")
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        home = ["--home", str(place)]
        opco("build", "--raw", str(PROJECT_DIR / "demo" / "raw"), "--as-of", "2026-11-10T06:00:00Z", *home)
        opco("export", "--session", SESSION, *home)
        starts = sorted(opco("export", "--session", SESSION, *home) for _ in range(3))
        demo = place / "var" / "published" / "opco.duckdb"
        many, fewer = place / "many.duckdb", place / "fewer.duckdb"
        multiply(demo, many, lines)
        multiply(demo, fewer, min(lines, XLSX_LINES))
        floor = best_of_two(bare_copy, many, place / "floor.csv")
        rows = [f"{'bare COPY':<10} {floor.write_wall:8.1f} s  {'':22} {floor.peak_gib:6.2f} GiB"]
        for format_, warehouse, count in (("csv", many, lines), ("parquet", many, lines), ("xlsx", fewer, XLSX_LINES)):
            options = ExportOptions(format=format_)  # type: ignore[arg-type]
            took = best_of_two(export, warehouse, place / f"export.{format_}", options)
            ratios = (
                f"{took.write_wall / floor.write_wall:.2f}, of processor time {took.write_cpu / floor.write_cpu:.2f}"
            )
            rows.append(
                f"{format_:<10} {took.write_wall:8.1f} s  {took.wall:8.1f} s with checks  {took.peak_gib:6.2f} GiB"
                f"  {min(count, lines) / took.write_wall:9,.0f} lines/s  {ratios}"
            )
    sys.stdout.write(
        f"{lines:,} lines ({min(lines, XLSX_LINES):,} as xlsx)\n"
        + "\n".join(rows)
        + f"\ncold start {starts[1]:8.1f} s of opco export for one session\n"
    )


if __name__ == "__main__":
    main()
