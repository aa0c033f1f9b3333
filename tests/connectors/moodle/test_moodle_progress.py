"""Programs, assessments, results and what a learner reached in a course."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.moodle.sites import NOON, Mapped, Rows, mapped

LEARNER: Rows = (
    {"roleid": 5, "contextid": 102, "userid": 10, "timemodified": NOON - 1000},
    {"roleid": 5, "contextid": 103, "userid": 10, "timemodified": NOON - 1000},
)
QUIZ: Rows = ({"id": 4, "course": 2, "name": "Test", "sumgrades": "8.00000", "grade": "10.00000"},)
GRADES: Rows = (
    {
        "id": 1, "courseid": 2, "itemtype": "mod", "itemmodule": "quiz", "iteminstance": 4,
        "gradepass": "7.00000", "grademax": "10.00000",
    },
)  # fmt: skip


def attempt(**columns: Any) -> dict[str, Any]:
    return {
        "id": 90, "quiz": 4, "userid": 10, "attempt": 1, "preview": 0, "state": "finished", "timefinish": NOON,
        "sumgrades": "5.60000", **columns,
    }  # fmt: skip


def results(folder: Path, *attempts: dict[str, Any], **tables: Rows) -> list[dict[str, Any]]:
    site = {
        "role_assignments": LEARNER, "quiz": QUIZ, "grade_items": GRADES, "quiz_attempts": attempts, **tables
    }  # fmt: skip
    return mapped(folder, site).table("assessment_results")


def test_a_result_as_delivered(tmp_path: Path) -> None:
    # 5.6 of 8 is 7 of 10: passed, which floating point numbers would deny.
    assert results(tmp_path, attempt()) == [
        {
            "result_id": "qa-90",
            "user_id": "10",
            "session_id": "c2",
            "assessment_id": "quiz-4",
            "attempt_number": 1,
            "submitted_at": datetime.fromtimestamp(NOON, UTC),
            "score_pct": Decimal("70.000000"),
            "is_passed": True,
        }
    ]


@pytest.mark.parametrize("state", ["inprogress", "overdue", "abandoned", "notstarted", "submitted"])
def test_only_finished_attempts_are_results(tmp_path: Path, state: str) -> None:
    assert results(tmp_path, attempt(state=state), attempt(id=91, preview=1)) == []


def test_results_without_a_session_stay_away(tmp_path: Path) -> None:
    assert results(tmp_path, attempt(userid=11)) == []


def test_an_attempt_that_is_not_graded_has_no_score(tmp_path: Path) -> None:
    (row,) = results(tmp_path, attempt(sumgrades=None))
    assert (row["score_pct"], row["is_passed"]) == (None, None)


@pytest.mark.parametrize(("digits", "is_passed"), [("5.59999", False), ("5.60000", True)])
def test_passed_from_the_grade_to_pass_on(tmp_path: Path, digits: str, is_passed: bool) -> None:
    assert results(tmp_path, attempt(sumgrades=digits))[0]["is_passed"] is is_passed


def test_without_a_grade_to_pass_nobody_passed_or_failed(tmp_path: Path) -> None:
    no_grade = [{**GRADES[0], "gradepass": "0.00000"}]
    assert results(tmp_path, attempt(), grade_items=no_grade)[0]["is_passed"] is None


MODULES: Rows = (
    {"id": 50, "course": 2, "module": 1, "instance": 4, "completion": 1},
    {"id": 51, "course": 2, "module": 1, "instance": 5, "completion": 2},
    {"id": 52, "course": 2, "module": 1, "instance": 6, "completion": 1},
    {"id": 53, "course": 2, "module": 1, "instance": 7, "completion": 0},
)


def test_what_a_learner_reached_in_a_course(tmp_path: Path) -> None:
    site = mapped(
        tmp_path,
        {
            "role_assignments": LEARNER,
            "course_modules": MODULES,
            "course_modules_completion": [
                {"coursemoduleid": 50, "userid": 10, "completionstate": 1, "timemodified": NOON},
                {"coursemoduleid": 51, "userid": 10, "completionstate": 2, "timemodified": NOON + 60},
                # 3 is failed, and a number: as a truth value it would be done.
                {"coursemoduleid": 52, "userid": 10, "completionstate": 3, "timemodified": NOON + 90},
            ],
            "course_completions": [{"userid": 10, "course": 2, "timecompleted": NOON + 7200}],
            "grade_items": [{"id": 1, "courseid": 2, "itemtype": "course", "grademax": "20.00000"}],
            "grade_grades": [{"id": 1, "itemid": 1, "userid": 10, "finalgrade": "15.00000"}],
        },
    )
    assert site.table("course_attempts") == [
        {
            "attempt_id": "ca-10-2",
            "user_id": "10",
            "course_id": "2",
            "session_id": "c2",
            "first_activity_at": datetime.fromtimestamp(NOON, UTC),
            "last_activity_at": datetime.fromtimestamp(NOON + 90, UTC),
            "completed_at": datetime.fromtimestamp(NOON + 7200, UTC),
            "progress_pct": Decimal("66.666667"),
            "score_pct": Decimal("75.000000"),
        }
    ]


@pytest.mark.parametrize("grade", ["25.00000", "-1.00000"])
def test_a_score_outside_its_scale_is_blank(tmp_path: Path, grade: str) -> None:
    site = mapped(
        tmp_path,
        {
            "course_completions": [{"userid": 10, "course": 2, "timecompleted": NOON}],
            "grade_items": [{"id": 1, "courseid": 2, "itemtype": "course", "grademax": "20.00000"}],
            "grade_grades": [{"id": 1, "itemid": 1, "userid": 10, "finalgrade": grade}],
        },
    )
    assert site.column("course_attempts", "score_pct") == [None]


def steps(site: Mapped) -> list[tuple[Any, ...]]:
    return [
        (row["program_template_id"], row["position"], row["step_type"], row["resource_id"], row["min_score_pct"])
        for row in site.table("program_steps")
    ]


def test_steps_are_courses_in_moodles_order_with_their_quizzes(tmp_path: Path) -> None:
    site = mapped(tmp_path, {"quiz": QUIZ, "grade_items": GRADES})
    assert steps(site) == [
        ("OFF", 1, "course", "3", None),
        ("OFF", 2, "course", "2", None),
        ("OFF", 3, "assessment", "quiz-4", Decimal("70.000000")),
    ]
    assert site.table("assessments") == [{"assessment_id": "quiz-4", "name": "Test – Excel"}]


def test_planned_hours_come_from_a_custom_field(tmp_path: Path) -> None:
    tables: dict[str, Rows] = {
        "customfield_field": [{"id": 1, "shortname": "hours"}, {"id": 2, "shortname": "other"}],
        "customfield_data": [
            {"fieldid": 1, "instanceid": 2, "decvalue": "1.50000"},
            {"fieldid": 1, "instanceid": 3, "charvalue": "2,5"},
            {"fieldid": 2, "instanceid": 3, "charvalue": "99"},
        ],
    }
    site = mapped(tmp_path / "set", tables, duration_field="hours")
    assert site.column("program_templates", "planned_duration_seconds") == [4 * 3600]
    assert site.column("courses", "planned_duration_seconds") == [5400, 9000, None]
    assert mapped(tmp_path / "unset", tables).column("program_templates", "planned_duration_seconds") == [None]


def test_the_site_is_a_course(tmp_path: Path) -> None:
    assert [tuple(row.values())[:3] for row in mapped(tmp_path, {}).table("courses")] == [
        ("2", "Excel", "course"), ("3", "Word", "course"), ("site", "Campus", "site")
    ]  # fmt: skip


def test_rows_delivered_the_same_stay_away(tmp_path: Path) -> None:
    tables: dict[str, Rows] = {
        "course_completions": [{"userid": user, "course": 2, "timecompleted": NOON} for user in (10, 11)]
    }
    first = mapped(tmp_path / "first", tables)
    assert len(first.table("course_attempts")) == 2
    digests = tmp_path / "digests.parquet"
    first.mapping.copy("select attempt_id as id, md5(cast(t as varchar)) as digest from course_attempts as t", digests)
    changed = {"course_completions": [tables["course_completions"][0], {"userid": 11, "course": 2, "timecompleted": 9}]}
    site = mapped(tmp_path / "second", changed, previous={"digests": digests})
    assert site.column("course_attempts", "attempt_id") == ["ca-11-2"]
