"""Raw folders held against the contract without a home."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from warehouse.checking import BadRows, check_folder
from warehouse.project import PROJECT_DIR
from warehouse.readers import ReadSettings

ENCODINGS = PROJECT_DIR / "tests/data/cases/encodings"
CLOCK = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_a_sound_folder(raw_folder: Path) -> None:
    found = check_folder(raw_folder, clock=CLOCK)
    assert (found.stops, found.warnings, found.bad_rows) == ((), (), ())
    files = {file.file: file for file in found.files}
    assert {name: (file.table_name, file.rows) for name, file in files.items()} == {
        "users.csv": ("users", 1),
        "program_templates.csv": ("program_templates", 1),
        "program_sessions.csv": ("program_sessions", 1),
        "courses.csv": ("courses", 1),
        "learning_events/2026-09-01.jsonl": ("learning_events", 1),
    }
    assert files["courses.csv"].missing_columns == ("course_type", "planned_duration_seconds")
    assert files["learning_events/2026-09-01.jsonl"].missing_columns == ("attempt_id",)
    assert "groups" in found.missing
    assert "users" not in found.missing


def test_bad_rows_are_those_of_the_models_with_the_first_of_each_kind(raw_folder: Path) -> None:
    (raw_folder / "course_connections.csv").write_text(
        "connection_id,user_id,session_id,course_id,connected_at,disconnected_at,colour\n"
        "1,u,s,c,2026-10-01 09:00,2026-10-01 10:00,\n"
        "2,nobody,s,c,2026-10-01 09:00,2026-10-01 10:00,\n"
        "3,u,s,c,01/10/2026,,\n"
        "4,u,s,c,02/10/2026,,\n"
        "5,u,s,c,2026-12-01 09:00,,\n"
        "6,u,s,c\n",
        encoding="utf-8",
    )
    (raw_folder / "users.csv").write_text("user_id,last_name,email\nu,NULL,\\N\n", encoding="utf-8")
    found = check_folder(raw_folder, clock=CLOCK)
    assert found.stops == ()
    assert found.files[-2].unlisted_columns == ("colour",)
    file = "course_connections.csv"
    assert sorted(found.bad_rows, key=repr) == sorted(
        [
            BadRows("users", "bad_type", True, 2, "users.csv", 2, "email", "\\N"),
            BadRows("course_connections", "unknown_user", False, 1, file, 3, "user_id", "nobody"),
            BadRows("course_connections", "bad_type", False, 2, file, 4, "connected_at", "01/10/2026"),
            BadRows("course_connections", "in_the_future", False, 1, file, 6, "connected_at", "2026-12-01 09:00"),
            BadRows("course_connections", "malformed_line", False, 1, file, 7, None, "6,u,s,c"),
        ],
        key=repr,
    )
    # The settings of a home hold where they are given.
    later = check_folder(
        raw_folder, clock=datetime(2026, 12, 1, 8, 30, tzinfo=UTC), rules={"raw_timezone": "Etc/GMT-1"}
    )
    assert "in_the_future" not in {one.reason for one in later.bad_rows}


def test_all_that_stops_a_load_is_said_at_once(raw_folder: Path) -> None:
    (raw_folder / "users.csv").write_text("name\nx\n", encoding="utf-8")
    (raw_folder / "courses.csv").unlink()
    (raw_folder / "groups.csv").symlink_to("/etc/passwd")
    (raw_folder / "enrollments.csv").write_text("enrollment_id,session_id,user_id\n,s,u\n1,s,u\n", encoding="utf-8")
    found = check_folder(raw_folder, clock=CLOCK)
    assert [stop.split(".")[0].split(":")[-2:][0].rsplit("/", 1)[-1] for stop in found.stops] == [
        "groups",
        "users",
        "raw",
    ]
    assert "is a link" in found.stops[0]
    assert "lacks the required column user_id" in found.stops[1]
    assert "lacks the required table courses" in found.stops[2]
    # Whom rows point to cannot be known then; what they are by themselves can.
    assert [(one.reason, one.line) for one in found.bad_rows] == [("missing_value", 2)]


@pytest.mark.parametrize(
    ("case", "stop"),
    [
        ("cp1252", 'table users is not UTF-8. It looks like windows-1252.* encoding = "windows-1252"'),
        ("utf16", "table users is not UTF-8. It looks like utf-16"),
        ("cr", "its lines end with CR alone"),
        ("sep", "lacks the required column user_id. Columns found: sep=;"),
        ("bom-quoted", None),
        ("trailing", None),
    ],
)
def test_encodings_that_platforms_deliver(raw_folder: Path, case: str, stop: str | None) -> None:
    shutil.copy(ENCODINGS / f"{case}.csv", raw_folder / "users.csv")
    events = raw_folder / "learning_events" / "2026-09-01.jsonl"
    events.write_text(events.read_text(encoding="utf-8").replace('"u"', '"u2"'), encoding="utf-8")
    found = check_folder(raw_folder, clock=CLOCK)
    if stop is None:
        assert found.stops == ()
    else:
        (said,) = found.stops
        assert re.search(stop, said)
    if case in ("cp1252", "utf16"):
        found = check_folder(
            raw_folder, clock=CLOCK, settings=ReadSettings("utf-16" if case == "utf16" else "windows-1252")
        )
        assert (found.stops, found.bad_rows) == ((), ())
    if case == "trailing":
        # Cells without a name beside all rows; one row of blanks has a cell more than the header.
        assert found.files[0].unlisted_columns == ("",)
        assert [(one.reason, one.line, one.value) for one in found.bad_rows] == [("malformed_line", 4, ";;;;;;;;")]
