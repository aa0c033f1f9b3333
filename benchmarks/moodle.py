"""Measures the reading of a Moodle against what the servers' own clients take: `make bench-moodle`.

Each measurement runs in a process of its own; processor seconds are those of that process alone, and so without the
server. Ratios are of one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg2
import pyarrow.csv
import pymysql
from pydantic import SecretStr

from benchmarks.run import cost_of_call
from connectors.delivery import deliver
from connectors.moodle.connection import open_database
from connectors.moodle.landing import land
from connectors.moodle.schema import LOG, TABLES, find_schema
from connectors.moodle.settings import MoodleSettings
from connectors.moodle.source import MoodleSource
from tests.acceptance import moodle_sites
from tests.acceptance.mariadb import mariadb
from tests.acceptance.moodle_sites import DAY, NOON, PASSWORD, Site
from tests.acceptance.postgres import _program, postgres

USERS, COURSES = 5_000, 200
_ = (duckdb, psycopg2, pyarrow.csv, pymysql)  # imported before a clock starts


def numbers(site: Site, first: int, last: int) -> str:
    """Numbers from `first` to `last` as a table `s (n)`."""
    if site.engine == "postgresql":
        return f"generate_series({first}, {last}) as s (n)"
    return f"(select seq as n from seq_{first}_to_{last}) as s"


def add_events(site: Site, first: int, last: int, begin: int, seconds: int) -> None:
    """Add events of all learners to the log, evenly over `seconds` from `begin` on."""
    site.execute(
        f"insert into {site.name(LOG)} (id, eventname, origin, userid, courseid, anonymous, contextlevel, "
        "contextinstanceid, objectid, timecreated) "
        r"select n, '\core\event\course_module_viewed', 'web', 100 + mod(n, "
        f"{USERS}), 2 + mod(mod(n, {USERS}) + mod(n, 5), {COURSES}), 0, 70, n, n, "
        f"{begin} + floor({seconds}.0 * (n - {first}) / {last - first + 1}) from {numbers(site, first, last)}".replace(
            "\\", "\\" if site.engine == "postgresql" else "\\\\"
        )
    )


def fill(site: Site, events: int) -> None:
    """Make a campus whose learners were at work for a year."""
    site.create()
    site.grant()
    moodle_sites.fill(site)
    site.execute(f"delete from {site.name(LOG)}")
    for table in ("course", "context", "role_assignments"):
        site.execute(f"delete from {site.name(table)}")
    text = "cast(n as char(9))" if site.engine == "mariadb" else "cast(n as text)"
    rows = (
        (
            "user (id, username, firstname, lastname, email, deleted, confirmed, suspended, timemodified)",
            f"100 + n, {text}, 'First', 'Last', 'a@example.fr', 0, 1, 0, {NOON}",
            USERS,
        ),
        (
            "course (id, category, fullname, timecreated, sortorder)",
            f"1 + n, 5, {text}, {NOON - 999 * DAY}, n",
            COURSES,
        ),
        ("context (id, contextlevel, instanceid)", "101 + n, 50, 1 + n", COURSES),
        (
            "role_assignments (roleid, contextid, userid, timemodified)",
            f"5, 102 + mod(mod(n, {USERS}) + mod(n, 5), {COURSES}), 100 + mod(n, {USERS}), {NOON - 400 * DAY}",
            5 * USERS,
        ),
    )
    for table, selected, count in rows:
        name, _, columns = table.partition(" ")
        site.execute(f"insert into {site.name(name)} {columns} select {selected} from {numbers(site, 1, count)}")
    add_events(site, 1, events, NOON - 365 * DAY, 365 * DAY)
    site.execute(f"{'analyze' if site.engine == 'postgresql' else 'analyze table'} {site.name(LOG)}")


def add_learners(site: Site, first: int, count: int) -> None:
    """Add users, each a learner of one course."""
    text = "cast(n as char(9))" if site.engine == "mariadb" else "cast(n as text)"
    users = numbers(site, first, first + count - 1)
    site.execute(
        f"insert into {site.name('user')} (id, username, firstname, lastname, email, deleted, confirmed, suspended, "
        f"timemodified) select 100 + n, {text}, 'First', 'Last', 'a@example.fr', 0, 1, 0, {NOON} from {users}"
    )
    site.execute(
        f"insert into {site.name('role_assignments')} (roleid, contextid, userid, timemodified) "
        f"select 5, 102 + mod(n, {COURSES}), 100 + n, {NOON} from {users}"
    )


def land_log(site_url: str, folder: Path) -> None:
    """Land the log alone."""
    with open_database(site_url, PASSWORD) as database:
        land(database, find_schema(database, None, None), LOG, folder / "log.parquet")


def land_all(site_url: str, folder: Path) -> None:
    """Land all tables."""
    with open_database(site_url, PASSWORD) as database:
        schema = find_schema(database, None, None)
        for table in TABLES:
            land(database, schema, table, folder / f"{table}.parquet")


def source(site_url: str) -> MoodleSource:
    """The campus as a source."""
    return MoodleSource(MoodleSettings(kind="moodle", database=site_url, password=SecretStr(PASSWORD)))


def pull(site_url: str, folder: Path, day: int = 0) -> None:
    """Pull at noon of a day; what was delivered before is in the archive by then."""
    known = {str(path.relative_to(folder / "current")) for path in (folder / "current").glob("*/*.parquet")}
    started_at = datetime.fromtimestamp(NOON + day * DAY, UTC)
    deliver(folder, {"moodle": source(site_url)}, home=folder, started_at=started_at, known=known)


def check(site_url: str, folder: Path) -> None:
    """Check the source."""
    source(site_url).check(folder)


def floor(site: Site, folder: Path) -> float:
    """Return the seconds of the server's own client for the log, written to a file."""
    columns = ", ".join(TABLES[LOG].columns)
    query = f"select {columns} from {site.name(LOG)}"
    if site.engine == "postgresql":
        command = [
            _program("psql"),
            "-X",
            "-q",
            "-c",
            f"\\copy ({query}) to '{folder / 'log.csv'}' (format csv)",
            site.url,
        ]
    else:
        socket = site.url.partition("unix_socket=")[2]
        command = [
            "mariadb",
            "--quick",
            "--batch",
            f"--socket={socket}",
            "-ureader",
            f"-p{PASSWORD}",
            "moodle",
            "-e",
            query,
        ]
    started = time.perf_counter()
    with (folder / "log.tsv").open("wb") as out:
        subprocess.run(command, stdout=out, check=True, env={**os.environ, "PGPASSWORD": PASSWORD})
    return time.perf_counter() - started


def spread(values: Sequence[float]) -> str:
    """The least, the median and the largest of several measurements."""
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"


def compare(site: Site, events: int, folder: Path, repeat: int) -> None:
    """Print the figures of one engine; three of one kind are the least, the median and the largest of all rounds."""
    name = site.engine
    fill(site, events)
    print(f"{name}, {events:,} rows of the log")
    floor(site, folder)  # warms the server's cache
    own = floor(site, folder)
    landed = cost_of_call(land_log, site.url, folder)
    limit = 2 if name == "postgresql" else 3
    client = "psql \\copy" if name == "postgresql" else "mariadb --quick"
    print(f"  log:         {landed} (at most 300 MB)")
    print(f"               {landed.wall / own:.2f} of {client}, {own:.1f} s (at most {limit})")
    bare = cost_of_call(land_all, site.url, folder)
    new = events // 100
    rounds = []
    for number in range(repeat):
        site.execute(f"delete from {site.name(LOG)} where id > {events}")
        root = folder / f"sources-{number}"
        whole = cost_of_call(pull, site.url, root)
        add_events(site, events + 1, events + new, NOON, DAY)
        part = cost_of_call(pull, site.url, root, 1)
        nothing = cost_of_call(pull, site.url, root, 4)
        # New people and members as well: nothing stays as it was delivered.
        add_events(site, events + new + 1, events + 2 * new, NOON + 5 * DAY, DAY)
        add_learners(site, USERS + number * USERS // 100 + 1, USERS // 100)
        rounds.append((whole, part, nothing, cost_of_call(pull, site.url, root, 6)))
    wholes, parts, nothings, peoples = zip(*rounds, strict=True)
    print(f"  whole pull:  {wholes[0]}, {wholes[0].wall / bare.wall:.2f} of the bare landing (at most 3)")
    print(f"               {spread([cost.wall for cost in wholes])} s")
    for label, costs in (("1 % new:    ", parts), ("with people:", peoples)):
        walls = [100 * part.wall / whole.wall for whole, part in zip(wholes, costs, strict=True)]
        processor = [100 * part.processor / whole.processor for whole, part in zip(wholes, costs, strict=True)]
        aim = " (at most 15 %)" if costs is parts else ""
        print(f"  {label} {spread([cost.wall for cost in costs])} s")
        print(f"               {spread(walls)} % of its whole pull{aim}")
        print(f"               {spread(processor)} % of its processor seconds")
    print(f"  nothing new: {spread([cost.wall for cost in nothings])} s (at most 2 s)")
    print(f"  check:       {cost_of_call(check, site.url, folder)} (at most 5 s)")


def main() -> None:
    """Measure both engines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5, help="How often pulls are measured. Default: 5.")
    parser.add_argument("--engine", choices=["postgresql", "mariadb"], action="append")
    arguments = parser.parse_args()
    for engine in arguments.engine or ("postgresql", "mariadb"):
        with tempfile.TemporaryDirectory() as folder:
            if engine == "postgresql":
                with postgres() as server, moodle_sites.postgres_site(server, "moodle") as site:
                    compare(site, arguments.events, Path(folder), arguments.repeat)
            else:
                with mariadb() as other, moodle_sites.mariadb_site(other, "moodle") as site:
                    compare(site, arguments.events, Path(folder), arguments.repeat)


if __name__ == "__main__":
    main()
