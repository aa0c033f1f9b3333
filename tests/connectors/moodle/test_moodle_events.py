"""Which rows of the log show the learner there, and which of them a later pull delivers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.moodle.mapping import not_by_the_user
from tests.connectors.moodle.sites import COURSES, NOON, Rows, event, mapped, membership


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({}, None),
        ({"origin": "ws"}, None),
        ({"courseid": 0, "eventname": r"\core\event\user_loggedout"}, None),
        ({"origin": "cli"}, "origin"),
        ({"origin": "restore"}, "origin"),
        ({"origin": ""}, "origin"),
        ({"origin": None}, "origin"),
        ({"realuserid": 2}, "logged_in_as"),
        ({"userid": 0}, "nobody"),
        ({"userid": -1}, "nobody"),
        ({"userid": None}, "nobody"),
        ({"anonymous": 1}, "anonymous"),
        ({"userid": 1}, "guest"),
        ({"userid": 11}, "guest"),
        ({"courseid": 99}, "deleted_course"),
        ({"courseid": 3}, "restored"),
        *(({"eventname": name}, "not_by_the_user") for name in (
            r"\core\event\user_login_failed",
            r"\core\event\user_graded",
            r"\core\event\notification_sent",
            r"\core\event\competency_evidence_created",
            r"\core\event\user_password_policy_failed",
            r"\tool_mfa\event\user_failed_mfa",
            r"\core\event\course_completed",
        )),
        ({"eventname": r"\core\event\message_sent"}, None),
        ({"eventname": r"\core\event\notification_viewed"}, None),
    ],
)  # fmt: skip
def test_which_rows_are_events(tmp_path: Path, columns: dict[str, Any], reason: str | None) -> None:
    courses = [*COURSES[:2], {**COURSES[2], "timecreated": NOON + 1}]
    tables: dict[str, Rows] = {
        "course": courses,
        "config": [{"name": "siteguest", "value": "11"}],
        "logstore_standard_log": [event(1, NOON, **columns)],
    }
    site = mapped(tmp_path, tables)
    assert site.mapping.rows("select left_out from activity") == [(reason,)]
    assert len(site.table("learning_events")) == (reason is None)


def test_the_names_that_a_check_counts_are_those_of_the_mapping() -> None:
    assert len(not_by_the_user()) == 7
    assert r"\tool_mfa\event\user_failed_mfa" in not_by_the_user()


def test_restored_events_are_a_setting(tmp_path: Path) -> None:
    courses = [*COURSES[:2], {**COURSES[2], "timecreated": NOON + 1}]
    tables: dict[str, Rows] = {"course": courses, "logstore_standard_log": [event(1, NOON, courseid=3)]}
    assert mapped(tmp_path, tables, restored_events=True).column("learning_events", "event_id") == ["1"]


def test_an_event_as_it_is_delivered(tmp_path: Path) -> None:
    site = mapped(tmp_path, {"logstore_standard_log": [event(8, NOON, courseid=None)]})
    (row,) = site.table("learning_events")
    assert row == {
        "event_id": "8",
        "user_id": "10",
        "session_id": None,
        "course_id": "site",
        "verb": "active",
        "occurred_at": datetime.fromtimestamp(NOON, UTC),
    }


def test_courses_may_be_activities_or_sections(tmp_path: Path) -> None:
    tables: dict[str, Rows] = {
        "modules": [{"id": 1, "name": "quiz"}],
        "course_modules": [{"id": 50, "course": 2, "module": 1, "instance": 4, "section": 30}],
        "course_sections": [{"id": 30, "course": 2, "section": 1, "name": None}],
        "activity_names": [{"module": "quiz", "id": 4, "name": "Test"}],
        "logstore_standard_log": [event(1, NOON, contextlevel=70, contextinstanceid=50), event(2, NOON)],
    }
    by_activity = mapped(tmp_path / "activity", tables, activities="activity")
    assert by_activity.column("learning_events", "course_id") == ["activity-50", "2"]
    assert ("activity-50", "Test – Excel") in [(row["course_id"], row["name"]) for row in by_activity.table("courses")]
    by_section = mapped(tmp_path / "section", tables, activities="section")
    assert by_section.column("learning_events", "course_id") == ["section-30", "2"]
    assert ("section-30", "Section 1 – Excel") in [
        (row["course_id"], row["name"]) for row in by_section.table("courses")
    ]


def test_what_was_read_is_not_delivered_again(tmp_path: Path) -> None:
    first = mapped(tmp_path / "first", {"logstore_standard_log": [event(5, NOON), event(7, NOON)]})
    kept = {"candidates": first.keep("candidates"), "read_ids": _ids(first)}
    log = [event(number, NOON) for number in (5, 6, 7, 8)]
    site = mapped(tmp_path / "second", {"logstore_standard_log": log}, previous=kept, low=5)
    # 6 was committed after 7 was read.
    assert sorted(site.column("learning_events", "event_id")) == ["6", "8"]


def test_an_event_whose_session_changed_is_delivered_again(tmp_path: Path) -> None:
    log = [event(5, NOON), event(6, NOON, userid=11)]
    first = mapped(tmp_path / "first", {"logstore_standard_log": log})
    assert first.column("learning_events", "session_id") == [None, None]
    kept = {"candidates": first.keep("candidates"), "read_ids": _ids(first)}
    joined = membership(7, NOON + 60, "role_assigned", 5, 10, contextlevel=50)
    site = mapped(tmp_path / "second", {"logstore_standard_log": [*log, joined]}, previous=kept, low=5)
    assert site.mapping.rows("from changed_users") == [(10,)]
    assert [(row["event_id"], row["session_id"]) for row in site.table("learning_events")] == [("5", "c2")]


def _ids(site: Any) -> Path:
    file: Path = site.folder / "ids.parquet"
    site.mapping.copy("select id from activity", file)
    return file
