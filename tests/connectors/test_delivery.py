"""A delivery appears whole, with its state, or not at all; two sources share a home."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from connectors.delivery import Delivery, current_delivery, deliver, deliveries, last_reports
from connectors.report import Finding, SourceReport
from connectors.source import PullContext, Source
from warehouse.errors import OpcoError, UserError
from warehouse.project import PROJECT_DIR
from warehouse.raw_folder import find_files

START = datetime(2026, 11, 2, 4, tzinfo=UTC)
Deliver = Callable[..., Delivery]


def write(path: Path, query: str) -> None:
    with duckdb.connect() as db:
        db.execute(f"copy ({query}) to '{path}' (format parquet)")


@dataclass(frozen=True)
class ListSource:
    """A source of users that are named, and of one event of each at each pull."""

    users: tuple[str, ...] = ("1",)
    kind: str = "list"
    id_prefix: str = ""
    seen: list[dict[str, object]] = field(default_factory=list)
    failure: str | None = None

    def check(self, home: Path) -> SourceReport:
        return SourceReport(facts={"home": str(home)})

    def pull(self, context: PullContext) -> SourceReport:
        self.seen.append(context.state())
        cursor = int(str(context.state().get("cursor", 0)))
        names = ", ".join(f"('{user}')" for user in self.users)
        rows = f"from (values {names}) as users (user_id)" if names else "from (select 1 as user_id where false)"
        write(context.snapshot_file("users"), f"select user_id, user_id || '@x.fr' as email {rows}")
        event = "user_id || ':' || " + str(cursor)
        write(context.growing_file("learning_events"), f"select {event} as event_id, user_id, 'C' as course_id {rows}")
        if self.failure:
            raise UserError(self.failure)
        context.save_state({"cursor": cursor + 1})
        findings = (Finding(code="robots", level="left_out", text="visits of robots", count=2, examples=("r1", "r2")),)
        count = len(self.users)
        return SourceReport(
            findings=findings, rows={"users": count, "learning_events": count}, last_activity=context.started_at
        )


@pytest.fixture
def pull(tmp_path: Path) -> Deliver:
    pulls = iter(range(100))

    def one(sources: dict[str, Source], **more: object) -> Delivery:
        at = START + timedelta(hours=next(pulls))
        return deliver(tmp_path / "raw", sources, home=tmp_path, started_at=at, **more)  # type: ignore[arg-type]

    return one


def ids(folder: Path, table: str, column: str) -> list[str]:
    query = f"select {column} from read_parquet('{folder}/{table}/*.parquet') order by all"
    return [value for (value,) in duckdb.sql(query).fetchall()]


def test_data_and_cursor_move_together(tmp_path: Path, pull: Deliver) -> None:
    source = ListSource()
    first = pull({"lms": source})
    assert current_delivery(tmp_path / "raw") == first.folder
    second = pull({"lms": source})
    assert source.seen == [{}, {"cursor": 1}]
    assert ids(second.folder, "learning_events", "event_id") == ["1:0", "1:1"]
    # What the archive has is not delivered again; the loader finds the rest, and no state.
    known = {f"learning_events/{path.name}" for path in (second.folder / "learning_events").iterdir()}
    third = pull({"lms": source}, known=known)
    assert ids(third.folder, "learning_events", "event_id") == ["1:2"]
    found = find_files(third.folder)
    assert {table.name: len(files) for table, files in found.files.items()} == {"users": 1, "learning_events": 1}
    assert not found.stops


def test_a_full_pull_forgets_the_cursor_and_a_dry_run_leaves_nothing(tmp_path: Path, pull: Deliver) -> None:
    source = ListSource()
    first = pull({"lms": source})
    pull({"lms": source}, is_dry_run=True)
    assert current_delivery(tmp_path / "raw") == first.folder
    assert deliveries(tmp_path / "raw") == [first.folder]
    pull({"lms": source}, is_full=True)
    assert source.seen == [{}, {"cursor": 1}, {}]


def test_what_fails_leaves_the_delivery_before(tmp_path: Path, pull: Deliver) -> None:
    source = ListSource()
    first = pull({"lms": source})
    with pytest.raises(UserError, match="the line is down"):
        pull({"lms": replace(source, failure="the line is down")})
    assert current_delivery(tmp_path / "raw") == first.folder
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [".lock", first.folder.name, "current"]
    pull({"lms": source})
    assert source.seen[-1] == {"cursor": 1}


def test_a_kept_snapshot_is_prefixed_once_and_stays_forgotten(tmp_path: Path, pull: Deliver) -> None:
    class Keeping(ListSource):
        def pull(self, context: PullContext) -> SourceReport:
            if context.previous is None:
                return super().pull(context)
            context.keep_snapshot("users")
            context.keep_state_file("state.json")
            return SourceReport(rows={"users": len(self.users)})

    source = Keeping(users=("1", "2"), id_prefix="x-")
    first, second = pull({"lms": source}), pull({"lms": source})
    assert ids(second.folder, "users", "user_id") == ["x-1", "x-2"]
    assert (second.folder / "users/lms.parquet").samefile(first.folder / "users/lms.parquet")
    assert (second.folder / "_lms-state.json").samefile(first.folder / "_lms-state.json")
    third = pull({"lms": source}, forgotten=["x-1"])
    assert ids(third.folder, "users", "email") == ["2@x.fr", None]
    # The delivery before keeps what it had: `opco forget` goes through it itself.
    assert ids(second.folder, "users", "email") == ["1@x.fr", "2@x.fr"]


def test_two_sources_share_a_home(tmp_path: Path, pull: Deliver) -> None:
    one, other = ListSource(("1", "2")), ListSource(("3",))
    pull({"one": one, "other": other})
    both = pull({"other": replace(other, users=("3", "4"))})
    assert ids(both.folder, "users", "user_id") == ["1", "2", "3", "4"]
    assert ids(both.folder, "learning_events", "event_id") == ["1:0", "2:0", "3:0", "3:1", "4:1"]
    reports = last_reports(tmp_path / "raw")
    assert {name: at for name, (at, _) in reports.items()} == {"one": START, "other": START + timedelta(hours=1)}
    assert reports["other"][1] == both.reports["other"]
    pull({"one": one})
    assert one.seen[-1] == {"cursor": 1}


def test_names_that_begin_alike_are_two_sources(pull: Deliver) -> None:
    short, long = ListSource(("1",)), ListSource(("2",))
    pull({"moodle": short, "moodle-log": long})
    pull({"moodle": short})
    pull({"moodle-log": long})
    assert long.seen == [{}, {"cursor": 1}]


def test_ids_of_two_sources_may_not_be_the_same(pull: Deliver) -> None:
    with pytest.raises(
        UserError, match=r"sources one and other both have a row of users with the user_id 2.*id_prefix"
    ):
        pull({"one": ListSource(("1", "2")), "other": ListSource(("2", "3"))})
    made = pull({"one": ListSource(("1", "2")), "other": ListSource(("2", "3"), id_prefix="other-")})
    assert ids(made.folder, "users", "user_id") == ["1", "2", "other-2", "other-3"]
    assert ids(made.folder, "learning_events", "user_id") == ["1", "2", "other-2", "other-3"]
    assert ids(made.folder, "users", "email") == ["1@x.fr", "2@x.fr", "2@x.fr", "3@x.fr"]
    # A prefix is put once, however often the file is delivered.
    again = pull({"other": ListSource(("2",), id_prefix="other-")})
    assert ids(again.folder, "learning_events", "user_id") == ["1", "2", "other-2", "other-2", "other-3"]


def test_a_source_that_is_empty_of_a_sudden_stops_the_pull(tmp_path: Path, pull: Deliver) -> None:
    first = pull({"lms": ListSource(("1", "2"))})
    with pytest.raises(UserError, match="has no user, and had 2 at its last pull"):
        pull({"lms": ListSource(())})
    assert current_delivery(tmp_path / "raw") == first.folder
    assert ids(pull({"lms": ListSource(())}, allows_empty=True).folder, "users", "user_id") == []


def test_only_the_last_deliveries_stay(tmp_path: Path, pull: Deliver) -> None:
    made = [pull({"lms": ListSource()}, keep=2).folder for _ in range(4)]
    assert deliveries(tmp_path / "raw") == made[-2:]


def test_a_clock_that_goes_back_stops_the_pull(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    deliver(root, {"lms": ListSource()}, home=tmp_path, started_at=START)
    with pytest.raises(UserError, match="Set the clock right"):
        deliver(root, {"lms": ListSource()}, home=tmp_path, started_at=START - timedelta(hours=1))


PULLS = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from connectors.delivery import deliver
from tests.connectors.test_delivery import ListSource
home = Path(sys.argv[1])
print("ready", flush=True)
while True:
    deliver(home / "raw", {"lms": ListSource(tuple(map(str, range(50))))}, home=home, started_at=datetime.now(UTC))
"""


def test_a_killed_pull_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """However it dies: `current` is whole, its cursor is that of its data, and the next pull goes on."""
    dice = random.Random(20261102)
    root = tmp_path / "raw"
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", PULLS, str(tmp_path)], stdout=subprocess.PIPE, cwd=PROJECT_DIR
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(dice.uniform(0, 0.4))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        folder = current_delivery(root)
        if folder is None:
            continue
        assert (folder / "_DONE").exists()
        pulls = len(list((folder / "learning_events").iterdir()))
        assert len(ids(folder, "learning_events", "event_id")) == 50 * pulls
        state = deliver(root, {"lms": ListSource()}, home=tmp_path, started_at=datetime.now(UTC), is_dry_run=True)
        assert state.reports["lms"].is_sound
        assert f'"cursor": {pulls}' in (folder / "_lms-state.json").read_text(encoding="utf-8")


def test_two_pulls_at_once(tmp_path: Path) -> None:
    root = tmp_path / "raw"

    @dataclass(frozen=True)
    class Meanwhile(ListSource):
        def pull(self, context: PullContext) -> SourceReport:
            with pytest.raises(OpcoError, match=rf"Another pull is at work .* \(process {os.getpid()}\)"):
                deliver(root, {"lms": ListSource()}, home=tmp_path, started_at=START + timedelta(hours=1))
            return super().pull(context)

    assert deliver(root, {"lms": Meanwhile()}, home=tmp_path, started_at=START).folder.is_dir()


def test_a_report_says_what_was_taken_and_left_out() -> None:
    report = ListSource().check(Path("/srv/opco"))
    assert list(report.lines()) == ["home: /srv/opco"]
    found = SourceReport(
        findings=(Finding(code="robots", level="left_out", text="visits of robots", count=1200, examples=("a", "b")),),
        rows={"users": 3, "courses": 0},
        last_activity=START,
    )
    assert list(found.lines()) == [
        "          3  users",
        "Last activity: 2026-11-02 04:00 UTC",
        "Left out: visits of robots (1,200): a; b",
    ]
    assert found.summary() == "3 rows, 1,200 left out"
    assert found.is_sound
    stopped = replace(found, findings=(Finding(code="denied", level="error", text="May not read the log."),))
    assert not stopped.is_sound
