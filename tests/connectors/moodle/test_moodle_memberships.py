"""Who was when a member of what: current rows, the log, and what earlier pulls saw."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.connectors.moodle.sites import NOON, Mapped, Rows, event, mapped, membership

COHORTS: Rows = ({"id": 7, "name": "Promo", "idnumber": "P7", "contextid": 1},)
ENROL: Rows = ({"id": 1, "enrol": "cohort", "status": 0, "courseid": 2, "customint1": 7},)


def promo(folder: Path, log: Rows, members: Rows = (), **options: Any) -> Mapped:
    """A campus whose cohort 7 is a session with course 2."""
    tables = {"cohort": COHORTS, "enrol": ENROL, "cohort_members": members, "logstore_standard_log": log}
    return mapped(folder, tables, sessions="cohort", started_at=NOON + 9000, **options)


def stays(site: Mapped) -> list[tuple[int | None, int | None]]:
    """Beginnings and ends of the stays, in seconds after noon."""

    def after_noon(instant: datetime | None) -> int | None:
        return None if instant is None else int(instant.timestamp()) - NOON

    rows = site.table("enrollments")
    return sorted(((after_noon(row["enrolled_at"]), after_noon(row["unenrolled_at"])) for row in rows), key=str)


def added(row_id: int, at: int, user: int = 10) -> dict[str, Any]:
    return membership(row_id, NOON + at, "cohort_member_added", 7, user)


def removed(row_id: int, at: int, user: int = 10) -> dict[str, Any]:
    return membership(row_id, NOON + at, "cohort_member_removed", 7, user)


def member(at: int) -> Rows:
    return ({"cohortid": 7, "userid": 10, "timeadded": NOON + at},)


def test_a_member_who_left_is_in_the_log(tmp_path: Path) -> None:
    site = promo(tmp_path, [added(1, 0), removed(2, 60)])
    (row,) = site.table("enrollments")
    assert row["enrollment_id"] == f"P7/10/{NOON}"
    assert (row["session_id"], row["user_id"], row["status"]) == ("P7", "10", "unenrolled")
    assert row["enrolled_at"] == datetime.fromtimestamp(NOON, UTC)
    assert row["unenrolled_at"] == datetime.fromtimestamp(NOON + 60, UTC)


def test_one_row_a_stay(tmp_path: Path) -> None:
    assert stays(promo(tmp_path, [added(1, 0), removed(2, 60), added(3, 90)], member(90))) == [(0, 60), (90, None)]


def test_a_second_addition_opens_nothing(tmp_path: Path) -> None:
    assert stays(promo(tmp_path, [added(1, 0), added(2, 30), removed(3, 60), removed(4, 70)])) == [(0, 60)]


def test_a_current_row_without_an_event_opens_at_its_own_time(tmp_path: Path) -> None:
    assert stays(promo(tmp_path, [], member(5))) == [(5, None)]
    assert stays(promo(tmp_path, [added(1, 0), removed(2, 60)], member(100))) == [(0, 60), (100, None)]


def test_the_log_knows_the_end_of_a_stay_whose_beginning_it_lost(tmp_path: Path) -> None:
    assert stays(promo(tmp_path, [removed(2, 60)])) == [(None, 60)]


def test_who_is_deleted_leaves_everything(tmp_path: Path) -> None:
    gone = event(3, NOON + 80, eventname=r"\core\event\user_deleted", objectid=10, userid=2, courseid=0)
    assert stays(promo(tmp_path, [added(1, 0), gone])) == [(0, 80)]


def test_a_member_no_longer_seen_left_at_this_pull(tmp_path: Path) -> None:
    first = promo(tmp_path / "first", [], member(5))
    kept = {"marks": first.keep("marks")}
    assert stays(promo(tmp_path / "second", [], previous=kept)) == [(5, 9000)]
    # An event that says since when stands above it, also where a later pull reads it.
    assert stays(promo(tmp_path / "third", [removed(9, 70)], previous=kept)) == [(5, 70)]


def test_a_member_table_that_cannot_be_read_ends_no_stay(tmp_path: Path) -> None:
    kept = {"marks": promo(tmp_path / "first", [added(1, 0)], member(0)).keep("marks")}
    assert stays(promo(tmp_path / "second", [], previous=kept, observed_kinds=("role",))) == [(0, None)]


def test_an_addition_seen_before_its_event_is_one(tmp_path: Path) -> None:
    kept = {"marks": promo(tmp_path / "first", [], member(0)).keep("marks")}
    assert stays(promo(tmp_path / "second", [added(1, 1)], member(0), previous=kept)) == [(1, None)]


def test_a_role_counts_by_its_course_and_archetype(tmp_path: Path) -> None:
    log = [
        membership(1, NOON, "role_assigned", 5, 10, contextlevel=50),
        membership(2, NOON + 60, "role_unassigned", 5, 10, contextlevel=50),
        membership(3, NOON, "role_assigned", 3, 11, contextlevel=50),
        # A role in a category is none in the course.
        membership(4, NOON, "role_assigned", 5, 11, contextlevel=40),
    ]
    site = mapped(tmp_path, {"logstore_standard_log": log})
    assert [(row["session_id"], row["user_id"]) for row in site.table("enrollments")] == [("c2", "10")]


def test_learner_roles_are_a_setting(tmp_path: Path) -> None:
    tables = {"role_assignments": [{"roleid": 4, "contextid": 102, "userid": 10, "timemodified": NOON}]}
    site = mapped(tmp_path, tables, learner_roles=("teacher",))
    assert site.column("enrollments", "session_id") == ["c2"]


def test_overlapping_memberships_of_a_session_are_one_stay(tmp_path: Path) -> None:
    groups = [
        {"id": 1, "courseid": 2, "idnumber": "G", "name": "G"},
        {"id": 2, "courseid": 3, "idnumber": "G", "name": "G"},
    ]
    log = [
        membership(1, NOON, "group_member_added", 1, 10),
        membership(2, NOON + 30, "group_member_added", 2, 10),
        membership(3, NOON + 60, "group_member_removed", 1, 10),
        membership(4, NOON + 90, "group_member_removed", 2, 10),
        membership(5, NOON + 95, "group_member_added", 2, 10),
        membership(6, NOON + 99, "group_member_removed", 2, 10),
    ]
    site = mapped(tmp_path, {"groups": groups, "logstore_standard_log": log}, sessions="group")
    assert stays(site) == [(0, 90), (95, 99)]


@pytest.mark.parametrize("cut", range(5))
def test_pulls_in_parts_know_what_one_pull_knows(tmp_path: Path, cut: int) -> None:
    log = [added(1, 0), removed(2, 60), added(3, 90), removed(4, 95)]
    kept = {
        "marks": promo(tmp_path / "first", log[:cut], member(0 if cut == 1 else 90) if cut in (1, 3) else ()).keep(
            "marks"
        )
    }
    assert stays(promo(tmp_path / "second", log[cut:], previous=kept)) == [(0, 60), (90, 95)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(marks=st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=8))
def test_stays_lie_apart_and_hold_what_was_said(
    tmp_path_factory: pytest.TempPathFactory, marks: list[tuple[bool, int]]
) -> None:
    ordered = sorted(marks, key=lambda mark: mark[1])
    log = [(added if joined else removed)(row, at) for row, (joined, at) in enumerate(ordered, start=1)]
    is_member = bool(ordered) and ordered[-1][0]
    site = promo(tmp_path_factory.mktemp("site"), log, member(ordered[-1][1]) if is_member else ())
    found = sorted(((-1 if begin is None else begin, 10**6 if end is None else end) for begin, end in stays(site)))
    # Second by second, told from the marks: a member from each addition to the next removal.
    for at in range(42):
        before = [joined for joined, when in ordered if when < at]
        is_inside = any(begin < at <= end for begin, end in found)
        expected = before[-1] if before else bool(ordered) and not ordered[0][0]
        assert is_inside == expected, (at, ordered, found)
    assert all(one[1] < other[0] for one, other in pairwise(found))
