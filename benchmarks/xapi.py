"""Measures the reading of statements, from files and from an LRS on this machine: `make bench-xapi`.

Each pull runs in a process of its own; its imports are not counted. Processor seconds are those of that process alone,
and so without the LRS.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import connectors.xapi.source
from benchmarks.run import Cost, cost_of_call
from connectors.delivery import deliver
from connectors.xapi.settings import XapiSettings

_ = connectors.xapi.source  # imported before a clock starts
FILES = 10
LEARNERS, COURSES, SESSIONS = 5_000, 200, 500
PAGE_SIZE = 500
BEGINNING = datetime(2026, 1, 5, 8, tzinfo=UTC)
SECONDS = 300 * 86_400
NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)
CMI5 = "https://w3id.org/xapi/cmi5/context"
VERBS = ("initialized", "progressed", "answered", "passed", "terminated")


def statement(number: int, count: int) -> bytes:
    """Return a statement of a cmi5 session, of five each, evenly over 300 days."""
    attempt, step = divmod(number, len(VERBS))
    learner, course, session = attempt % LEARNERS, attempt % COURSES, attempt % SESSIONS
    told_at = (BEGINNING + timedelta(seconds=SECONDS * number / count)).isoformat(timespec="milliseconds")
    site = "https://lms.example.fr"
    verb = VERBS[step]
    told = {
        "id": str(UUID(int=number)),
        "actor": {
            "objectType": "Agent",
            "name": f"First Last {learner}",
            "account": {"homePage": site, "name": f"{learner}"},
        },
        "verb": {"id": f"http://adlnet.gov/expapi/verbs/{verb}", "display": {"en": verb}},
        "object": {
            "objectType": "Activity",
            "id": f"{site}/course/{course}",
            "definition": {"name": {"en": f"Course {course}", "fr": f"Cours {course}"}},
        },
        "context": {
            "registration": str(UUID(int=attempt)),
            "extensions": {f"{CMI5}/extensions/sessionid": str(UUID(int=attempt + 2**64))},
            "contextActivities": {
                "category": [{"id": f"{CMI5}/categories/cmi5"}],
                "parent": [{"id": f"{site}/session/{session}", "definition": {"name": {"fr": f"Session {session}"}}}],
            },
        },
        "timestamp": told_at,
        "stored": told_at,
        "authority": {"objectType": "Agent", "account": {"homePage": site, "name": "lrs"}},
        "version": "1.0.3",
        **({"result": {"success": True, "score": {"scaled": 0.8}}} if verb == "passed" else {}),
    }
    return json.dumps(told).encode()


def write(path: Path, first: int, last: int, count: int) -> None:
    """Write statements as JSON lines."""
    with path.open("wb") as stream:
        for number in range(first, last):
            stream.write(statement(number, count) + b"\n")


class _Lrs(BaseHTTPRequestHandler):
    """Statements of a folder of files as an LRS gives them: in the order in which they were stored."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, *arguments: object) -> None:
        self._folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        size = min(PAGE_SIZE, int(asked.get("limit", PAGE_SIZE)))
        files = sorted(self._folder.glob("*.jsonl"))
        number, place = (int(one) for one in asked.get("at", "0-0").split("-"))
        since = asked.get("since", "").encode()
        page: list[bytes] = []
        while number < len(files) and len(page) < size:
            with files[number].open("rb") as stream:
                stream.seek(place)
                while len(page) < size and (line := stream.readline()):
                    if not since or _stored(line) > since:
                        page.append(line)
                place = stream.tell()
            if len(page) < size:
                number, place = number + 1, 0
        more = f"/xapi/statements?at={number}-{place}" if number < len(files) else ""
        content = b'{"statements":[' + b",".join(page) + b'],"more":' + json.dumps(more).encode() + b"}"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _stored(line: bytes) -> bytes:
    return line.partition(b'"stored": "')[2][:23]


def _serve(folder: Path, pipe: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Lrs, folder))
    pipe.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def lrs(folder: Path) -> Iterator[str]:
    """Run an LRS of the files of a folder in a process of its own, and give its address."""
    context = get_context("spawn")
    reading, writing = context.Pipe()
    process = context.Process(target=_serve, args=(folder, writing), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{reading.recv()}/xapi"
    finally:
        process.terminate()
        process.join()


def pull(home: Path, number: int, endpoint: str | None = None) -> None:
    """Pull for the nth time; what was delivered before is in the archive by then."""
    known = {str(path.relative_to(home / "raw/current")) for path in (home / "raw/current").glob("*/*.parquet")}
    settings = XapiSettings(endpoint=endpoint) if endpoint else XapiSettings()
    started_at = NOON + timedelta(hours=number)
    deliver(home / "raw", {"xapi": settings.source()}, home=home, started_at=started_at, known=known)


def compare(name: str, count: int, files: Path, pulled: Callable[[int], Cost]) -> None:
    """Print the figures of files, or of an LRS."""
    print(f"{name}, {count:,} statements")
    first = pulled(1)
    print(f"  first pull:  {first} (at most 300), {count / first.wall:,.0f} statements a second")
    print(f"  nothing new: {pulled(2)} (at most 2 s processor)")
    write(files / "later.jsonl", count, count + count // 100, count)
    part = pulled(3)
    print(f"  1 % new:     {part}, {100 * part.processor / first.processor:.0f} % of the first pull's processor")
    (files / "later.jsonl").unlink()


def main() -> None:
    """Measure files and an LRS."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--statements", type=int, default=1_000_000)
    parser.add_argument("--origin", choices=["files", "lrs"], action="append")
    arguments = parser.parse_args()
    count = arguments.statements
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "files"
        files = home / "imports/xapi"
        files.mkdir(parents=True)
        for number in range(FILES):
            write(files / f"{number}.jsonl", count * number // FILES, count * (number + 1) // FILES, count)
        origins = arguments.origin or ("files", "lrs")
        if "files" in origins:
            compare("files", count, files, lambda number: cost_of_call(pull, home, number))
        if "lrs" in origins:
            with lrs(files) as endpoint:
                other = Path(name) / "lrs"
                compare("LRS", count, files, lambda number: cost_of_call(pull, other, number, endpoint))


if __name__ == "__main__":
    main()
