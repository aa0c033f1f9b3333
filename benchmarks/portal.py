"""Measures the portal's pages on a large published warehouse: `make bench-portal`.

One client at a time tells the time of a page: that of the server, and a little for HTTP. Then twenty clients, first as
people are (a pause of a second after each page), then without any pause; then all of it again while builds run. Every
figure is beside its floor: the time of an answer that reads nothing, `/health`, in the same run. Beside the times of
one client stands the processor time that the server took for a page, which says more where others load the machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import Process, Queue
from pathlib import Path
from queue import Empty
from typing import get_args
from urllib.parse import urlencode

import duckdb

from benchmarks.generate import generate
from orchestration.home.paths import Home
from orchestration.home.settings import load_settings
from portal.identity.service import Identity
from portal.pages.exports import MOST_LINES_AT_ONCE
from reports.export.writers import Format
from reports.issuing.naming import session_folder
from tests.issuing import write_empty_issue
from warehouse.files import sha256_of
from warehouse.project import PROJECT_DIR
from warehouse.published import BuildRecord, write_record

ADMINISTRATOR = "admin@exemple.fr"
PORT = 8765
CLIENTS = 20
PAUSE_SECONDS = 1.0
RECORD_SECONDS = 6.0
ISSUED_SHARE = 0.5
"""So many sessions have attestations."""
BUILD_EVENTS = 300_000


@dataclass(frozen=True)
class Size:
    """What is in the warehouse."""

    sessions: int
    learners: int
    connections: int


def opco(*arguments: str, home: Path) -> None:
    """Run an `opco` command."""
    command = [str(Path(sys.executable).with_name("opco")), *arguments, "--home", str(home), "--json"]
    subprocess.run(command, check=True, capture_output=True)


def large_warehouse(demo: Path, target: Path, size: Size) -> None:
    """Write a published file of a size, shaped as the published file `demo`."""
    with duckdb.connect(str(target)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{demo.resolve()}' as demo (read_only)")
        for name, value in vars(size).items():
            connection.execute(f"set variable {name} = {value:d}")
        connection.execute(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
        connection.execute("update warehouse_build set data_as_of = now()::timestamp, built_at = now()::timestamp")


def issue_some(home: Home, size: Size) -> None:
    """Give a share of the sessions an issue, as far as the pages read it."""
    for number in range(int(size.sessions * ISSUED_SHARE)):
        session_id = f"S-{number}"
        write_empty_issue(session_folder(home.attestations, session_id), session_id)


@contextmanager
def served(home: Home) -> Iterator[tuple[int, str]]:
    """Serve the portal of `home` in a process of its own; yield its id, and the cookie of an administrator."""
    identity = Identity.of(home, load_settings(home))
    stay = identity.store.begin_stay(ADMINISTRATOR, "benchmark", identity.now())
    executable = str(Path(sys.executable).with_name("opco"))
    with subprocess.Popen(
        [executable, "serve", "--home", str(home.folder), "--port", str(PORT)], stderr=subprocess.DEVNULL
    ) as server:
        try:
            for _ in range(100):
                try:
                    if Client("").get("/health")[0] == 200:
                        break
                except OSError:
                    time.sleep(0.2)
            yield server.pid, f"opco_stay={stay}"
        finally:
            server.terminate()


class Client:
    """One browser: its connection stays open."""

    def __init__(self, cookie: str) -> None:
        self._cookie = cookie
        self._connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)

    def get(self, path: str) -> tuple[int, int, float]:
        """Return status, bytes and seconds of a page."""
        start = time.perf_counter()
        self._connection.request("GET", path, headers={"Cookie": self._cookie, "Accept-Language": "fr"})
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, len(content), time.perf_counter() - start

    def download(self, form: list[tuple[str, str]]) -> tuple[int, float]:
        """Return the bytes of *Download now* and the seconds until the file begins to come."""
        # The server has ended one that was not used.
        self._connection.close()
        self._connection.request("GET", "/statistics", headers={"Cookie": self._cookie})
        page = self._connection.getresponse()
        visitor = str(page.getheader("Set-Cookie")).partition(";")[0]
        (token,) = set(re.findall(r'name="csrf_token" value="([^"]+)"', page.read().decode()))
        headers = {"Cookie": f"{self._cookie}; {visitor}", "Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode([*form, ("action", "file"), ("csrf_token", token)])
        start = time.perf_counter()
        self._connection.request("POST", "/statistics", body, headers)
        answer = self._connection.getresponse()
        begun = time.perf_counter() - start
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"Download now: status {answer.status}, {answer.getheader('Location')}")
        return len(content), begun


def pages(size: Size, chance: random.Random) -> dict[str, str]:
    """Return an address of each page, another one each time."""
    session = f"S-{chance.randrange(size.sessions)}"
    learner = chance.randrange(size.learners)
    month = f"{datetime.now(UTC) - timedelta(days=chance.randrange(30, 700)):%Y-%m}"
    sort = chance.choice(["name", "time", "activity", "issued", "starts"])
    by = chance.choice(["name", "session", "status", "time", "activity"])
    return {
        "floor (/health)": "/health",
        "dashboard": "/",
        "sessions": f"/sessions?sort={sort}&page={chance.randrange(1, 100)}",
        "sessions, searched": f"/sessions?q=groupe+{chance.randrange(100)}",
        "session": f"/sessions/{session}",
        "flag's lines": f"/sessions/{session}/flags/overlap",
        "learners": f"/learners?sort={by}&page={chance.randrange(1, 100)}",
        "learners, searched": f"/learners?q=martin+{chance.randrange(100)}&sort={by}",
        "learners to chase": f"/learners?status=to_chase&only=running&sort={by}",
        "learner": f"/learners/u-{learner}",
        "learner, a flag": f"/learners/u-{learner}?flag=overlap",
        "attestations form": f"/sessions/{session}/attestations",
        "statistics": f"/statistics?sessions={session}",
        "statistics, a month": f"/statistics?date_from={month}-01&date_to={month}-28",
        "count, everything": "/statistics/count",
        "search as you type": f"/statistics/matches?kind=users&q=learner{learner}",
        "rejected rows": "/rejected-rows",
    }


def p95(times: Sequence[float]) -> float:
    """Return the 95th percentile, in milliseconds."""
    return sorted(times)[max(0, -(-len(times) * 95 // 100) - 1)] * 1000


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has taken, of all its threads, in ticks of 10 ms."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Asked:
    """What one client found of a page: the seconds of each answer, the bytes of the last, the server's own seconds."""

    times: list[float]
    byte_count: int = 0
    processor: float = 0.0


def one_client(server: int, cookie: str, size: Size, turns: int) -> dict[str, Asked]:
    """Return what one client found of each page."""
    client, chance = Client(cookie), random.Random(1)  # noqa: S311 - no secret
    found: dict[str, Asked] = {}
    paths = [pages(size, chance) for _ in range(turns + 3)]

    def ask(name: str, path: str) -> float:
        status, found[name].byte_count, seconds = client.get(path)
        if status != 200:
            raise SystemExit(f"{path}: status {status}")
        return seconds

    for name in paths[0]:
        found[name] = Asked([])
        # The first turns warm what a server that runs for weeks has warm.
        for turn in paths[:3]:
            ask(name, turn[name])
        # A page at a time, as the processor's time is told in ticks.
        before = processor_seconds(server)
        found[name].times = [ask(name, turn[name]) for turn in paths[3:]]
        found[name].processor = (processor_seconds(server) - before) / turns
    return found


def downloads(cookie: str, size: Size) -> None:
    """Print how soon *Download now* of at most 50,000 lines begins to give its file."""
    client = Client(cookie)
    # Sessions are not quite alike: with a twentieth less than what is given at once.
    few = min(size.sessions, MOST_LINES_AT_ONCE * 19 // 20 * size.sessions // size.connections)
    for kind in get_args(Format):
        form = [("sessions", f"S-{number}") for number in range(few)]
        times = []
        # The first one after a build compares its checksum.
        for _ in range(4):
            times.append(client.download([*form, ("format", kind)]))
            # A process of its own puts it on Dagster's record meanwhile.
            time.sleep(RECORD_SECONDS)
        seconds = sorted(begun for _, begun in times[1:])[1]
        lines = few * size.connections // size.sessions
        sys.stdout.write(
            f"download, some {lines:,} lines as {kind}: {seconds * 1000:.0f} ms "
            f"(the first {times[0][1] * 1000:.0f} ms), {times[0][0] / 1e6:.1f} MB\n"
        )


def many_clients(cookie: str, size: Size, seconds: float, pause: float) -> list[float]:
    """Return the times of the pages that `CLIENTS` clients got in `seconds`."""
    times: Queue[list[float]] = Queue()

    # One process for all clients: the machine's other core is the server's.
    def browse(number: int, found: list[float]) -> None:
        client, chance = Client(cookie), random.Random(number)  # noqa: S311 - no secret
        until = time.perf_counter() + seconds
        time.sleep(chance.random() * pause)
        while time.perf_counter() < until:
            name, path = chance.choice([one for one in pages(size, chance).items() if not one[0].startswith("floor")])
            status, _, took = client.get(path)
            if status != 200:
                raise SystemExit(f"{name}: status {status}")
            found.append(took)
            time.sleep(pause)

    def all_of_them() -> None:
        found: list[float] = []
        threads = [threading.Thread(target=browse, args=[number, found]) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        times.put(found)

    process = Process(target=all_of_them)
    process.start()
    while True:
        try:
            found = times.get(timeout=1)
            break
        except Empty:
            if not process.is_alive():
                raise SystemExit("the clients died") from None
    process.join()
    return found


@contextmanager
def builds_running(place: Path) -> Iterator[None]:
    """Build another home again and again, in full, beside what is measured."""
    raw, home = place / "raw", place / "other"
    home.mkdir()
    generate(raw, BUILD_EVENTS)
    ended = threading.Event()

    def build() -> None:
        while not ended.is_set():
            opco("build", "--raw", str(raw), "--full-refresh", home=home)

    thread = threading.Thread(target=build)
    thread.start()
    # Loading Dagster and dbt is over.
    time.sleep(12)
    try:
        yield
    finally:
        ended.set()
        thread.join()


def measure(server: int, cookie: str, size: Size, turns: int, seconds: float) -> None:
    """Measure and print."""
    asked = one_client(server, cookie, size, turns)
    sys.stdout.write(f"{'one client':<22}{'median ms':>10}{'p95 ms':>10}{'cpu ms':>10}{'kB':>8}\n")
    for name, one in asked.items():
        median = sorted(one.times)[len(one.times) // 2] * 1000
        figures = f"{median:10.1f}{p95(one.times):10.1f}{one.processor * 1000:10.1f}{one.byte_count / 1000:8.1f}"
        sys.stdout.write(f"{name:<22}{figures}\n")
    downloads(cookie, size)
    every = [seconds for name, one in asked.items() if not name.startswith("floor") for seconds in one.times]
    sys.stdout.write(f"{'all pages':<22}{sorted(every)[len(every) // 2] * 1000:10.1f}{p95(every):10.1f}\n")
    for pause, what in ((PAUSE_SECONDS, "20 clients, 1 s pause"), (0.0, "20 clients, no pause")):
        found = many_clients(cookie, size, seconds, pause)
        median = sorted(found)[len(found) // 2] * 1000
        sys.stdout.write(f"{what:<22}{median:10.1f}{p95(found):10.1f}   {len(found) / seconds:6.1f} requests/s\n")
    sys.stdout.flush()


def main() -> None:
    """Make the warehouse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=5_000)
    parser.add_argument("--learners", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=5_000_000)
    parser.add_argument("--turns", type=int, default=40, help="How often each page is asked for. Default: 40.")
    parser.add_argument("--seconds", type=float, default=20, help="How long twenty clients ask. Default: 20.")
    parser.add_argument("--no-build", action="store_true", help="Do not measure beside builds.")
    arguments = parser.parse_args()
    size = Size(arguments.sessions, arguments.learners, arguments.connections)
    os.environ |= {
        "OPCO_PORTAL__SECRET": "benchmark " * 4,
        "OPCO_PORTAL__BASE_URL": f"http://127.0.0.1:{PORT}",
        "OPCO_PORTAL__ADMINISTRATORS": ADMINISTRATOR,
    }
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        home = Home(place)
        opco("build", "--raw", str(PROJECT_DIR / "demo" / "raw"), "--as-of", "2026-11-10T06:00:00Z", home=place)
        large = home.published / "builds" / "large.duckdb"
        large_warehouse(home.warehouse, large, size)
        write_record(large, BuildRecord("large", "", "", large.stat().st_size, sha256_of(large), {}))
        home.warehouse.unlink()
        home.warehouse.symlink_to(large)
        issue_some(home, size)
        sys.stdout.write(json.dumps(vars(size)) + "\n")
        with served(home) as (server, cookie):
            measure(server, cookie, size, arguments.turns, arguments.seconds)
            if not arguments.no_build:
                with builds_running(place):
                    sys.stdout.write(f"while a build of {BUILD_EVENTS:,} events runs\n")
                    measure(server, cookie, size, max(5, arguments.turns // 4), arguments.seconds)


if __name__ == "__main__":
    main()
