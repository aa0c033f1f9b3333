"""What Moodle's own download becomes: which lines are events of whom, when, and in which session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from connectors.moodle_log.downloads import read_downloads
from connectors.moodle_log.mapping import map_downloads
from connectors.moodle_log.settings import CourseSettings, MoodleLogSettings, SessionSettings
from tests.connectors.moodle_downloads import ENGLISH, FRENCH, KARIM, PAUL, ZOE, line, write_log, write_participants
from warehouse.errors import UserError

ZOE_ID = "mail-" + sha256(b"zoe.lambert@exemple.fr").hexdigest()[:16]
PAUL_ID = "mail-" + sha256(b"paul@exemple.fr").hexdigest()[:16]


def mapped(folder: Path, table: str, settings: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a table that the downloads of a folder become."""
    chosen = MoodleLogSettings.model_validate(settings or {})
    db = map_downloads(read_downloads(folder, chosen.files), chosen, {})
    found = db.execute(f"from {table} order by all")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def instants(folder: Path, **settings: Any) -> list[str]:
    return sorted(str(row["occurred_at"]) for row in mapped(folder, "learning_events", settings))


def reasons(folder: Path, **settings: Any) -> list[str | None]:
    rows = sorted(mapped(folder, "judged_lines", settings), key=lambda row: (row["file"], row["line"]))
    return [row["reason"] for row in rows]


def test_a_line_is_an_active_event_of_the_participant_of_this_name(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"))
    write_participants(tmp_path, ZOE)
    (event,) = mapped(tmp_path, "learning_events")
    assert (event["user_id"], event["session_id"], event["course_id"]) == (ZOE_ID, "EXCEL-1", "EXCEL-1")
    assert (event["verb"], event["occurred_at"]) == ("active", "2026-10-13T12:05:11Z")
    assert mapped(tmp_path, "users") == [
        # The id does not show the address: it is printed, and outlives `opco forget`.
        {"user_id": ZOE_ID, "email": "zoe.lambert@exemple.fr", "first_name": "Zoé", "last_name": "Lambert"}
    ]
    assert [row["enrollment_id"] for row in mapped(tmp_path, "enrollments")] == [f"EXCEL-1/{ZOE_ID}"]


def test_french_headings_last_names_first_and_another_zone(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/2026 14:05:11", "Lambert Zoé"), headings=FRENCH, encoding="windows-1252")
    write_participants(tmp_path, ZOE)
    assert instants(tmp_path, timezone="America/Martinique") == ["2026-10-13T18:05:11Z"]


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        (line("13/10/26, 14:06:00", origin="cli"), "not_a_person"),
        (line("13/10/26, 14:06:00", origin="restore"), "not_a_person"),
        (line("13/10/26, 14:06:00", "Paul Prost en tant que Zoé Lambert"), "under_another_name"),
        (line("13/10/26, 14:06:00", "Ines Nouvelle", 99), "not_a_participant"),
        (line("13/10/26, 14:06:00", description="Cron has run."), "no_user"),
        (line("13/10/26, 14:06:00", "-", 0), "no_user"),
        (line("13/10/26, 14:06:00", "-", -1), "no_user"),
        (line("13 Oct, 14:06"), "unreadable_time"),
        (
            line(
                "13/10/26, 14:06:00",
                affected="Zoé Lambert",
                description="The user with id '{}' updated the grade with id '4' for the user with id '12' for the "
                "grade item with id '2'.",
            ),
            "not_the_learner",
        ),
        (
            line("13/10/26, 14:06:00", description="The user with id '{}' completed the course with id '7'."),
            "not_the_learner",
        ),
        (
            line(
                "13/10/26, 14:06:00", description="The user with id '{}' sent a notification to the user with id '3'."
            ),
            "not_the_learner",
        ),
    ],
)
def test_what_does_not_show_the_learner_is_left_out(tmp_path: Path, left_out: tuple[str, ...], reason: str) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"), left_out)
    write_participants(tmp_path, ZOE, PAUL)
    assert reasons(tmp_path) == [None, reason]
    assert instants(tmp_path) == ["2026-10-13T12:05:11Z"]


def test_the_web_services_of_the_mobile_app_show_the_learner_and_so_does_a_line_that_names_somebody_else(
    tmp_path: Path,
) -> None:
    message = "The user with id '{}' sent a message to the user with id '3'."
    write_log(
        tmp_path,
        line("13/10/26, 14:05:11", origin="ws"),
        line("13/10/26, 14:06:11", affected="Paul Prost", description=message),
    )
    write_participants(tmp_path, ZOE, PAUL)
    assert reasons(tmp_path) == [None, None]


def test_a_learner_of_whom_only_a_stand_in_is_seen_has_no_event(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11", "Admin User as Zoé Lambert"))
    write_participants(tmp_path, ZOE)
    assert mapped(tmp_path, "learning_events") == []
    assert reasons(tmp_path, users={"12": "zoe.lambert@exemple.fr"}) == ["under_another_name"]


def test_a_number_is_whom_most_of_its_own_lines_name(tmp_path: Path) -> None:
    marked = "The user with id '{}' was marked present."
    others = [line("13/10/26, 14:05:11", "Paul Prost", affected="Zoé Lambert", description=marked)] * 3
    write_log(tmp_path, *others, line("13/10/26, 14:10:00"))
    write_participants(tmp_path, ZOE, PAUL)
    assert reasons(tmp_path) == [*["under_another_name"] * 3, None]


def test_the_setting_names_a_participant_or_nobody(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"))
    write_participants(tmp_path, ZOE)
    assert reasons(tmp_path, users={"12": "zoe@ailleurs.fr"}) == ["not_a_participant"]


def test_people_of_one_name_are_not_guessed(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"), line("13/10/26, 14:06:11", user_id=13))
    write_participants(tmp_path, ZOE, ("Zoé", "Lambert", "zl@exemple.fr"))
    assert reasons(tmp_path) == ["not_a_participant", "not_a_participant"]
    write_log(tmp_path / "one", line("13/10/26, 14:05:11"))
    write_participants(tmp_path / "one", ZOE, ("Zoé", "Lambert", "zl@exemple.fr"))
    assert reasons(tmp_path / "one") == ["not_a_participant"]
    settled = {"12": "zoe.lambert@exemple.fr", "13": "ZL@exemple.fr"}
    events = mapped(tmp_path, "learning_events", {"users": settled})
    assert {row["occurred_at"]: row["user_id"] for row in events} == {
        "2026-10-13T12:05:11Z": ZOE_ID,
        "2026-10-13T12:06:11Z": "mail-" + sha256(b"zl@exemple.fr").hexdigest()[:16],
    }


def test_who_did_nothing_yet_is_a_user_and_enrolled(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"))
    write_participants(tmp_path, ZOE, KARIM)
    karim = "mail-" + sha256(b"karim@exemple.fr").hexdigest()[:16]
    assert {row["user_id"] for row in mapped(tmp_path, "enrollments")} == {karim, ZOE_ID}


def test_one_of_two_accounts_of_one_name_is_a_participant_and_nobody_knows_which(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"), line("13/10/26, 14:06:11", user_id=13))
    write_participants(tmp_path, ZOE)
    assert reasons(tmp_path) == ["not_a_participant", "not_a_participant"]


def test_an_instructor_has_no_session_and_is_not_enrolled(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"), line("13/10/26, 14:06:11", "Paul Prost", 3))
    write_participants(tmp_path, ZOE, PAUL)
    settings = {"instructors": ["Paul@exemple.fr"]}
    assert [(row["user_id"], row["session_id"]) for row in mapped(tmp_path, "session_instructors", settings)] == [
        (PAUL_ID, "EXCEL-1")
    ]
    assert [row["user_id"] for row in mapped(tmp_path, "enrollments", settings)] == [ZOE_ID]
    events = {row["user_id"]: row["session_id"] for row in mapped(tmp_path, "learning_events", settings)}
    assert events == {ZOE_ID: "EXCEL-1", PAUL_ID: None}


def test_the_same_file_twice_and_overlapping_files_neither_double_nor_lose(tmp_path: Path) -> None:
    first, twice, last = line("13/10/26, 14:05:11"), line("13/10/26, 14:06:11"), line("14/10/26, 09:00:00")
    write_participants(tmp_path, ZOE)
    write_log(tmp_path, twice, twice, first)
    alone = [row["event_id"] for row in mapped(tmp_path, "learning_events")]
    assert len(alone) == len(set(alone)) == 3
    write_log(tmp_path, twice, twice, first, name="logs_EXCEL-1_20261105-0931.csv")
    assert [row["event_id"] for row in mapped(tmp_path, "learning_events")] == alone
    write_log(tmp_path, last, twice, name="logs_EXCEL-1_20261106-0930 (1).csv")
    together = [row["event_id"] for row in mapped(tmp_path, "learning_events")]
    assert len(together) == 4
    assert set(together) > set(alone)


def test_the_language_the_zone_and_the_name_of_a_download_change_no_event_id(tmp_path: Path) -> None:
    found = []
    for number, (time, headings, settings) in enumerate(
        [
            ("13/10/26, 14:05:11", ENGLISH, {}),
            ("10/13/2026 02:05:11 PM", FRENCH, {"timezone": "America/New_York"}),
        ]
    ):
        folder = tmp_path / str(number)
        write_log(folder, line(time), name=f"logs_EXCEL-1_2026110{number + 1}-0930.csv", headings=headings)
        write_participants(folder, ZOE)
        (event,) = mapped(folder, "learning_events", settings)
        found.append((event["event_id"], event["occurred_at"]))
    (first, at), (second, elsewhere) = found
    assert first == second
    assert (at, elsewhere) == ("2026-10-13T12:05:11Z", "2026-10-13T18:05:11Z")


def test_nothing_tells_day_from_month_until_a_day_beyond_12_or_the_setting_does(tmp_path: Path) -> None:
    write_participants(tmp_path, ZOE)
    write_log(tmp_path, line("05/10/26, 14:05:11"), name="logs_EXCEL-1_20261006-0930.csv")
    with pytest.raises(UserError, match=r"logs_EXCEL-1_20261006-0930.csv: no day beyond 12 .* day_first"):
        instants(tmp_path)
    assert instants(tmp_path, day_first=False) == ["2026-05-10T12:05:11Z"]
    write_log(tmp_path, line("13/10/26, 14:05:11"), name="logs_EXCEL-1_20261014-0930.csv")
    assert instants(tmp_path) == ["2026-10-05T12:05:11Z", "2026-10-13T12:05:11Z"]
    write_log(tmp_path, line("10/13/26, 14:05:11"), line("13/10/26, 14:05:11"), name="logs_EXCEL-1_20261015-0930.csv")
    with pytest.raises(UserError, match="some dates are right with the day first, others with the month first"):
        instants(tmp_path)


@pytest.mark.parametrize("runs_back", [True, False])
def test_the_order_of_the_lines_settles_the_hour_that_exists_twice(tmp_path: Path, runs_back: bool) -> None:
    lines = [line(f"25/10/26, {time}") for time in ("01:50:00", "02:10:00", "02:50:00", "02:20:00", "03:05:00")]
    write_log(tmp_path, *(reversed(lines) if runs_back else lines))
    write_participants(tmp_path, ZOE)
    assert instants(tmp_path) == [
        "2026-10-24T23:50:00Z", "2026-10-25T00:10:00Z", "2026-10-25T00:50:00Z", "2026-10-25T01:20:00Z",
        "2026-10-25T02:05:00Z",
    ]  # fmt: skip
    assert not any(row["is_ambiguous"] for row in mapped(tmp_path, "judged_lines"))


def test_where_nothing_settles_that_hour_the_later_instant_holds(tmp_path: Path) -> None:
    write_log(tmp_path, line("25/10/26, 02:10:00"))
    write_participants(tmp_path, ZOE)
    assert instants(tmp_path) == ["2026-10-25T01:10:00Z"]
    assert [row["is_ambiguous"] for row in mapped(tmp_path, "judged_lines")] == [True]


def test_settings_say_which_session_a_log_is_of(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"))
    write_log(tmp_path, line("14/10/26, 14:05:11"), name="word-octobre.csv")
    write_participants(tmp_path, ZOE, name="stagiaires.csv")
    write_participants(tmp_path, ZOE, name="courseid_8_participants.csv")
    settings = MoodleLogSettings(
        files={"word-octobre.csv": "WORD", "stagiaires.csv": "EXCEL-1", "courseid_8_participants.csv": "WORD"},
        courses={
            "EXCEL-1": CourseSettings(name="Excel, premier niveau", session="S-2026-10"),
            "WORD": CourseSettings(session="S-2026-10"),
        },
        sessions={
            "S-2026-10": SessionSettings(
                name="Bureautique, octobre", program="Bureautique", starts_on=date(2026, 10, 1)
            )
        },
    ).model_dump()
    assert {row["session_id"] for row in mapped(tmp_path, "learning_events", settings)} == {"S-2026-10"}
    (session,) = mapped(tmp_path, "program_sessions", settings)
    assert (session["name"], session["program_template_id"]) == ("Bureautique, octobre", "Bureautique")
    assert (session["starts_at"], session["ends_at"]) == ("2026-10-01", None)
    assert [(row["position"], row["resource_id"]) for row in mapped(tmp_path, "program_steps", settings)] == [
        (1, "EXCEL-1"), (2, "WORD")
    ]  # fmt: skip
    assert [row["name"] for row in mapped(tmp_path, "courses", settings)] == ["Excel, premier niveau", "WORD"]


def test_a_course_that_is_used_again_is_a_session_of_each_group(tmp_path: Path) -> None:
    opened = "The user with id '{}' viewed the course with id '7'."
    both = (
        line("13/10/26, 14:05:11", description=opened),
        line("15/10/26, 14:05:11", "Karim Benali", 13, description=opened),
    )
    write_log(tmp_path, *both)
    write_log(tmp_path, *both, name="logs_EXCEL-1_20270105-0930.csv")
    write_participants(tmp_path, ZOE)
    write_participants(tmp_path, KARIM, name="courseid_7_participants (1).csv")
    files = {"logs_EXCEL-1_20270105-0930.csv": "EXCEL-1 G2", "courseid_7_participants (1).csv": "EXCEL-1 G2"}
    with pytest.raises(UserError, match=r"courseid_7_participants\.csv: nothing tells .*EXCEL-1, EXCEL-1 G2"):
        mapped(tmp_path, "participants", {"files": files})
    files["courseid_7_participants.csv"] = "EXCEL-1"
    events = mapped(tmp_path, "learning_events", {"files": files})
    in_sessions = sorted((row["occurred_at"], row["session_id"]) for row in events if row["session_id"])
    assert in_sessions == [("2026-10-13T12:05:11Z", "EXCEL-1"), ("2026-10-15T12:05:11Z", "EXCEL-1 G2")]


def test_the_log_of_the_whole_site_has_the_course_of_each_line_and_pages_outside_courses(tmp_path: Path) -> None:
    write_log(
        tmp_path,
        ("-", *line("13/10/26, 14:00:00")),
        ("EXCEL-1", *line("13/10/26, 14:05:11")),
        ("EXCEL-1", *line("13/10/26, 14:06:00", description="The user with id '{}' viewed the course with id '7'.")),
        ("WORD", *line("13/10/26, 14:10:00")),
        name="logs_20261105-0930.csv",
        headings=("Course", *ENGLISH),
    )
    write_participants(tmp_path, ZOE)
    events = {row["occurred_at"]: (row["course_id"], row["session_id"]) for row in mapped(tmp_path, "learning_events")}
    assert events == {
        "2026-10-13T12:00:00Z": ("site", None),
        "2026-10-13T12:05:11Z": ("EXCEL-1", "EXCEL-1"),
        "2026-10-13T12:06:00Z": ("EXCEL-1", "EXCEL-1"),
        # She is a participant of the other course: here she was, but for no session.
        "2026-10-13T12:10:00Z": ("WORD", None),
    }


def test_participants_of_an_unknown_course_are_asked_for(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"))
    write_log(tmp_path, line("13/10/26, 14:05:11"), name="logs_WORD_20261105-0930.csv")
    write_participants(tmp_path, ZOE)
    with pytest.raises(UserError, match=r"courseid_7_participants.csv: nothing tells .*EXCEL-1, WORD"):
        mapped(tmp_path, "participants")


def test_files_that_are_neither_are_left_out_with_what_to_do(tmp_path: Path) -> None:
    write_log(tmp_path, line("13/10/26, 14:05:11"), name="a log.csv")
    write_log(tmp_path, line("13/10/26, 14:05:11"), name="b.csv", headings=("Zeit", *ENGLISH[1:]))
    write_log(tmp_path, line("13/10/26, 14:05:11"), line("13/10/26, 14:05:11")[:4], name="logs_C_20261105-0930.csv")
    (tmp_path / "d.csv").write_text("First name,Last name,Groups\nZoé,Lambert,\n", encoding="utf-8")
    (tmp_path / "logs_E_20261105-0930.xlsx").write_bytes(b"PK\x03\x04")
    (tmp_path / "f.csv").write_bytes(b"")
    left_out = {one.file: one.reason for one in read_downloads(tmp_path, {}).left_out}
    assert list(left_out) == [
        "a log.csv",
        "b.csv",
        "d.csv",
        "f.csv",
        "logs_C_20261105-0930.csv",
        "logs_E_20261105-0930.xlsx",
    ]
    assert 'write files."a log.csv"' in left_out["a log.csv"]
    assert "Zeit, User full name" in left_out["b.csv"]
    assert "moodle/site:viewuseridentity" in left_out["d.csv"]
    assert "empty" in left_out["f.csv"]
    assert "line 3 has 4 cells instead of 9: the file is cut" in left_out["logs_C_20261105-0930.csv"]
    assert "it is no .csv" in left_out["logs_E_20261105-0930.xlsx"]
