"""What is a session in each mode, its program, courses and instructors, and whose session an event is."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.moodle.sites import COURSES, NOON, Mapped, Rows, event, mapped, membership

DAY = 86_400
LEARNERS: Rows = ({"roleid": 5, "contextid": 102, "userid": 10, "timemodified": NOON - DAY},)


def sessions(site: Mapped) -> list[tuple[Any, ...]]:
    return [
        (row["session_id"], row["program_template_id"], row["name"], row["starts_at"], row["ends_at"])
        for row in site.table("program_sessions")
    ]


def test_every_course_but_the_site_is_a_session(tmp_path: Path) -> None:
    courses = [*COURSES[:2], {**COURSES[2], "startdate": NOON, "enddate": NOON + DAY}]
    assert sessions(mapped(tmp_path, {"course": courses})) == [
        ("c2", "OFF", "Excel", None, None),
        ("c3", "OFF", "Word", "2026-09-01T12:00:00Z", "2026-09-02T12:00:00Z"),
    ]


def test_a_program_may_be_a_course(tmp_path: Path) -> None:
    site = mapped(tmp_path, {}, programs="course")
    assert [row[:2] for row in sessions(site)] == [("c2", "2"), ("c3", "3")]
    assert site.column("program_templates", "name") == ["Excel", "Word"]


GROUPS: Rows = (
    {"id": 1, "courseid": 2, "idnumber": "S-1", "name": "Autumn"},
    {"id": 2, "courseid": 3, "idnumber": "S-1", "name": "Autumn"},
    {"id": 3, "courseid": 3, "idnumber": "", "name": "Alone"},
)


def test_groups_of_one_idnumber_are_one_session(tmp_path: Path) -> None:
    assert sessions(mapped(tmp_path, {"groups": GROUPS}, sessions="group")) == [
        ("S-1", "OFF", "Autumn", None, None),
        ("group-3", "OFF", "Alone", None, None),
    ]


def test_the_program_of_a_group_is_its_most_frequent_category(tmp_path: Path) -> None:
    courses = [*COURSES, {"id": 4, "category": 6, "fullname": "Law"}]
    groups = [*GROUPS[:2], {"id": 4, "courseid": 4, "idnumber": "S-1", "name": "Autumn"}]
    site = mapped(tmp_path, {"course": courses, "groups": groups}, sessions="group")
    assert [row[:2] for row in sessions(site)] == [("S-1", "OFF")]


COHORTS: Rows = (
    {"id": 7, "name": "By enrolment", "idnumber": "P7", "contextid": 1},
    {"id": 8, "name": "By group", "idnumber": "S-1", "contextid": 1},
    {"id": 9, "name": "Switched off", "idnumber": "", "contextid": 1},
    {"id": 12, "name": "No number", "idnumber": "", "contextid": 1},
    # Whose idnumber is empty reaches no group, though groups without one there are.
    {"id": 13, "name": "Nowhere", "idnumber": "", "contextid": 1},
)
ENROL: Rows = (
    {"id": 1, "enrol": "cohort", "status": 0, "courseid": 2, "customint1": 7},
    {"id": 2, "enrol": "cohort", "status": 1, "courseid": 2, "customint1": 9},
    {"id": 3, "enrol": "cohort", "status": 0, "courseid": 3, "customint1": 12},
    {"id": 4, "enrol": "self", "status": 0, "courseid": 3, "customint1": 13},
)


def test_cohorts_that_reach_a_course_are_sessions(tmp_path: Path) -> None:
    site = mapped(tmp_path, {"cohort": COHORTS, "enrol": ENROL, "groups": GROUPS}, sessions="cohort")
    assert [row[::2] for row in sessions(site)] == [
        ("12", "No number", None), ("P7", "By enrolment", None), ("S-1", "By group", None)
    ]  # fmt: skip


def test_the_program_of_a_cohort_is_the_category_of_its_context(tmp_path: Path) -> None:
    tables: dict[str, Rows] = {
        "course": [*COURSES, {"id": 4, "category": 6, "fullname": "Law"}],
        "course_categories": [{"id": 5, "name": "Office", "path": "/5"}, {"id": 6, "name": "Law", "path": "/4/6"}],
        "context": [{"id": 106, "contextlevel": 40, "instanceid": 4}],
        "cohort": [{"id": 7, "name": "P", "idnumber": "P", "contextid": 106}],
        "enrol": [
            {"id": n, "enrol": "cohort", "status": 0, "courseid": course, "customint1": 7}
            for n, course in enumerate((2, 3, 4))
        ],
    }
    assert [row[:2] for row in sessions(mapped(tmp_path / "in", tables, sessions="cohort"))] == [("P", "4")]
    elsewhere = {**tables, "context": [{"id": 106, "contextlevel": 40, "instanceid": 44}]}
    assert [row[:2] for row in sessions(mapped(tmp_path / "out", elsewhere, sessions="cohort"))] == [("P", "5")]


def test_dates_of_cohorts_come_from_the_settings(tmp_path: Path) -> None:
    site = mapped(
        tmp_path,
        {"cohort": COHORTS, "enrol": ENROL},
        sessions="cohort",
        session_dates={"P7": (date(2026, 9, 1), date(2026, 9, 30))},
    )
    assert sessions(site)[1][3:] == ("2026-09-01", "2026-09-30")


TEACHERS: Rows = (
    {"roleid": 3, "contextid": 103, "userid": 10, "timemodified": NOON},
    {"roleid": 4, "contextid": 103, "userid": 11, "timemodified": NOON},
)


def test_teachers_instruct_the_sessions_of_their_courses(tmp_path: Path) -> None:
    site = mapped(tmp_path, {"role_assignments": TEACHERS})
    assert site.table("session_instructors") == [
        {"session_id": "c3", "user_id": "10", "is_main": True},
        {"session_id": "c3", "user_id": "11", "is_main": False},
    ]


def test_a_teacher_in_a_group_instructs_that_group_alone(tmp_path: Path) -> None:
    members = [{"groupid": 3, "userid": 11, "timeadded": NOON}]
    site = mapped(
        tmp_path,
        {"role_assignments": TEACHERS, "groups": GROUPS, "groups_members": members},
        sessions="group",
    )
    assert [(row["session_id"], row["user_id"]) for row in site.table("session_instructors")] == [
        ("S-1", "10"), ("group-3", "10"), ("group-3", "11")
    ]  # fmt: skip


def session_of_event(folder: Path, at: int, first: dict[str, Any], second: dict[str, Any]) -> str | None:
    """The session of an event in course 2, whose user was a member of two groups of it as the marks say."""
    groups = [{"id": n, "courseid": 2, "idnumber": name, "name": name} for n, name in ((1, "A"), (2, "B"))]
    log: list[dict[str, Any]] = [event(1, at)]
    for group, marks in ((1, first), (2, second)):
        for name in ("added", "removed"):
            if name in marks:
                log.append(membership(len(log) + 1, marks[name], f"group_member_{name}", group, 10))
    site = mapped(
        folder,
        {"groups": groups, "logstore_standard_log": log},
        sessions="group",
        display_timezone="UTC",
        session_dates={"A": first["dates"], "B": second["dates"]},
    )
    (row,) = site.table("learning_events")
    session: str | None = row["session_id"]
    return session


OPEN = {"dates": (None, None), "added": NOON - DAY}
SEPTEMBER = (date(2026, 9, 1), date(2026, 9, 30))
AUGUST = (date(2026, 8, 1), date(2026, 8, 31))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Interval and dates stand above dates alone, these above the interval alone, that above none.
        ({"added": NOON + 9, "dates": SEPTEMBER}, {"added": NOON - DAY, "dates": SEPTEMBER}, "B"),
        ({"added": NOON - DAY, "dates": AUGUST}, {"added": NOON + 9, "dates": SEPTEMBER}, "B"),
        ({"added": NOON + 9, "dates": AUGUST}, {"added": NOON - DAY, "dates": AUGUST}, "B"),
        # Then the session that began earlier; one without a beginning is the last; then the id.
        ({"added": NOON - DAY, "dates": SEPTEMBER}, {"added": NOON - DAY, "dates": (AUGUST[0], SEPTEMBER[1])}, "B"),
        ({"added": NOON - DAY, "dates": (None, None)}, {"added": NOON - DAY, "dates": SEPTEMBER}, "B"),
        ({"added": NOON - DAY, "dates": SEPTEMBER}, {"added": NOON - DAY, "dates": SEPTEMBER}, "A"),
    ],
)
def test_whose_session_an_event_is(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], expected: str
) -> None:
    assert session_of_event(tmp_path, NOON, first, second) == expected


@pytest.mark.parametrize(("at", "expected"), [(NOON + 59, "A"), (NOON + 61, "B")])
def test_an_event_goes_where_its_user_then_was(tmp_path: Path, at: int, expected: str) -> None:
    first = {"added": NOON, "removed": NOON + 60, "dates": SEPTEMBER}
    assert session_of_event(tmp_path, at, first, {"added": NOON + 61, "dates": SEPTEMBER}) == expected


def test_the_last_day_of_a_session_is_in_it(tmp_path: Path) -> None:
    last = {"added": NOON - 9 * DAY, "dates": (date(2026, 8, 30), date(2026, 9, 1))}
    later = {"added": NOON - 9 * DAY, "dates": (date(2026, 9, 2), date(2026, 9, 30))}
    assert session_of_event(tmp_path / "in", NOON + 12 * 3600 - 1, later, last) == "B"
    assert session_of_event(tmp_path / "out", NOON + 12 * 3600, later, last) == "A"


def test_events_without_a_session(tmp_path: Path) -> None:
    log = [event(1, NOON), event(2, NOON, userid=11), event(3, NOON, courseid=3), event(4, NOON, courseid=0)]
    site = mapped(tmp_path, {"role_assignments": LEARNERS, "logstore_standard_log": log})
    assert [(row["event_id"], row["session_id"], row["course_id"]) for row in site.table("learning_events")] == [
        ("1", "c2", "2"), ("2", None, "2"), ("3", None, "3"), ("4", None, "site")
    ]  # fmt: skip


def test_ties_are_counted(tmp_path: Path) -> None:
    groups = [{"id": n, "courseid": 2, "idnumber": name, "name": name} for n, name in ((1, "A"), (2, "B"))]
    members = [{"groupid": n, "userid": 10, "timeadded": NOON - DAY} for n in (1, 2)]
    tables: dict[str, Rows] = {"groups": groups, "groups_members": members, "logstore_standard_log": [event(1, NOON)]}
    site = mapped(tmp_path, tables, sessions="group")
    assert site.mapping.rows("select id, is_tie from event_sessions") == [(1, True)]
