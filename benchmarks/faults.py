"""Kills what the project runs, at random moments, and looks at what is left: `make bench-faults KILLS=30`.

Builds, exports and attestation runs are ended by SIGKILL, with readers on the published file all along; builds are
published under readers' eyes. The tests run a few of each, with the same code.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.export import multiply
from warehouse.archive import read_manifest
from warehouse.files import TEMPORARY, sha256_of
from warehouse.project import PROJECT_DIR
from warehouse.publish import publish
from warehouse.published import BuildRecord, fault_of, published_builds, shown_file, write_record

OPCO = Path(sys.executable).with_name("opco")
CAMPUS = PROJECT_DIR / "tests" / "data" / "campus"
DELIVERIES = ("2026-11-05", "2026-11-20")
SESSION = "S-BUR-2026-10"
# Build identity and load times tell builds of the same data apart.
IDENTITY = {"warehouse_build": "build_id, built_at, load_number", "rejected_rows": "loaded_at"}


class UnsoundError(Exception):
    """Something that must never be seen was seen."""


def marts_of(file: Path) -> str:
    """Return a digest of all that a published file holds, apart from what tells builds of the same data apart."""
    digest = hashlib.sha256()
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute("select table_name from duckdb_tables() order by table_name").fetchall()
        for (table,) in tables:
            left_out = f"(* exclude ({IDENTITY[table]}))" if table in IDENTITY else "(*)"
            rows = connection.execute(f"select columns{left_out} from {table}").fetchall()
            digest.update(f"{table} {sorted(map(repr, rows))}".encode())
    return digest.hexdigest()


def opco(*arguments: str | Path, home: Path) -> subprocess.Popen[bytes]:
    """Start an `opco` command, without the caller's OPCO_ variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPCO_")}
    return subprocess.Popen(
        [str(OPCO), *map(str, arguments), "--home", str(home), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


def succeed(process: subprocess.Popen[bytes]) -> dict[str, object]:
    """Wait for a command and return its line of JSON; raise UnsoundError where it fails."""
    said, told = process.communicate(timeout=600)
    if process.returncode:
        raise UnsoundError(f"{process.args!r} failed with {process.returncode}:\n{told.decode()}")
    line: dict[str, object] = json.loads(said)
    return line


def build(home: Path, delivery: str) -> subprocess.Popen[bytes]:
    """Start the build of one delivery of the campus."""
    return opco("build", "--raw", CAMPUS / delivery, "--as-of", f"{delivery}T22:00:00Z", home=home)


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Kill a process after so many seconds; return whether it was still at work."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    process.communicate()
    return False


def leftovers(folder: Path) -> list[Path]:
    """Return the temporary names under a folder."""
    return sorted([*folder.rglob(f"*{TEMPORARY}*"), *folder.rglob("*.part"), *folder.rglob(".*.tmp")])


# Readers


READER = """
import sys, time, duckdb
from pathlib import Path
from benchmarks.faults import marts_of
link, stop, allowed = Path(sys.argv[1]), Path(sys.argv[2]), set(sys.argv[3].split(","))
answered = 0
print("ready", flush=True)
while not stop.exists():
    found = marts_of(link)
    if found not in allowed:
        sys.exit(f"neither the old build nor the new one: {found}")
    answered += 1
    time.sleep(0.05)
print(answered)
"""


@contextmanager
def readers(program: str, count: int, *arguments: str) -> Iterator[list[int]]:
    """Let `count` processes read while the block lasts; afterwards the list holds how many answers each had.

    `program` is Python whose second argument is a file that appears when it is to end; it prints `ready`, then its
    count. Raises UnsoundError with what a reader saw that it must not see.
    """
    answers: list[int] = []
    with tempfile.TemporaryDirectory() as name:
        stop = Path(name) / "stop"
        first, *rest = arguments
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program, first, str(stop), *rest],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=PROJECT_DIR,
            )
            for _ in range(count)
        ]
        try:
            for process in processes:
                if process.stdout is None or process.stdout.readline() != b"ready\n":
                    raise UnsoundError(f"a reader did not start:\n{process.communicate()[1].decode()}")
            yield answers
        finally:
            stop.touch()
            ended = [process.communicate(timeout=120) for process in processes]
        for process, (said, told) in zip(processes, ended, strict=True):
            if process.returncode:
                raise UnsoundError(f"a reader failed:\n{told.decode()}")
            answers.append(int(said))


# Builds


@dataclass(frozen=True)
class Campus:
    """A home with the first delivery built, and the digests of what it and a clean build of both publish."""

    home: Path
    old: str
    new: str


def prepare_campus(folder: Path) -> Campus:
    """Build the campus with one delivery, and another one with both."""
    home, clean = folder / "home", folder / "clean"
    for place, deliveries in ((home, DELIVERIES[:1]), (clean, DELIVERIES)):
        place.mkdir()
        for delivery in deliveries:
            succeed(build(place, delivery))
    return Campus(home, marts_of(home / "var/published/opco.duckdb"), marts_of(clean / "var/published/opco.duckdb"))


def check_killed_build(campus: Campus, home: Path) -> str:
    """Return which build is published after a kill, `old` or `new`. Raises UnsoundError where it is neither."""
    shown = shown_file(home / "var/published")
    if shown is None or (wrong := fault_of(shown, to_the_last_byte=True)):
        raise UnsoundError(f"what is published is not whole: {shown and wrong}")
    for kept in published_builds(home / "var/published"):
        if wrong := fault_of(kept.path, to_the_last_byte=True):
            raise UnsoundError(f"{kept.path} is not whole: {wrong}")
    found = marts_of(shown)
    if found not in (campus.old, campus.new):
        raise UnsoundError("what is published is neither the old build nor the new one")
    read_manifest(home / "var/raw")
    return "new" if found == campus.new else "old"


def check_next_build(campus: Campus, home: Path) -> None:
    """Build again, and raise UnsoundError where that fails, differs from a clean build, or leaves something behind."""
    succeed(build(home, DELIVERIES[1]))
    if marts_of(home / "var/published/opco.duckdb") != campus.new:
        raise UnsoundError("the build after a kill differs from a clean one")
    if left := leftovers(home):
        raise UnsoundError(f"the build after a kill left {left}")
    archive = home / "var/raw"
    named = {version.archive_file for version in read_manifest(archive).files}
    there = {path.relative_to(archive).as_posix() for path in archive.glob("*/*")}
    if named != there:
        raise UnsoundError(f"the archive holds other files than its manifest names: {sorted(named ^ there)}")


def kill_builds(campus: Campus, folder: Path, moments: Sequence[float]) -> Mapping[str, int]:
    """Kill builds of the second delivery, each on a copy of the home, and build again after each."""
    counts = {"killed": 0, "ended before": 0, "old": 0, "new": 0, "readers' answers": 0}
    for number, moment in enumerate(moments):
        home = folder / f"killed-{number}"
        shutil.copytree(campus.home, home, symlinks=True)
        with readers(READER, 1, str(home / "var/published/opco.duckdb"), f"{campus.old},{campus.new}") as answers:
            was_killed = kill_after(build(home, DELIVERIES[1]), moment)
            counts[check_killed_build(campus, home)] += 1
            check_next_build(campus, home)
        counts["killed" if was_killed else "ended before"] += 1
        counts["readers' answers"] += sum(answers)
        shutil.rmtree(home)
    return counts


# Exports and attestations


def check_export(output: Path, rows: int) -> str:
    """Return whether an export stands under its name, `absent` or `whole`. Raises UnsoundError for anything else."""
    if not output.exists():
        return "absent"
    with output.open(encoding="utf-8-sig", newline="") as stream:
        lines = sum(1 for _ in csv.reader(stream, delimiter=";", strict=True))
    if lines != rows + 1:
        raise UnsoundError(f"{output} is half-written: {lines - 1} lines of {rows}")
    record = output.with_name(f"{output.name}.json")
    if record.exists():
        said = json.loads(record.read_text(encoding="utf-8"))
        if said["sha256"] != hashlib.sha256(output.read_bytes()).hexdigest():
            raise UnsoundError(f"{record} is of another file than {output}")
    return "whole"


def export_home(folder: Path, source: Path, rows: int) -> Path:
    """Make a home whose published file has so many connections that its export takes a while."""
    builds = folder / "var/published/builds"
    builds.mkdir(parents=True)
    large = builds / "large.duckdb"
    multiply(source, large, rows)
    write_record(large, BuildRecord("large", "", "", large.stat().st_size, sha256_of(large), {}))
    (folder / "var/published/opco.duckdb").symlink_to("builds/large.duckdb")
    return folder


def kill_exports(home: Path, folder: Path, rows: int, moments: Sequence[float]) -> Mapping[str, int]:
    """Kill exports of all lines; then let one end, and look for what the others left."""
    counts = {"killed": 0, "ended before": 0, "absent": 0, "whole": 0}
    for number, moment in enumerate(moments):
        output = folder / f"{number}.csv"
        was_killed = kill_after(opco("export", "--output", output, home=home), moment)
        counts["killed" if was_killed else "ended before"] += 1
        counts[check_export(output, rows)] += 1
    last = folder / "last.csv"
    succeed(opco("export", "--output", last, home=home))
    if check_export(last, rows) != "whole" or leftovers(folder):
        raise UnsoundError(f"the export after the kills left {leftovers(folder)}")
    return counts


def check_issues(place: Path) -> int:
    """Return how many issues stand under their names. Raises UnsoundError where one of them is not whole."""
    issues = sorted(place.glob("issue-*"))
    for issue in issues:
        verified = subprocess.run(
            [str(OPCO), "verify", str(issue), "--json"], capture_output=True, check=False, text=True
        )
        if verified.returncode:
            raise UnsoundError(f"{issue} is not whole:\n{verified.stdout}{verified.stderr}")
    return len(issues)


def kill_attestations(home: Path, moments: Sequence[float]) -> Mapping[str, int]:
    """Kill runs that make all attestations of a session anew; then let one end, and look for what the others left."""
    counts = {"killed": 0, "ended before": 0, "issues seen": 0}
    for moment in moments:
        was_killed = kill_after(opco("attest", SESSION, "--force", home=home), moment)
        counts["killed" if was_killed else "ended before"] += 1
        counts["issues seen"] += check_issues(next((home / "var/attestations").glob("*"), home))
    succeed(opco("attest", SESSION, "--force", home=home))
    place = next((home / "var/attestations").glob("*"))
    check_issues(place)
    if left := leftovers(home / "var/attestations"):
        raise UnsoundError(f"the run after the kills left {left}")
    return counts


# Publishes under readers' eyes


MIXED = """
import sys, duckdb
from pathlib import Path
link, stop = Path(sys.argv[1]), Path(sys.argv[2])
answered = 0
held = duckdb.connect(str(link.resolve()), read_only=True)
(first,), = held.execute("select build_id from warehouse_build").fetchall()
print("ready", flush=True)
query = "select count(*), min(build_id), max(build_id), (select build_id from warehouse_build) from facts"
while not stop.exists():
    with duckdb.connect(str(link), read_only=True) as connection:
        count, least, most, build_id = connection.execute(query).fetchall()[0]
    if count != int(sys.argv[3]) or not least == most == build_id:
        sys.exit(f"a mixed build: {count} rows of {least} to {most} in {build_id}")
    if held.execute("select count(*) from facts where build_id <> ?", [first]).fetchall() != [(0,)]:
        sys.exit("the build that was held open changed")
    answered += 2
print(answered)
"""


def make_build_file(file: Path, build_id: str, rows: int) -> None:
    """Write a build file whose every row says which build it is of."""
    file.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.load_reconciliation (table_name varchar)")
        connection.execute(
            "create table marts.warehouse_build as select ? as build_id, timestamp '2026-11-20' as data_as_of",
            [build_id],
        )
        connection.execute(
            "create table marts.facts as select ? as build_id, range as fact_id, hash(range) as fact from range(?)",
            [build_id, rows],
        )


def publish_under_readers(folder: Path, reader_count: int, publishes: int, rows: int) -> int:
    """Publish builds while readers open, query and hold them; return how many queries were answered, none failing."""
    file, published = folder / "build.duckdb", folder / "published"
    make_build_file(file, "build-00", rows)
    publish(file, published, "build-00", 3)
    with readers(MIXED, reader_count, str(published / "opco.duckdb"), str(rows)) as answers:
        for number in range(1, publishes + 1):
            make_build_file(file, f"build-{number:02}", rows)
            publish(file, published, f"build-{number:02}", 3)
    if len(published_builds(published)) != min(3, publishes + 1):
        raise UnsoundError("more builds are kept than asked for")
    return sum(answers)


def _took(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    """Kill, look, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30, help="How many kills of each kind. Default: 30.")
    parser.add_argument("--seed", type=int, default=1, help="Of the random moments. Default: 1.")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)  # noqa: S311 - moments, not secrets

    def moments(longest: float) -> list[float]:
        return [chance.uniform(0.2, longest) for _ in range(arguments.kills)]

    def tell(what: str, found: object) -> None:
        sys.stdout.write(f"{what}: {found}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "publishes").mkdir()
        tell(
            "queries answered by 20 readers during 20 publishes, none failed",
            publish_under_readers(place / "publishes", 20, 20, 1_000_000),
        )
        campus = prepare_campus(place)
        whole = place / "whole"
        shutil.copytree(campus.home, whole, symlinks=True)
        longest = _took(lambda: succeed(build(whole, DELIVERIES[1])))
        tell("builds", kill_builds(campus, place, moments(longest)))
        tell(
            "time of opco status", f"{min(_took(lambda: succeed(opco('status', home=whole))) for _ in range(3)):.1f} s"
        )
        attested = place / "attested"
        shutil.copytree(whole, attested, symlinks=True)
        longest = _took(lambda: succeed(opco("attest", SESSION, home=attested)))
        tell("attestation runs", kill_attestations(attested, moments(longest)))
        (place / "exports").mkdir()
        home = export_home(place / "large", whole / "var/published/opco.duckdb", 1_000_000)
        longest = _took(lambda: succeed(opco("export", "--output", place / "first.csv", home=home)))
        tell("exports", kill_exports(home, place / "exports", 1_000_000, moments(longest)))


if __name__ == "__main__":
    main()
