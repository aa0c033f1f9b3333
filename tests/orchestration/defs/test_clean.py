"""`opco clean`: what goes, what stays whatever its age, and what goes only where it is named."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import pytest

from orchestration.defs.cleaning import cleaning
from orchestration.defs.cleaning.cleaning import Cleaned, Named, clean
from orchestration.home.audit import AuditLog
from orchestration.home.lock import build_lock
from orchestration.home.paths import HOME_VARIABLE, Home
from orchestration.home.sections.upkeep import CleaningSettings
from orchestration.runs.jobs import open_instance
from orchestration.runs.progress import NoProgress
from orchestration.runs.resources import run_resources
from reports.delivery.store import DeliveryStore
from warehouse.archive import load_delivery, read_manifest
from warehouse.build_file import BuildIdentity, open_build_file, prepare_build_file
from warehouse.contract import raw_tables
from warehouse.errors import OpcoError, UserError
from warehouse.files import sha256_of, temporary_beside

NOW = datetime.now(UTC)
YEARS_LATER = NOW + timedelta(days=1000)


@pytest.fixture
def instance(home: Home) -> Iterator[dg.DagsterInstance]:
    with open_instance(home) as instance:
        yield instance


def cleaned(home: Home, instance: dg.DagsterInstance, now: datetime = NOW, **asked: Any) -> Cleaned:
    settings = asked.pop("settings", CleaningSettings())
    return clean(home, settings, records=nullcontext(instance), now=now, progress=NoProgress(), **asked)


def written(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_builds_beyond_those_kept_go_but_never_the_one_that_is_shown(home: Home, instance: dg.DagsterInstance) -> None:
    builds = [written(home.published / "builds" / f"2026110{day}T000000Z-a.duckdb") for day in range(1, 7)]
    written(builds[1].with_suffix(".json"))
    home.warehouse.symlink_to(Path("builds") / builds[0].name)
    would = cleaned(home, instance, dry_run=True)
    assert would.cleaned["builds"].names == [f"var/published/builds/{one.name}" for one in (builds[2], builds[1])]
    assert would.bytes == 3
    assert len(names(builds[0].parent)) == 7
    assert cleaned(home, instance).cleaned["builds"].count == 2
    assert names(builds[0].parent) == [builds[0].name, *(one.name for one in builds[3:])]


def test_exports_go_after_their_days_and_nothing_else_of_their_folder(home: Home, instance: dg.DagsterInstance) -> None:
    for name in ("old.csv", "old.csv.json", "new.csv", "new.csv.json", "mine.csv", "notes.json"):
        written(home.exports / name)
        if not name.startswith("new"):
            os.utime(home.exports / name, times=(0, 0))
    kept = cleaned(home, instance, settings=CleaningSettings(export_days=None))
    assert kept.cleaned == {}
    assert cleaned(home, instance).cleaned["exports"].names == ["var/exports/old.csv"]
    assert names(home.exports) == ["mine.csv", "new.csv", "new.csv.json", "notes.json"]


def test_copies_behind_expired_links_go(home: Home, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    file = written(tmp_path / "a.csv")
    store = DeliveryStore(home.deliveries)
    for days in (1, 2000):
        store.keep(file, sha256_of(file), NOW + timedelta(days=days))
    assert cleaned(home, instance).cleaned == {}
    assert cleaned(home, instance, YEARS_LATER).cleaned["deliveries"].count == 1
    assert len(names(home.deliveries)) == 1


def test_what_killed_processes_left_goes_and_what_others_write_stays(home: Home, instance: dg.DagsterInstance) -> None:
    theirs = temporary_beside(home.exports / "a.csv")
    left = written(theirs.with_name(theirs.name.replace(f".{os.getpid()}.", ".4194305.")))  # beyond the largest number
    orphan = written(home.archive / "users" / "0-0.parquet")
    written(home.archive / "manifest.json", '{"format": 1, "loads": [], "files": []}')
    stays = [written(theirs), written(home.exports / ".mine.tmp")]
    assert cleaned(home, instance).cleaned["leftovers"].count == 2
    assert not left.exists()
    assert not orphan.exists()
    assert all(path.exists() for path in stays)


def test_what_pages_asked_for_goes_with_its_export_or_as_runs_do(home: Home, instance: dg.DagsterInstance) -> None:
    def asked(kind: str, days: int, *, is_over: bool = True) -> str:
        at = NOW - timedelta(days=days)
        place = home.background_runs / f"{at:%Y%m%dT%H%M%S%f}-0123456789abcdef"
        order = {
            "run_id": place.name,
            "kind": kind,
            "config": {},
            "asked_by": "",
            "asked_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        }
        written(place / "order.json", json.dumps(order))
        if is_over:
            written(place / "result.json", '{"ok": true, "result": null}')
        return f"var/portal/runs/{place.name}"

    asked("export", 364)
    asked("attestations", 89)
    old = [asked("attestations", 91), asked("export", 366)]
    at_work = asked("export", 400, is_over=False)
    with (home.folder / at_work / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert cleaned(home, instance, settings=CleaningSettings(export_days=None, run_days=None)).cleaned == {}
        assert cleaned(home, instance).cleaned["orders"].names == old
    assert cleaned(home, instance).cleaned["orders"].names == [at_work]
    assert len(names(home.background_runs)) == 2


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def parted() -> None:
    """An asset that is issued again and again, partition by partition."""


@dg.asset
def whole() -> None:
    """An asset that is made every night."""


def test_old_runs_go_and_the_catalogue_tells_what_it_told(home: Home, instance: dg.DagsterInstance) -> None:
    made = {
        (asset.key.to_user_string(), partition, number): dg.materialize(
            [asset], instance=instance, partition_key=partition
        ).run_id
        for number in (1, 2)
        for asset, partition in ((whole, None), (parted, "a"), (parted, "b"))
    }

    def told() -> list[Any]:
        events = [instance.get_latest_materialization_event(asset.key) for asset in (whole, parted)]
        return [*(event and event.run_id for event in events), instance.get_materialized_partitions(parted.key)]

    before = told()
    assert cleaned(home, instance).cleaned == {}
    result = cleaned(home, instance, YEARS_LATER)
    assert result.cleaned["runs"].count == 3
    assert result.cleaned["runs"].bytes > 100_000
    newest = {run_id for (_, _, number), run_id in made.items() if number == 2}
    assert {run.run_id for run in instance.get_runs()} == newest
    assert told() == before
    kept = {path.stem for path in (home.dagster / "history" / "runs").glob("*-*-*.db")}
    assert kept == newest
    # What is left of the records can still be read.
    assert all(instance.all_logs(run_id) for run_id in newest)


def test_what_cannot_go_keeps_nothing_else(
    home: Home, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = home.published / "builds"
    for day in range(1, 6):
        written(builds / f"2026110{day}T000000Z-a.duckdb")
    (builds / "20261101T000000Z-a.duckdb").unlink()
    (builds / "20261101T000000Z-a.duckdb").mkdir()  # no file: it cannot be unlinked

    def full_disk(folder: Path) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(cleaning, "vacuum", full_disk)
    with pytest.raises(OpcoError) as error:
        cleaned(home, instance)
    message = str(error.value).splitlines()
    assert message[0] == "2 things could not be cleaned; the rest was (1 B):"
    assert message[1].startswith("  var/published/builds/20261101T000000Z-a.duckdb: ")
    assert message[2].endswith("var/dagster: database or disk is full")
    assert not (builds / "20261102T000000Z-a.duckdb").exists()


def test_nothing_is_cleaned_while_a_build_is_at_work(home: Home, instance: dg.DagsterInstance) -> None:
    with build_lock(home), pytest.raises(OpcoError, match="Another build is running"):
        cleaned(home, instance)


def delivered(folder: Path, home: Home, day: int) -> None:
    load_delivery(folder, home.archive, loaded_at=datetime(2026, 11, day, tzinfo=UTC))


def rows_of_views(home: Home) -> dict[str, list[Any]]:
    """What is delivered now, as a full build would read it of the archive."""
    identity = BuildIdentity("id", NOW, NOW, NOW, read_manifest(home.archive).last_load_number)
    home.build_file.unlink(missing_ok=True)
    prepare_build_file(home.archive, home.build_file, identity)
    with open_build_file(home.build_file) as connection:
        tables = ("users", "groups", "learning_events", "courses")
        return {
            name: connection.execute(f"from raw.{name} where is_current order by all").fetchall() for name in tables
        }


def pretend_built(
    home: Home,
    last_load_number: int,
    *rests_on: int,
    delivered_in: Mapping[int, int] = MappingProxyType({}),
    states: Sequence[int] = (),
) -> None:
    """Leave a build file of that load, in which staging names these versions of files.

    `delivered_in` has the load of versions of users by number, `states` the loads with which a state of a user began.
    """
    home.build_file.parent.mkdir(parents=True, exist_ok=True)
    home.build_file.unlink(missing_ok=True)
    with open_build_file(home.build_file) as connection:
        for schema in ("raw", "staging", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute(f"create table raw.this_build as select 'id' as build_id, {last_load_number} as load_number")
        connection.execute("create table marts.warehouse_build as select 'id' as build_id")
        connection.execute(
            "create table raw.raw_deliveries as select 'users' as table_name, unnest($1::bigint[]) as file_number, "
            "unnest($2::bigint[]) as first_load_number, unnest($2::bigint[]) as last_load_number",
            [list(delivered_in), list(delivered_in.values())],
        )
        connection.execute(
            "create table staging.stg_user_states as select unnest($1::bigint[]) as load_number", [states]
        )
        for name in raw_tables():
            connection.execute(
                f"create table staging.stg_{name} as "
                "select cast(null as bigint) as file_number, cast(null as bigint) as last_present_file_number"
            )
        for number in rests_on:
            connection.execute("insert into staging.stg_users values (null, ?)", [number])


def test_versions_that_something_rests_on_stay(home: Home, instance: dg.DagsterInstance, raw_folder: Path) -> None:
    for day in (1, 2, 3):
        written(raw_folder / "users.csv", f"user_id,last_name\nu,Martin {day}\n")
        delivered(raw_folder, home, day)
    named = Named(superseded_before=datetime(2026, 11, 20, tzinfo=UTC))
    numbers = read_manifest(home.archive).numbers
    users = {number: one.last_load_number for one, number in numbers.items() if one.file == "users.csv"}
    pretend_built(home, 3, delivered_in=users, states=[1, 2])
    assert cleaned(home, instance, named=named).cleaned == {}
    first = next(number for one, number in read_manifest(home.archive).numbers.items() if one.file == "users.csv")
    # What the last load left to earlier versions is known once it is built.
    pretend_built(home, 2, first)
    with pytest.raises(UserError, match="Build first: opco rebuild"):
        cleaned(home, instance, named=named)
    pretend_built(home, 3, first)
    gone = cleaned(home, instance, named=named).cleaned["archive"]
    assert [name.split(",")[0] for name in gone.names] == ["users.csv of load 2"]


def test_superseded_versions_go_only_when_named_and_no_build_reads_less(
    home: Home, instance: dg.DagsterInstance, raw_folder: Path
) -> None:
    event = (raw_folder / "learning_events" / "2026-09-01.jsonl").read_text(encoding="utf-8")
    for day in (1, 2, 3):
        written(raw_folder / "groups.csv", f"group_id,name\ng,Groupe {day}\n")
        written(raw_folder / "users.csv", f"user_id,last_name\nu,Martin {day}\nu{day},Girard\n")
        written(raw_folder / "learning_events" / "2026-09-01.jsonl", event.replace("08:00", f"08:0{day}"))
        delivered(raw_folder, home, day)
    before = rows_of_views(home)
    assert cleaned(home, instance, YEARS_LATER).cleaned == {}
    second = Named(superseded_before=datetime(2026, 11, 2, tzinfo=UTC))
    pretend_built(home, 3)
    gone = cleaned(home, instance, named=second).cleaned["archive"]
    assert [name.split(",")[0] for name in gone.names] == [
        "groups.csv of load 1",
        "learning_events/2026-09-01.jsonl of load 1",
        "users.csv of load 1",
    ]
    assert rows_of_views(home) == before
    removed = [one for one in read_manifest(home.archive).files if one.removed_at]
    assert sorted(one.file for one in removed) == ["groups.csv", "learning_events/2026-09-01.jsonl", "users.csv"]
    assert not any((home.archive / one.archive_file).exists() for one in removed)
    # Delivered again, they are read again, under the date on which they first came.
    written(raw_folder / "groups.csv", "group_id,name\ng,Groupe 1\n")
    delivered(raw_folder, home, 4)
    (group,) = rows_of_views(home)["groups"]
    assert (group[8], group[9]) == ("g", "Groupe 1")
    assert datetime(2026, 11, 1) in group  # noqa: DTZ001 - as DuckDB gives it


def test_issues_are_cleaned_of_sessions_that_have_some(home: Home, instance: dg.DagsterInstance) -> None:
    with pytest.raises(UserError, match="Nothing was issued for session 'S-1'"):
        cleaned(home, instance, named=Named(issues_of=("S-1",)))


def test_superseded_issues_are_cleaned_of_every_kind(home: Home, instance: dg.DagsterInstance) -> None:
    folders = [
        home.attestations / "S-1",
        home.documents / "log/S-1/2026-09",
        home.documents / "certificate/S-10/session",
    ]
    for folder in folders:
        for number in (1, 2):
            written(folder / f"issue-{number}" / "manifest.json", "{}")
            written(folder / f"issue-{number}" / "document.pdf", "%PDF")
    cleaned(home, instance, named=Named(issues_of=("S-1",)))
    left = sorted(path.relative_to(home.folder / "var") for path in (home.folder / "var").rglob("document.pdf"))
    assert [str(path.parent) for path in left] == [
        "attestations/S-1/issue-2",
        "documents/certificate/S-10/session/issue-1",
        "documents/certificate/S-10/session/issue-2",
        "documents/log/S-1/2026-09/issue-2",
    ]


def test_the_job_does_the_same_and_has_its_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.defs.cleaning.job import defs

    monkeypatch.setenv(HOME_VARIABLE, str(home.folder))
    old = written(home.exports / "old.csv")
    os.utime(old, times=(0, 0))
    written(home.exports / "old.csv.json")
    definitions = dg.Definitions.merge(defs(), dg.Definitions(resources=run_resources(home)))
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 5 * * 0", "Europe/Paris")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    with open_instance(home) as instance:
        done = definitions.resolve_job_def("cleaning").execute_in_process(instance=instance)
    assert done.success
    assert not old.exists()
    home.settings_file.write_text('[cleaning]\nschedule = "none"\n', encoding="utf-8")
    assert not defs().schedules
    home.settings_file.write_text('[cleaning]\nschedule = "on Sundays"\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"cleaning\.schedule cannot be 'on Sundays'"):
        defs()


def test_lines_of_the_audit_log_go_after_their_days_and_that_stays_on_record(
    home: Home, instance: dg.DagsterInstance
) -> None:
    times = iter([*(NOW - timedelta(days=1200 - day) for day in range(3)), NOW])
    log = AuditLog.of(home, now=lambda: next(times))
    for number in range(4):
        log.add("signed_in", email=f"{number}@exemple.fr", client="c")
    assert cleaned(home, instance, settings=CleaningSettings(audit_days=None)).cleaned == {}
    assert cleaned(home, instance, dry_run=True).cleaned["audit"].count == 3
    assert cleaned(home, instance).cleaned["audit"].count == 3
    assert log.fault() is None
    first, kept, last = (json.loads(line) for line in log.path.read_text().splitlines())
    assert (first["action"], first["lines"], first["reason"]) == ("audit_log_cut", 3, "cleaning.audit_days = 1095")
    assert (kept["email"], last["action"]) == ("3@exemple.fr", "audit_log_cut")
    assert cleaned(home, instance).cleaned == {}


def test_images_that_nothing_names_any_more_go(home: Home, instance: dg.DagsterInstance) -> None:
    uploads = home.assets / "uploads"
    names_ = ["1" * 32 + ".png", "2" * 32 + ".png", "3" * 32 + ".png", "4" * 32 + ".png", "5" * 32 + ".png"]
    for name in names_:
        os.utime(written(uploads / name), times=(0, 0))
    os.utime(uploads / names_[1])
    written(home.attestations / "S-1" / "issue-1" / "manifest.json", f'{{"logo": "uploads/{names_[2]}"}}')
    home.settings_file.write_text(f'[organisation]\nlogo = "uploads/{names_[3]}"\n', encoding="utf-8")
    written(home.background_runs / "x" / "order.json", f'{{"stamp": "uploads/{names_[4]}"}}')
    assert cleaned(home, instance, settings=CleaningSettings(upload_days=None)).cleaned == {}
    assert cleaned(home, instance).cleaned["uploads"].names == [f"assets/uploads/{names_[0]}"]
    assert names(uploads) == names_[1:]
