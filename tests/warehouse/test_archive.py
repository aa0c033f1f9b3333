"""The archive: what a load takes, what it refuses, and what stays as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from warehouse.archive import MANIFEST, DeliverySummary, TableLoad, load_delivery, read_manifest
from warehouse.errors import OpcoError, UserError
from warehouse.raw_folder import find_files
from warehouse.readers import ReadSettings

LOADED_AT = datetime(2026, 9, 2, 3, 0, tzinfo=UTC)


def load(raw_folder: Path, archive: Path) -> DeliverySummary:
    return load_delivery(raw_folder, archive, loaded_at=LOADED_AT)


def test_a_load_archives_every_table(raw_folder: Path, tmp_path: Path) -> None:
    summary = load(raw_folder, tmp_path / "archive")
    assert (summary.load_number, summary.warnings) == (1, ())
    assert summary.tables == {
        name: TableLoad(files=1, new_files=1, rows=1)
        for name in ("courses", "learning_events", "program_sessions", "program_templates", "users")
    }
    files = {version.file: version for version in read_manifest(tmp_path / "archive").files}
    assert set(files) == {
        "users.csv", "program_templates.csv", "program_sessions.csv", "courses.csv", "learning_events/2026-09-01.jsonl",
    }  # fmt: skip
    assert all((tmp_path / "archive" / version.archive_file).exists() for version in files.values())


def test_an_unchanged_file_is_not_read_again(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    load(raw_folder, archive)
    (raw_folder / "courses.csv").write_text("course_id,name\nc,Cours\nd,Deux\n", encoding="utf-8")
    summary = load(raw_folder, archive)
    assert summary.tables["users"] == TableLoad(files=1, new_files=0, rows=1)
    assert summary.tables["courses"] == TableLoad(files=1, new_files=1, rows=2)


def test_a_clock_that_goes_back_is_said(raw_folder: Path, tmp_path: Path) -> None:
    load(raw_folder, tmp_path / "archive")
    (warning,) = load_delivery(
        raw_folder, tmp_path / "archive", loaded_at=datetime(2026, 9, 1, 3, 0, tzinfo=UTC)
    ).warnings
    assert warning.startswith("this load's clock, 2026-09-01T03:00:00.000000Z, is before that of the last load")


def test_current_files_of_snapshot_and_growing_tables(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    (raw_folder / "groups.csv").write_text("group_id,name\ng,G\n", encoding="utf-8")
    load(raw_folder, archive)
    events = raw_folder / "learning_events"
    first = (events / "2026-09-01.jsonl").read_text(encoding="utf-8")
    (events / "2026-09-01.jsonl").unlink()
    (events / "2026-09-02.jsonl").write_text(first.replace('"1"', '"2"'), encoding="utf-8")
    (raw_folder / "groups.csv").unlink()
    load(raw_folder, archive)
    current = read_manifest(archive).current_files()
    assert [version.file for version in current["learning_events"]] == [
        "learning_events/2026-09-01.jsonl",
        "learning_events/2026-09-02.jsonl",
    ]
    assert current["groups"] == []


def test_a_file_with_new_content_replaces_its_own_rows(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    events = raw_folder / "learning_events" / "2026-09-01.jsonl"
    first = events.read_text(encoding="utf-8")
    load(raw_folder, archive)
    events.write_text(first + first.replace('"1"', '"2"'), encoding="utf-8")
    load(raw_folder, archive)
    assert [version.row_count for version in read_manifest(archive).current_files()["learning_events"]] == [2]
    events.write_text(first, encoding="utf-8")
    load(raw_folder, archive)
    assert [version.row_count for version in read_manifest(archive).current_files()["learning_events"]] == [1]


def test_names_that_are_ignored_and_files_of_no_table(raw_folder: Path, tmp_path: Path) -> None:
    (raw_folder / "_DONE").touch()
    (raw_folder / ".users.csv").write_text("nonsense", encoding="utf-8")
    (raw_folder / "notes.txt").touch()
    (raw_folder / "learning_events" / "old").mkdir()
    (raw_folder / "learning_events" / "_part.jsonl").write_text("{", encoding="utf-8")
    (raw_folder / "learning_events" / "readme.md").touch()
    (raw_folder / "groups").mkdir()
    summary = load(raw_folder, tmp_path / "archive")
    assert [warning.split(":")[0] for warning in summary.warnings] == ["learning_events/readme.md", "notes.txt"]
    assert "groups" not in summary.tables


def test_parts_lie_in_sub_folders_at_any_depth(raw_folder: Path, tmp_path: Path) -> None:
    events = raw_folder / "learning_events"
    deep = events / "year=2026" / "month=09" / "a" / "b"
    deep.mkdir(parents=True)
    (events / "2026-09-01.jsonl").rename(deep / "part.jsonl")
    (events / "year=2026" / "_old").mkdir()
    (events / "year=2026" / "_old" / "x.jsonl").touch()
    (deep / "notes.txt").touch()
    (raw_folder / "elsewhere" / "deep").mkdir(parents=True)
    (raw_folder / "elsewhere" / "deep" / "users.csv").write_text("user_id\nx\n", encoding="utf-8")
    summary = load(raw_folder, tmp_path / "archive")
    (version,) = read_manifest(tmp_path / "archive").current_files()["learning_events"]
    assert (version.file, version.row_count) == ("learning_events/year=2026/month=09/a/b/part.jsonl", 1)
    assert summary.warnings == (
        "elsewhere/deep/users.csv: belongs to no table of the raw contract, ignored",
        "learning_events/year=2026/month=09/a/b/notes.txt: of no known format (.csv, .csv.gz, .jsonl, .jsonl.gz, "
        ".parquet), ignored",
    )


def test_many_files_of_no_table_are_counted(raw_folder: Path, tmp_path: Path) -> None:
    (raw_folder / "photos").mkdir()
    for number in range(50):
        (raw_folder / "photos" / f"{number:02}.png").touch()
    warnings = load(raw_folder, tmp_path / "archive").warnings
    assert len(warnings) == 21
    assert warnings[-1] == "photos: ignored likewise, 30 more files"


def a_link(place: Path) -> None:
    place.symlink_to("/etc/passwd")


def a_link_that_leads_nowhere(place: Path) -> None:
    place.symlink_to("nowhere")


def a_link_to_a_folder(place: Path) -> None:
    place.symlink_to("/etc")


@pytest.mark.parametrize("make", [a_link, a_link_that_leads_nowhere, a_link_to_a_folder, os.mkfifo])
@pytest.mark.parametrize(
    "place", ["groups.csv", "groups", "groups/a.csv", "learning_events/2026/a.jsonl", "readme.md", "other/x/y.csv"]
)
def test_only_regular_files_inside_the_folder_are_read(
    raw_folder: Path, tmp_path: Path, make: Callable[[Path], None], place: str
) -> None:
    (raw_folder / place).parent.mkdir(parents=True, exist_ok=True)
    make(raw_folder / place)
    with pytest.raises(UserError, match=rf"^{place}: is a (link|pipe)\. Only regular files inside the raw folder"):
        load(raw_folder, tmp_path / "archive")
    assert not (tmp_path / "archive" / MANIFEST).exists()


def test_a_raw_folder_that_is_a_link_itself_is_read(raw_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(raw_folder)
    assert load(tmp_path / "current", tmp_path / "archive").load_number == 1


@pytest.mark.parametrize("place", ["users.csv", "learning_events"])
def test_what_becomes_a_link_after_a_look_is_not_followed(
    raw_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    looked = find_files(raw_folder)
    monkeypatch.setattr("warehouse.archive.find_files", lambda _: looked)
    (raw_folder / place).rename(raw_folder / f"_{place}")
    (raw_folder / place).symlink_to(raw_folder / f"_{place}")
    with pytest.raises(UserError, match=f"^{place}.*: is a link, or leads over one"):
        load(raw_folder, tmp_path / "archive")


def test_a_setting_names_the_encoding_and_files_are_read_again(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    events = raw_folder / "learning_events" / "b.csv"
    events.write_bytes(
        "event_id,user_id,course_id,verb,occurred_at\n2,é,c,active,2026-09-01T09:00:00Z\n".encode("cp1252")
    )
    load(raw_folder, archive)
    (raw_folder / "users.csv").write_bytes("user_id\nu\né\n".encode("cp1252"))
    with pytest.raises(UserError, match=r"^users\.csv: table users is not UTF-8. It looks like windows-1252"):
        load(raw_folder, archive)
    settings = ReadSettings("windows-1252")
    summary = load_delivery(raw_folder, archive, loaded_at=LOADED_AT, settings=settings)
    assert {name: brought.new_files for name, brought in summary.tables.items() if brought.new_files} == {
        "users": 1, "learning_events": 1
    }  # fmt: skip
    current = read_manifest(archive).current_files()
    assert [version.read_as for version in current["learning_events"]] == ["utf-8", "windows-1252"]
    (version,) = current["users"]
    found = duckdb.sql(f"select user_id from '{archive / version.archive_file}' order by line").fetchall()
    assert found == [("u",), ("é",)]
    assert load_delivery(raw_folder, archive, loaded_at=LOADED_AT, settings=settings).tables["users"].new_files == 0


def test_a_file_name_that_is_no_text_is_said(raw_folder: Path, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(raw_folder) + b"/notes\xe9.txt")).touch()
    assert load(raw_folder, tmp_path / "archive").warnings == (
        "notes\ufffd.txt: belongs to no table of the raw contract, ignored",
    )
    Path(os.fsdecode(os.fsencode(raw_folder) + b"/learning_events/\xe9.csv")).touch()
    with pytest.raises(UserError, match="is not readable text"):
        load(raw_folder, tmp_path / "archive")


def test_a_growing_table_may_come_in_several_forms_a_snapshot_may_not(raw_folder: Path, tmp_path: Path) -> None:
    shutil.copy(raw_folder / "learning_events" / "2026-09-01.jsonl", raw_folder / "learning_events.jsonl")
    assert load(raw_folder, tmp_path / "archive").tables["learning_events"].files == 2
    (raw_folder / "users.jsonl").write_text('{"user_id": "v"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"snapshot table users is delivered in 2 forms \(users.csv, users.jsonl\)"):
        load(raw_folder, tmp_path / "archive")


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def with_users(content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "users.csv").write_text(content, encoding="utf-8")

    return write


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def without_events(folder: Path) -> None:
    shutil.rmtree(folder / "learning_events")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "no such raw folder"),
        (emptied, "holds no table of the raw contract"),
        (without("courses.csv"), r"lacks the required table courses\. Deliver it as courses\.csv"),
        (without_events, "holds neither course_connections nor learning_events"),
        (with_users("name\nx\n"), r"users\.csv: table users lacks the required column user_id"),
        (with_users('user_id\n"x\n'), r"users\.csv, line 2: a quote opens"),
    ],
)
def test_what_stops_a_load_leaves_the_archive_as_it_was(
    raw_folder: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    archive = tmp_path / "archive"
    spoil(raw_folder)
    with pytest.raises(UserError, match=message):
        load(raw_folder, archive)
    assert not (archive / MANIFEST).exists()


def test_an_event_table_delivered_before_is_enough(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    load(raw_folder, archive)
    shutil.rmtree(raw_folder / "learning_events")
    assert load(raw_folder, archive).load_number == 2
    assert len(read_manifest(archive).current_files()["learning_events"]) == 1


def test_what_a_stopped_load_left_is_removed_by_the_next(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    load(raw_folder, archive)
    orphan = archive / "users" / "0123456789abcdef-01234567.parquet"
    half_written = archive / "users" / f".{orphan.name}.123.tmp"
    orphan.touch()
    half_written.touch()
    load(raw_folder, archive)
    assert not orphan.exists()
    assert not half_written.exists()
    assert len(list((archive / "users").iterdir())) == 1


@pytest.mark.parametrize("content", ["{", '{"format": 1}', '{"format": 99, "loads": [], "files": []}'])
def test_a_manifest_that_cannot_be_read_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(OpcoError, match=MANIFEST):
        read_manifest(tmp_path)


def test_a_lost_manifest_stops_the_load_and_deletes_nothing(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    load(raw_folder, archive)
    (archive / MANIFEST).unlink()
    files = sorted(archive.glob("*/*.parquet"))
    with pytest.raises(OpcoError, match="is missing, but the archive holds files"):
        load(raw_folder, archive)
    assert sorted(archive.glob("*/*.parquet")) == files


def test_a_first_load_that_failed_does_not_block_the_next(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    with_users("name\nx\n")(raw_folder)
    with pytest.raises(UserError):
        load(raw_folder, archive)
    with_users("user_id\nu\n")(raw_folder)
    assert load(raw_folder, archive).load_number == 1


def test_the_manifest_says_in_which_loads_a_version_was_delivered(raw_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    groups, events = raw_folder / "groups.csv", raw_folder / "learning_events.csv"
    head = "event_id,user_id,course_id,verb,occurred_at\n"
    for day, (group, event) in enumerate([("A", "1"), ("A", "2"), ("B", "2"), ("A", None), ("A", "1")], start=1):
        groups.write_text(f"group_id,name\ng,{group}\n", encoding="utf-8")
        events.unlink(missing_ok=True)
        if event:
            events.write_text(f"{head}{event},u,c,active,2026-09-01T08:00:00Z\n", encoding="utf-8")
        load_delivery(raw_folder, archive, loaded_at=datetime(2026, 11, day, tzinfo=UTC))
    manifest = read_manifest(archive)
    told = {
        (one.file, manifest.delivered_in(one), manifest.stood_until()[one])
        for one in manifest.files
        if one.file in ("groups.csv", "learning_events.csv")
    }
    # A file of a growing table counts until another version takes its place, in whatever loads it is not there.
    assert told == {
        ("groups.csv", ((1, 2), (4, 5)), 5),
        ("groups.csv", ((3, 3),), 3),
        ("learning_events.csv", ((1, 1), (5, 5)), 5),
        ("learning_events.csv", ((2, 3),), 4),
    }
    # An earlier edition kept the first load and the last.
    earlier = replace(manifest, files=tuple(replace(one, delivered_in=()) for one in manifest.files))
    assert {earlier.delivered_in(one) for one in earlier.files if one.file == "groups.csv"} == {((1, 5),), ((3, 3),)}
